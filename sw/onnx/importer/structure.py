"""Find complementary sets in weights that were trained elsewhere.

Two kernels are *apart* if no input position is used by both. A set is a group of kernels that are
all apart from each other, so sets are cliques of that relation. In weights pruned into
complementary sets, true partners have many further partners in common and false ones few; a set is
therefore grown by the kernel that leaves the most candidates.

The search is bounded by a number of elementary steps, not by time, so that it finds the same sets
on every computer, and by a maximum layer size, so that the table of pairs fits in some ten
megabytes.
"""

import numpy as np

from twofold.hw.contract.layers.sparsity import SLOTS_MAX

WORTH = 0.75
"""Share of a dense layer's cost above which the structure is not used."""
GROWTH = 1.15
"""Factor from one number of sets tried to the next."""
KERNELS_MAX = 1 << 13
"""Maximum kernels of a layer to search; a larger layer has sets in its kernels' order, or none."""
STEPS_MAX = 1 << 26
"""Maximum words of 64 pairs, or bytes of 8 inputs, compared in a search: some seconds."""
PRODUCTS_MAX = 1 << 36
"""Maximum products to compute a table of pairs: some seconds."""
BLOCK = 1 << 10
FIRST = 16
"""Number of first kernels to compare; they rule out most numbers of sets."""
ONES = np.array([value.bit_count() for value in range(1 << 16)], dtype=np.uint8)
"""Number of set bits of every 16-bit value."""


class _Steps:
    """The remaining steps of a search."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, steps: int) -> bool:
        """Use up ``steps``; whether that many were left."""
        self.left -= steps
        return self.left >= 0


def apart(used: np.ndarray) -> np.ndarray:
    """Which kernels share no input: bool ``[kernels, kernels]``, from ``[kernels, inputs]``."""
    kernels, inputs = used.shape
    pairs = np.ones((kernels, kernels), dtype=bool)
    for column in range(0, inputs, BLOCK):
        part = used[:, column : column + BLOCK].astype(np.float32)
        for row in range(0, kernels, BLOCK):
            pairs[row : row + BLOCK] &= part[row : row + BLOCK] @ part.T == 0
    return pairs


def fewest_sets(used: np.ndarray) -> int:
    """Lower bound on the number of sets."""
    return max(int(used.sum(axis=0).max()), -(-len(used) // SLOTS_MAX), 1)


def sets_in_order(used: np.ndarray) -> int | None:
    """Fewest sets such that kernel ``o`` can be in set ``o % sets``; None if not worth it."""
    kernels, steps = len(used), _Steps(STEPS_MAX)
    packed = np.packbits(used, axis=1)
    possible = _possible(packed)
    for sets in range(fewest_sets(used), int(WORTH * kernels) + 1):
        found = bool(possible[sets::sets].all()) and _in_order(packed, sets, steps)
        if found is None:
            return None
        if found:
            return sets
    return None


def _possible(packed: np.ndarray) -> np.ndarray:
    """Mask of the distances at which none of the first kernels shares an input with another."""
    possible = np.ones(len(packed), dtype=bool)
    for kernel, row in enumerate(packed[:FIRST]):
        possible[: len(packed) - kernel] &= ~(packed[kernel:] & row).any(axis=1)
    possible[0] = True
    return possible


def _in_order(packed: np.ndarray, sets: int, steps: _Steps) -> bool | None:
    """Whether the kernels of each set ``o % sets`` are apart; None if no steps are left.

    A few kernels decide most cases, so blocks of increasing size are tried.
    """
    kernels, width = packed.shape
    start, size = 0, 8
    while start < sets:
        stop = min(start + size, sets)
        taken = np.zeros((stop - start, width), dtype=np.uint8)
        for first in range(start, kernels, sets):
            slot = packed[first : min(first + stop - start, kernels)]
            if not steps.take(slot.size + BLOCK):
                return None
            if (taken[: len(slot)] & slot).any():
                return False
            taken[: len(slot)] |= slot
        start, size = stop, 4 * size
    return True


def sets_by_search(used: np.ndarray, below: int) -> tuple[int, np.ndarray] | None:
    """Number of sets, fewer than ``below``, and the canonical order of the kernels for them.

    None if no such sets are found within the bounds of the search.
    """
    kernels, sets = len(used), fewest_sets(used)
    if sets >= below or kernels > KERNELS_MAX or kernels * used.size > PRODUCTS_MAX:
        return None
    pairs, steps = _Pairs(apart(used)), _Steps(STEPS_MAX)
    while sets < below and steps.left > 0:
        order = _order(pairs, sets, steps)
        if order is not None:
            return sets, order
        sets = max(sets + 1, int(sets * GROWTH))
    return None


class _Pairs:
    """Which kernels are apart, as bit masks of 64 kernels per word."""

    def __init__(self, pairs: np.ndarray) -> None:
        self.kernels = len(pairs)
        self.alone = np.diagonal(pairs).copy()
        np.fill_diagonal(pairs, False)
        self.words = np.stack([self.packed(row) for row in pairs])
        self.partners = self.common(np.arange(self.kernels), self.packed(np.ones(len(pairs), bool)))

    def packed(self, kernels: np.ndarray) -> np.ndarray:
        """Words of a set of kernels, given as a bool mask."""
        whole = np.zeros(-(-self.kernels // 64) * 64, dtype=bool)
        whole[: self.kernels] = kernels
        return np.packbits(whole).view(np.uint64)

    def of(self, kernel: int) -> np.ndarray:
        """Mask of a kernel's partners."""
        return np.unpackbits(self.words[kernel].view(np.uint8))[: self.kernels].astype(bool)

    def common(self, kernels: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Number of partners that each of ``kernels`` has ``among`` others, given as words."""
        both = (self.words[kernels] & among).view(np.uint16)
        return ONES[both].sum(axis=1, dtype=np.int64)


def _order(pairs: _Pairs, sets: int, steps: _Steps) -> np.ndarray | None:
    """Kernels in canonical order, set ``o % sets`` at index ``o``; None if a set is too small."""
    kernels = pairs.kernels
    slots = -(-kernels // sets)
    free = np.ones(kernels, dtype=bool)
    order = np.empty(kernels, dtype=np.int64)
    for group in range(sets):
        size = slots if group < kernels - (slots - 1) * sets else slots - 1
        members = _grown(pairs, free, size, steps)
        if members is None:
            return None
        free[members] = False
        order[group::sets] = sorted(members)
    return order


def _grown(pairs: _Pairs, free: np.ndarray, size: int, steps: _Steps) -> list[int] | None:
    """A set of ``size`` free kernels, grown from the one with the fewest partners."""
    left = np.flatnonzero(free)
    members = [int(left[pairs.partners[left].argmin()])]
    alive = free & pairs.of(members[0])
    while len(members) < size:
        candidates = np.flatnonzero(alive)
        if len(candidates) < size - len(members):
            return None
        if not steps.take(len(candidates) * pairs.words.shape[1] + BLOCK):
            return None
        # A kernel without weights is its own partner: it counts itself.
        partners = pairs.common(candidates, pairs.packed(alive)) + pairs.alone[candidates]
        best = int(candidates[partners.argmax()])
        members.append(best)
        alive &= pairs.of(best)
    return members

"""Complementary sets in weights that were trained elsewhere.

Two kernels are *apart* when no input position is used by both. A set is a group of kernels that are
all apart from each other, so sets are cliques of that relation. Weights pruned into complementary
sets have true partners that share many further partners, and false ones that share few; a set is
therefore grown by the kernel that leaves the most candidates.
"""

import numpy as np

SLOTS_MAX = 256
WORTH = 0.75
"""Share of a dense layer's cost above which structure is not used."""
GROWTH = 1.15
"""From one number of sets tried to the next."""


def apart(used: np.ndarray) -> np.ndarray:
    """Which kernels share no input: bool ``[kernels, kernels]``, from ``[kernels, inputs]``."""
    counts = used.astype(np.float32)
    return counts @ counts.T == 0


def fewest_sets(used: np.ndarray) -> int:
    """Sets that are needed at least."""
    return max(int(used.sum(axis=0).max()), -(-len(used) // SLOTS_MAX), 1)


def sets_in_order(used: np.ndarray) -> int | None:
    """Fewest sets such that kernel ``o`` can be in set ``o % sets``; None if not worth it."""
    pairs, kernels = apart(used), len(used)
    good = [True, *(bool(np.diagonal(pairs, at).all()) for at in range(1, kernels))]
    for sets in range(fewest_sets(used), int(WORTH * kernels) + 1):
        if all(good[sets::sets]):
            return sets
    return None


def sets_by_search(used: np.ndarray, below: int) -> tuple[int, np.ndarray] | None:
    """Sets, fewer than ``below``, and the order of the kernels that makes them canonical.

    None where no such sets are found.
    """
    pairs, sets = apart(used), fewest_sets(used)
    while sets < below:
        order = _order(pairs, sets)
        if order is not None:
            return sets, order
        sets = max(sets + 1, int(sets * GROWTH))
    return None


def _order(pairs: np.ndarray, sets: int) -> np.ndarray | None:
    """Kernels in canonical order: set ``o % sets`` at place ``o``; None where a set stays small."""
    kernels = len(pairs)
    slots = -(-kernels // sets)
    free = np.ones(kernels, dtype=bool)
    degree = (pairs & ~np.eye(kernels, dtype=bool)).sum(axis=1)
    order = np.empty(kernels, dtype=np.int64)
    for group in range(sets):
        size = slots if group < kernels - (slots - 1) * sets else slots - 1
        members = _grown(pairs, free, degree, size)
        if members is None:
            return None
        free[members] = False
        order[group::sets] = sorted(members)
    return order


def _grown(pairs: np.ndarray, free: np.ndarray, degree: np.ndarray, size: int) -> list[int] | None:
    """A set of ``size`` free kernels around the one that has the fewest partners."""
    left = np.flatnonzero(free)
    start = int(left[degree[left].argmin()])
    members, candidates = [start], np.flatnonzero(free & pairs[start])
    candidates = candidates[candidates != start]
    while len(members) < size:
        if len(candidates) < size - len(members):
            return None
        among = pairs[np.ix_(candidates, candidates)]
        best = int(among.sum(axis=1).argmax())
        members.append(int(candidates[best]))
        keep = among[best].copy()
        keep[best] = False
        candidates = candidates[keep]
    return members

"""The emulated card: Verilated compute units and memory, driven through ctypes.

Uses only the standard library, because it is shipped inside the bitstream.
"""

import ctypes
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

WORD = 4


class CardError(Exception):
    """Something the emulated card cannot do, in one line."""


@dataclass(frozen=True)
class UnitPlace:
    """Location of a compute unit: its registers, and the memory that it can reach.

    Attributes
    ----------
    name: as in ``twofold_1``.
    base, size: address range of its registers.
    memories: pairs of base and size.
    """

    name: str
    base: int
    size: int
    memories: Sequence[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class CardPlan:
    """Configuration of the card.

    Attributes
    ----------
    units: compute units.
    timeout: cycles without a transfer after which a unit counts as done.
    latency: cycles from a memory request to its response.
    outstanding: maximum number of bursts in flight per memory.
    memory_bytes: host memory that the card's memory may use.
    """

    units: Sequence[UnitPlace]
    timeout: int
    latency: int = 100
    outstanding: int = 16
    memory_bytes: int = 2 << 30

    def to_json(self) -> str:
        """Text for `read_plan`."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_plan(text: str) -> CardPlan:
    """Read back what `CardPlan.to_json` wrote."""
    tree = json.loads(text)
    units = tuple(UnitPlace(**unit) for unit in tree.pop("units"))
    return CardPlan(units=units, **tree)


class Card:
    """An emulated card, after reset.

    Parameters
    ----------
    library: built from ``card.cpp``.
    plan: configuration of the card.
    """

    def __init__(self, library: Path, plan: CardPlan) -> None:
        self.plan = plan
        self._c = _bind(library)
        self._card = self._c.card_new(
            len(plan.units), plan.latency, plan.outstanding, plan.timeout, plan.memory_bytes
        )
        for index, unit in enumerate(plan.units):
            for base, size in unit.memories:
                self._c.card_connect(self._card, index, base, size)

    def close(self) -> None:
        """Free the card."""
        if self._card is not None:
            self._c.card_delete(self._card)
            self._card = None

    @property
    def cycles(self) -> int:
        """Cycles in which any unit ran."""
        return self._c.card_cycles(self._card)

    @property
    def beats(self) -> tuple[int, int]:
        """Number of 64-byte beats that the units have read and written."""
        return self._c.card_beats_read(self._card), self._c.card_beats_written(self._card)

    def step(self, cycles: int) -> int:
        """Run up to that many cycles, fewer if no unit has work. Returns the number that has."""
        return self._c.card_step(self._card, cycles)

    def write(self, address: int, content: bytes | bytearray | memoryview) -> None:
        """Write memory. Raises CardError if there is not enough of it."""
        content = bytes(content)
        if not self._c.card_write(self._card, address, content, len(content)):
            raise CardError(
                f"the emulated memory is exhausted at {self.plan.memory_bytes >> 20} MiB;"
                " use smaller buffers"
            )

    def read(self, address: int, size: int) -> bytes:
        """Read memory; locations never written read as zero."""
        content = ctypes.create_string_buffer(size)
        self._c.card_read(self._card, address, content, size)
        return content.raw

    def write_registers(self, address: int, content: bytes) -> bool:
        """Write 32-bit words at an address of a unit, lowest first. False if no unit is there."""
        place = self._find(address, len(content))
        if place is None:
            return False
        index, offset = place
        for at in range(0, len(content), WORD):
            value = int.from_bytes(content[at : at + WORD], "little")
            if not self._c.card_set_register(self._card, index, offset + at, value):
                raise CardError(self._silent(index, offset + at))
        return True

    def read_registers(self, address: int, size: int) -> bytes | None:
        """Read 32-bit words at an address of a unit. None if no unit is there."""
        place = self._find(address, size)
        if place is None:
            return None
        index, offset = place
        words, value = [], ctypes.c_uint32()
        for at in range(0, size, WORD):
            if not self._c.card_get_register(self._card, index, offset + at, ctypes.byref(value)):
                raise CardError(self._silent(index, offset + at))
            words.append(value.value.to_bytes(WORD, "little"))
        return b"".join(words)[:size]

    def _find(self, address: int, size: int) -> tuple[int, int] | None:
        """Unit that contains a range of registers, and the offset in it."""
        for index, unit in enumerate(self.plan.units):
            offset = address - unit.base
            if offset >= 0 and offset + size <= unit.size and offset % WORD == 0:
                return index, offset
        return None

    def _silent(self, index: int, offset: int) -> str:
        return f"unit {self.plan.units[index].name} does not answer at register {offset:#x}"


def _bind(library: Path) -> ctypes.CDLL:
    c = ctypes.CDLL(str(library))
    card, wide, word, pointer = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
    signatures = {
        "card_new": (card, [word, wide, wide, wide, wide]),
        "card_delete": (None, [card]),
        "card_connect": (None, [card, word, wide, wide]),
        "card_write": (ctypes.c_int, [card, wide, ctypes.c_char_p, wide]),
        "card_read": (None, [card, wide, pointer, wide]),
        "card_set_register": (ctypes.c_int, [card, word, word, word]),
        "card_get_register": (ctypes.c_int, [card, word, word, pointer]),
        "card_step": (ctypes.c_uint, [card, wide]),
        "card_cycles": (wide, [card]),
        "card_beats_read": (wide, [card]),
        "card_beats_written": (wide, [card]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(c, name)
        function.restype, function.argtypes = result, arguments
    return c

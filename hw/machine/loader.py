"""Loads a parameter image into the tables of the machine."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.folding import Plan
from twofold.hw.contract.parameters import (
    ALIGN_BYTES,
    FINGERPRINT_BYTES,
    HEADER_WORDS,
    LENGTH_MAX,
    MAGIC,
    VERSION,
    ParameterStatus,
    expected_sections,
)
from twofold.hw.contract.tables import Table, tables
from twofold.hw.engines.links import ConfigBus, parameter_stream
from twofold.hw.primitives.checksum import WordChecksum

WORD_BITS = 32
WORD_BYTES = WORD_BITS // 8
COUNT_BITS = (LENGTH_MAX // WORD_BYTES).bit_length()
LENGTH_PLACE = 3
"""Words of the header up to and including the length."""

ERRORS = (
    ParameterStatus.BAD_MAGIC,
    ParameterStatus.BAD_VERSION,
    ParameterStatus.BAD_LENGTH,
    ParameterStatus.BAD_CRC,
    ParameterStatus.BAD_FINGERPRINT,
    ParameterStatus.BAD_SECTION,
)
"""In the order of `twofold.hw.contract.parameters.check`; the first of several is reported."""

EXPECTED = data.StructLayout(
    {
        "stage": 8,
        "kind": 8,
        "last_lane": 16,
        "elements": 17,
        "next_to_last": 16,
        "single": 1,
        "signed": 1,
        "narrow": 1,
        "excess": WORD_BITS,
        "final": 1,
    }
)
"""Constants of a table: the ``elements`` per lane, the index of the ``next_to_last`` one, and
whether there is only a ``single`` one; ``excess`` marks the bits that must equal the sign, or 0.
"""

ELEMENT = data.StructLayout(
    {name: port.shape for name, port in ConfigBus().members.items() if name != "valid"}
)


def _expected(table: Table, *, final: bool) -> dict[int | str, Any]:
    magnitude = table.bits - table.signed
    return {
        "stage": table.stage,
        "kind": table.kind,
        "last_lane": table.lanes - 1,
        "elements": table.depth,
        "next_to_last": max(0, table.depth - 2),
        "single": table.depth == 1,
        "signed": table.signed,
        "narrow": table.element_bits * 2 == WORD_BITS,
        "excess": (1 << WORD_BITS) - (1 << magnitude),
        "final": final,
    }


class ParameterLoader(wiring.Component):
    """Reads a parameter image, writes the tables as they arrive, and reports if they are valid.

    Everything that `twofold.hw.contract.parameters.unpack` checks is checked. The checksum comes
    last, so tables are written before they are known to be intact: a machine whose last image was
    not `OK` has no network. After the first error nothing more is written, and the rest of the
    image is read and discarded, so that a bad image never back-pressures its sender.

    Parameters
    ----------
    plans: plans of the machine's layers, which determine the sections.
    fingerprint: fingerprint of the machine, 32 bytes.

    Members
    -------
    i: words of the image, in file order.
    config: table writes, one cycle each; signed elements are sign-extended.
    busy: an image is being read.
    status: status of the last image; valid while ``busy`` is deasserted, which it is for at least
        one cycle between two images. `ParameterStatus.NONE` at reset.

    Throughput: one word per cycle, or per two cycles where it holds two elements of 16 bits.

    Raises
    ------
    ValueError: the fingerprint has the wrong length.
    """

    i: Any
    config: Any
    busy: Signal
    status: Any

    def __init__(self, plans: Sequence[Plan], fingerprint: bytes) -> None:
        if len(fingerprint) != FINGERPRINT_BYTES:
            raise ValueError(f"fingerprint: {len(fingerprint)} bytes, needs {FINGERPRINT_BYTES}")
        self._tables = [table for plan in plans for table in tables(plan)]
        self._sections = len(expected_sections(plans))
        self._fingerprint = [
            int.from_bytes(fingerprint[at : at + WORD_BYTES], "little")
            for at in range(0, FINGERPRINT_BYTES, WORD_BYTES)
        ]
        super().__init__(
            {
                "i": In(parameter_stream()),
                "config": Out(ConfigBus()),
                "busy": Out(1),
                "status": Out(ParameterStatus),
            }
        )

        self._word = Signal(WORD_BITS)
        self._valid = Signal()
        self._last = Signal()
        self._used = Signal()
        flagged = [error for error in ERRORS if error is not ParameterStatus.BAD_CRC]
        self._bad = {error: Signal(name=error.name.lower()) for error in flagged}
        self._found = {error: Signal(name=f"{error.name.lower()}_found") for error in flagged}
        self._compares: dict[str, Signal] = {}  # asserted by a state that compares its word
        self._at = Signal(range(len(self._fingerprint)))  # word of the fingerprint
        self._short = Signal()
        self._left = Signal(COUNT_BITS)  # words left according to the header, with this one
        self._too_long = Signal()  # only one word is left
        self._write = Signal()
        self._element = Signal(16)
        self._upper = Signal()
        self._more = Signal()  # the word has another element after this one
        self._ends = Signal()  # in state DATA, and the element is the last one of its lane
        self._lane = Signal(16)
        self._lanes_end = Signal()
        self._table = Signal(range(len(self._tables) + 1))  # the one after that in ``expects``
        self._printed = Signal()  # the word is the last one of the fingerprint
        self._leaves = Signal()  # the table ends with its lane, and another follows
        # Advance to the table that was looked up while the previous one was read; marked ``keep``,
        # because it enables all of ``expects``.
        self._next = Signal(attrs={"keep": 1})
        self._following: Any = Signal(EXPECTED)
        self._expects: Any = Signal(EXPECTED)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = WordChecksum()
        with m.Switch(self._table):
            for at, table in enumerate(self._tables):
                with m.Case(at):
                    final = at == len(self._tables) - 1
                    constants = EXPECTED.const(_expected(table, final=final))
                    m.d.sync += self._following.eq(constants)
        m.d.sync += self._lanes_end.eq(self._lane == self._expects.last_lane)
        m.d.sync += self._leaves.eq(self._lanes_end & ~self._expects.final)
        m.d.comb += self._used.eq(self._valid & (~self._more | self._last))
        for error, found in self._found.items():
            m.d.sync += found.eq(0)
            with m.If(found):
                m.d.sync += self._bad[error].eq(1)
        self._compare(m)
        with m.If(self._used):
            m.d.sync += self._left.eq(self._left - 1)
        closing = Signal()
        waiting, verifying = Signal(init=1), Signal()  # states MAGIC and VERIFY, decoded ahead
        with m.FSM() as fsm:
            self._header_states(m)
            self._section_states(m)
            with m.State("CLOSE"):
                with m.If(self._left != 0):
                    m.d.sync += self._bad[ParameterStatus.BAD_LENGTH].eq(1)
                m.next = "SUM"
            with m.State("SUM"):  # the checksum of the last word is known one cycle later
                m.next = "VERIFY"
            with m.State("VERIFY"):
                m.next = "MAGIC"
            m.d.sync += verifying.eq(fsm.ongoing("SUM"))
            m.d.comb += [
                checksum.start.eq(verifying),
                checksum.valid.eq(self._used),
                checksum.data.eq(self._word),
            ]
        turns = self._printed | (self._ends & self._leaves)
        m.d.comb += self._next.eq(self._valid & ~self._last & turns)
        with m.If(self._next):
            m.d.sync += [self._expects.eq(self._following), self._table.eq(self._table + 1)]
        with m.If(waiting & self._valid):
            m.d.sync += [waiting.eq(0), self.status.eq(ParameterStatus.NONE)]
        with m.If(verifying):
            self._set_status(m, checksum.good)
            m.d.sync += [waiting.eq(1), self.busy.eq(0), closing.eq(0)]
        self._take(m, closing)
        self._write_element(m)
        return m

    def _take(self, m: Module, closing: Signal) -> None:
        """Word register at the input, and whether one more word is too many."""
        ended = self._valid & self._last  # every state then goes to CLOSE
        with m.If(ended):
            m.d.sync += closing.eq(1)
        m.d.comb += self.i.ready.eq((~self._valid | self._used) & ~ended & ~closing)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self._word.eq(self.i.payload.data),
                self._last.eq(self.i.payload.last),
                self._valid.eq(1),
                self.busy.eq(1),
            ]
        with m.Elif(self._used):
            m.d.sync += self._valid.eq(0)
        m.d.sync += self._too_long.eq(Mux(self._used, self._left == 2, self._left == 1))

    def _go(self, m: Module, state: str) -> None:
        """Go to ``state`` with this word, or to CLOSE if it is the last."""
        m.next = state
        with m.If(self._last):
            m.next = "CLOSE"

    def _fail(self, m: Module, error: ParameterStatus, condition: Value) -> None:
        """Record an error; its flag is set one cycle later, before the image is judged."""
        with m.If(condition):
            m.d.sync += self._found[error].eq(1)

    def _compare(self, m: Module) -> None:
        """Record an error where a word differs from what its state expects.

        Bytes are compared first, so the error flag is set one cycle later than with `_fail`: still
        in time for the elements after the word, and for the status of the image.
        """
        expects = self._expects
        for name, error, expected in (
            ("magic", ParameterStatus.BAD_MAGIC, MAGIC),
            ("version", ParameterStatus.BAD_VERSION, VERSION),
            ("sections", ParameterStatus.BAD_SECTION, self._sections),
            ("print", ParameterStatus.BAD_FINGERPRINT, Array(self._fingerprint)[self._at]),
            ("header", ParameterStatus.BAD_SECTION, Cat(expects.stage, expects.kind, self._lane)),
            ("count", ParameterStatus.BAD_SECTION, expects.elements),
            ("zero", ParameterStatus.BAD_SECTION, 0),
        ):
            self._compares[name] = compares = Signal(name=f"compares_{name}")
            compared = Signal(name=f"compared_{name}")
            wrong = Signal(WORD_BYTES, name=f"wrong_{name}")
            differs = self._word ^ expected
            m.d.sync += compared.eq(compares)
            m.d.sync += [wrong[at].eq(differs[8 * at :][:8].any()) for at in range(WORD_BYTES)]
            with m.If(compared & wrong.any()):
                m.d.sync += self._found[error].eq(1)

    def _header_states(self, m: Module) -> None:
        """One state per word, and one for the fingerprint; an image that ends here is too short."""
        word = self._word
        length = word[WORD_BYTES.bit_length() - 1 :][:COUNT_BITS]
        with m.State("MAGIC"), m.If(self._valid):
            m.d.sync += [flag.eq(0) for flag in self._bad.values()]
            m.d.comb += self._compares["magic"].eq(1)
            m.d.sync += self._short.eq(self._last)
            m.d.sync += [self._table.eq(0), self._lane.eq(0), self._at.eq(0), self._printed.eq(0)]
            self._go(m, "VERSION")
        with m.State("VERSION"), m.If(self._valid):
            m.d.comb += self._compares["version"].eq(1)
            m.d.sync += self._short.eq(self._last)
            self._go(m, "LENGTH")
        with m.State("LENGTH"), m.If(self._valid):
            misaligned = (word & (ALIGN_BYTES - 1)).any()
            outside = (word > LENGTH_MAX) | (word <= HEADER_WORDS * WORD_BYTES)
            self._fail(m, ParameterStatus.BAD_LENGTH, misaligned | outside)
            m.d.sync += self._short.eq(self._last)
            m.d.sync += self._left.eq(length - LENGTH_PLACE)
            self._go(m, "SECTIONS")
        with m.State("SECTIONS"), m.If(self._valid):
            m.d.comb += self._compares["sections"].eq(1)
            m.d.sync += self._short.eq(self._last)
            self._go(m, "FINGERPRINT")
        with m.State("FINGERPRINT"), m.If(self._valid):
            m.d.comb += self._compares["print"].eq(1)
            m.d.sync += [self._short.eq(self._last), self._at.eq(self._at + 1)]
            m.d.sync += self._printed.eq(self._at == len(self._fingerprint) - 2)
            self._go(m, "FINGERPRINT")
            with m.If(~self._last & self._printed):
                m.next = "HEADER"

    def _section_states(self, m: Module) -> None:
        """Header, count and data of every section; then zeros. The last word is the checksum."""
        expects, too_long = self._expects, self._too_long
        with m.State("HEADER"), m.If(self._valid):
            self._fail(m, ParameterStatus.BAD_LENGTH, too_long & ~self._last)
            self._fail(m, ParameterStatus.BAD_SECTION, self._last)
            m.d.comb += self._compares["header"].eq(1)
            self._go(m, "COUNT")
        with m.State("COUNT"), m.If(self._valid):
            self._fail(m, ParameterStatus.BAD_LENGTH, too_long & ~self._last)
            self._fail(m, ParameterStatus.BAD_SECTION, self._last)
            m.d.comb += self._compares["count"].eq(1)
            m.d.sync += [self._element.eq(0), self._upper.eq(0), self._ends.eq(expects.single)]
            m.d.sync += self._more.eq(expects.narrow & ~expects.single & ~self._last)
            self._go(m, "DATA")
        with m.State("DATA"), m.If(self._valid):
            self._data_word(m)
        with m.State("PADDING"), m.If(self._valid):
            self._fail(m, ParameterStatus.BAD_LENGTH, too_long & ~self._last)
            with m.If(~self._last):
                m.d.comb += self._compares["zero"].eq(1)
            self._go(m, "PADDING")

    def _data_word(self, m: Module) -> None:
        """One element per cycle; the word is consumed with its upper half or the last element."""
        expects = self._expects
        with m.If(self._last):
            m.d.sync += [self._bad[ParameterStatus.BAD_SECTION].eq(1), self._more.eq(0)]
            m.next = "CLOSE"
        with m.Else():
            self._fail(m, ParameterStatus.BAD_LENGTH, self._too_long)
            ends = self._element == expects.next_to_last
            m.d.comb += self._write.eq(1)
            m.d.sync += [self._element.eq(self._element + 1), self._upper.eq(self._more)]
            m.d.sync += self._ends.eq(ends & ~expects.single)
            m.d.sync += self._more.eq(expects.narrow & ~self._more & ~self._ends & ~ends)
            with m.If(self._ends):
                m.next = "HEADER"
                with m.If(~self._lanes_end):
                    m.d.sync += self._lane.eq(self._lane + 1)
                with m.Elif(expects.final):
                    m.next = "PADDING"
                with m.Else():
                    m.d.sync += self._lane.eq(0)

    def _write_element(self, m: Module) -> None:
        """Sign-extend an element; write it one cycle later, once its range has been checked."""
        word, expects, config = self._word, self._expects, self.config
        half = Mux(self._upper, word[WORD_BITS // 2 :], word[: WORD_BITS // 2])
        top = Mux(expects.narrow, half[-1], word[-1])
        sign = top & expects.signed
        valid, negative = Signal(), Signal(reset_less=True)
        excess = Signal(WORD_BITS, reset_less=True)
        element = Signal(ELEMENT, reset_less=True)
        m.d.sync += [
            valid.eq(self._write),
            negative.eq(sign),
            excess.eq(expects.excess),
            element.stage.eq(expects.stage),
            element.kind.eq(expects.kind),
            element.lane.eq(self._lane),
            element.address.eq(self._element),
            element.data.eq(Mux(expects.narrow, Cat(half, sign.replicate(WORD_BITS // 2)), word)),
        ]
        outside = ((element.data ^ negative.replicate(WORD_BITS)) & excess).any()
        bad = Cat(self._bad.values(), self._found.values()).any()
        with m.If(valid & outside):
            m.d.sync += self._bad[ParameterStatus.BAD_SECTION].eq(1)
        m.d.sync += config.valid.eq(valid & ~bad & ~outside)
        m.d.sync += [getattr(config, name).eq(getattr(element, name)) for name in ELEMENT.members]

    def _set_status(self, m: Module, checksum_good: Value) -> None:
        """Set the status of the image that has just ended: its first error."""
        m.d.sync += self.status.eq(ParameterStatus.OK)
        for error in reversed(ERRORS):
            found = ~checksum_good if error is ParameterStatus.BAD_CRC else self._bad[error]
            with m.If(found):
                m.d.sync += self.status.eq(error)
        with m.If(self._short):
            m.d.sync += self.status.eq(ParameterStatus.BAD_LENGTH)

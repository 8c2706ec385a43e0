"""The phase-locked loop of the ECP5: dividers for a clock."""

from dataclasses import dataclass
from itertools import product

from twofold.hw.contract.errors import BoardError

VCO_HZ = (400e6, 800e6)
PHASE_HZ_MIN = 3.125e6
"""Slowest clock at the phase detector."""
DIVIDERS = range(1, 129)
CLOSE = 0.05
"""How far the clock may be below the one that was asked for."""


@dataclass(frozen=True)
class Dividers:
    """Dividers of an EHXPLLL whose output feeds back.

    Attributes
    ----------
    input, feedback, output: ``CLKI_DIV``, ``CLKFB_DIV``, ``CLKOP_DIV``.
    """

    input: int
    feedback: int
    output: int

    def clock(self, source_hz: float) -> float:
        """The clock that comes out."""
        return source_hz * self.feedback / self.input


def dividers(source_hz: float, wanted_hz: float) -> Dividers:
    """The fastest clock that is not above ``wanted_hz``.

    Raises BoardError if that is more than `CLOSE` below it.
    """
    best: Dividers | None = None
    for into, feedback in product(range(1, int(source_hz / PHASE_HZ_MIN) + 1), DIVIDERS):
        clock = source_hz * feedback / into
        output = round(sum(VCO_HZ) / 2 / clock)
        fits = output in DIVIDERS and VCO_HZ[0] <= clock * output <= VCO_HZ[1]
        if not fits or clock > wanted_hz * (1 + 1e-9):
            continue
        if best is None or clock > best.clock(source_hz):
            best = Dividers(into, feedback, output)
    if best is None or best.clock(source_hz) < (1 - CLOSE) * wanted_hz:
        raise BoardError(
            f"no clock of {wanted_hz / 1e6:g} MHz can be made of the board's {source_hz / 1e6:g}; "
            "ask for another one with --clock"
        )
    return best

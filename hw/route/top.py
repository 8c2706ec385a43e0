"""The top of a design for a board: its clock, its pins, and the machine as a black box.

Pins and their electrical standards come from the platforms of `amaranth_boards`.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from amaranth.hdl import *
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import BoardError
from twofold.hw.route.pll import Dividers, dividers
from twofold.hw.verilog.station import MACHINE

INTO, OUT = io.Direction.Input, io.Direction.Output
TOP = "top"
"""Module of the whole design."""


@dataclass(frozen=True)
class Pins:
    """A top module and what the tools have to know about it.

    Attributes
    ----------
    rtlil: text of the module `TOP`, which instantiates `MACHINE`.
    constraints: places and standards of the pins, as an LPF file.
    clock_hz: clock of the machine.
    """

    rtlil: str
    constraints: str
    clock_hz: float


class _Top(Elaboratable):
    def __init__(self, dividers: Dividers, uart: int) -> None:
        self.dividers, self.uart = dividers, uart

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        locked = Signal()
        m.submodules.clock = clock = io.Buffer(
            INTO, platform.request(platform.default_clk, dir="-")
        )
        inside: Any = platform.resources["uart", self.uart].ios
        unbuffered = {one.name: "-" for one in inside if hasattr(one, "name")}
        line = platform.request("uart", self.uart, dir=unbuffered)
        m.submodules.receives = receives = io.Buffer(INTO, line.rx)
        m.submodules.sends = sends = io.Buffer(OUT, line.tx)
        out = self.dividers.output
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=self.dividers.input, p_CLKFB_DIV=self.dividers.feedback,
            p_CLKOP_DIV=out, p_CLKOP_CPHASE=out - 1, p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP", p_CLKOP_ENABLE="ENABLED",
            i_CLKI=clock.i, i_CLKFB=ClockSignal(), o_CLKOP=ClockSignal(), o_LOCK=locked,
            i_RST=C(0), i_STDBY=C(0), i_PLLWAKESYNC=C(0), i_ENCLKOP=C(1),
            i_PHASESEL0=C(0), i_PHASESEL1=C(0), i_PHASEDIR=C(0), i_PHASESTEP=C(0),
            i_PHASELOADREG=C(0),
        )  # fmt: skip
        steady = Signal()
        m.submodules += FFSynchronizer(locked, steady, reset_less=False)
        m.d.comb += ResetSignal().eq(0)
        reset = Signal(init=1)
        m.d.sync += reset.eq(~steady)
        m.submodules.machine = Instance(
            MACHINE, i_clk=ClockSignal(), i_rst=reset, i_rx=receives.i, o_tx=sends.o
        )
        return m


def top_of(board: Board, clock_hz: float | None = None) -> Pins:
    """The top of a design for a board, with a clock of at most ``clock_hz`` (default: the board's).

    Raises BoardError for a board that open tools do not build, or a clock that it cannot make.
    """
    module, _, name = board.open_tools.pins.partition(":")
    platform = getattr(import_module(module), name)()
    source = platform.default_clk_frequency
    chosen = dividers(source, clock_hz or 1e6 * board.clock_mhz)
    if chosen.clock(source) < 4 * board.open_tools.baud:
        raise BoardError(
            f"a clock of {chosen.clock(source) / 1e6:g} MHz is too slow for the link of "
            f"{board.name}, which needs {4 * board.open_tools.baud / 1e6:g} MHz; ask for more "
            "with --clock"
        )
    plan = platform.prepare(_Top(chosen, board.open_tools.uart), TOP, emit_src=False)
    text, constraints = (_text(plan.files[f"{TOP}.{suffix}"]) for suffix in ("il", "lpf"))
    return Pins(text, constraints, chosen.clock(source))


def _text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode()

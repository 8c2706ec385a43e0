# amaranth: UnusedElaboratable=no
"""Tiles: one module for each distinct tile, the same behaviour wherever they are elaborated."""

import re
from pathlib import Path

import pytest
from amaranth.hdl import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.target import Target
from twofold.hw.primitives.tile import Tile, VerilogPlatform, emit, simulated, target_of
from twofold.hw.tools.yosys import run_yosys


class Adder(Tile):
    """Registered ``i + constant``, or without the register."""

    i: Signal
    o: Signal

    def __init__(self, constant: int, *, registered: bool = True) -> None:
        self.constant, self.registered = constant, registered
        super().__init__({"i": In(8), "o": Out(8)})

    @property
    def parameters(self) -> tuple[int, bool]:
        return self.constant, self.registered

    def build(self, platform: object) -> Module:
        m = Module()
        domain = m.d.sync if self.registered else m.d.comb
        domain += self.o.eq(self.i + (self.constant + 100 * (not simulated(platform))))
        return m


class Pair(Tile):
    """Two different adders in a row, over an array."""

    i: "data.View[data.ArrayLayout]"
    o: "data.View[data.ArrayLayout]"

    def __init__(self) -> None:
        lanes = data.ArrayLayout(8, 2)
        super().__init__({"i": In(lanes), "o": Out(lanes)})

    @property
    def parameters(self) -> tuple[()]:
        return ()

    def build(self, platform: object) -> Module:
        m = Module()
        for lane in range(2):
            m.submodules[f"one{lane}"] = one = Adder(1)
            m.submodules[f"two{lane}"] = two = Adder(2 + lane, registered=False)
            m.d.comb += [one.i.eq(self.i[lane]), two.i.eq(one.o), self.o[lane].eq(two.o)]
        return m


class Field(wiring.Component):
    """Several pairs in a row."""

    i: Signal
    o: Signal

    def __init__(self) -> None:
        lanes = data.ArrayLayout(8, 2)
        super().__init__({"i": In(lanes), "o": Out(lanes)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        value = self.i
        for at in range(3):
            m.submodules[f"pair{at}"] = pair = Pair()
            m.d.comb += pair.i.eq(value)
            value = pair.o
        m.d.comb += self.o.eq(value)
        return m


def _modules(text: str) -> list[str]:
    return re.findall(r"^module (\w+)", text, re.M)


def test_each_distinct_tile_is_written_once() -> None:
    text = emit(Field(), "field")
    modules = _modules(text)
    assert len(modules) == len(set(modules)) == 5
    assert modules[-1] == "field"
    pair, one = Pair().module_name, Adder(1).module_name
    assert modules.index(one) < modules.index(pair)
    assert len(re.findall(rf"^  {pair} pair\d \(", text, re.M)) == 3
    assert len(re.findall(rf"^  {one} one\d \(", text, re.M)) == 2


def test_names_follow_class_and_parameters() -> None:
    assert Adder(1).module_name == Adder(1).module_name
    assert Adder(1).module_name != Adder(2).module_name
    assert re.fullmatch(r"adder_[0-9a-f]{8}", Adder(1).module_name)


def test_a_tile_can_be_the_top() -> None:
    assert _modules(emit(Adder(3), "top")) == ["top"]


def test_the_target_reaches_the_tiles() -> None:
    for target in (Target.XCUP, Target.ECP5):
        assert "7'h65" in emit(Adder(1), "top", target=target)
        assert target_of(VerilogPlatform(target=target)) is target
        assert not simulated(VerilogPlatform(target=target))
    assert simulated(VerilogPlatform())
    assert simulated(None)


def test_simulates_in_place() -> None:
    dut = Field()

    async def bench(ctx) -> None:
        ctx.set(dut.i, [10, 20])
        await ctx.tick().repeat(3)
        assert list(ctx.get(dut.o)) == [10 + 3 * 3, 20 + 3 * 4]

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()


def test_verilog_holds_together(tmp_path: Path) -> None:
    """Yosys finds every module and port, and proves the sums of the whole field."""
    (tmp_path / "field.v").write_text(emit(Field(), "field"))
    script = (
        "read_verilog field.v; hierarchy -check -top field; proc; flatten; opt; clean;"
        " sat -seq 4 -set rst 0 -set i 16'h140a -prove o 16'h2013 -prove-skip 3 -verify"
    )
    done = run_yosys("-q", "-p", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_missing_yosys_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "system")
    with pytest.raises(ToolError, match="yosys"):
        emit(Adder(1), "top")

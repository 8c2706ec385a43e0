"""Synthesis of a small machine: against the area model, and what the report says of it."""

import importlib.util
import json
from dataclasses import replace

import pytest

from twofold.hw.area.cells import library
from twofold.hw.area.estimate import Part, by_engine, by_kind, estimate, total
from twofold.hw.area.hierarchy import Hierarchy
from twofold.hw.area.model import calibrated, components, layer_components
from twofold.hw.area.paths import Path
from twofold.hw.area.report import measured, picture, variant_figures, write
from twofold.hw.area.synthesis import netlist
from twofold.hw.boards import find
from twofold.hw.boards.family import ECP5, XCUP, Family
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.folding import GatherPlan, ScatterPlan, plans
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.shipped import machine
from twofold.hw.engines.gather.tile import GatherTile
from twofold.hw.engines.scatter.tile import PixelTile
from twofold.hw.primitives.tile import emit

needs_yosys = pytest.mark.skipif(
    importlib.util.find_spec("pyosys") is None, reason="needs the extra named area"
)
COUNTER = """\
module counter(clk, rst, o);
  input clk;
  input rst;
  output reg [7:0] o;
  always @(posedge clk) if (rst) o <= 0; else o <= o + 8'd1;
endmodule
"""

CORE = """\
module \\core.conv1 (clk, i, o);
  input clk;
  input [7:0] i;
  output reg [7:0] o;
  always @(posedge clk) o <= i + o;
endmodule

module core(clk, i, o);
  input clk;
  input [7:0] i;
  output reg [3:0] o;
  wire [7:0] p;
  \\core.conv1  conv1 (
    .clk(clk),
    .i(i),
    .o(p)
  );
  always @(posedge clk) o <= p[3:0] & p[7:4] ^ o;
endmodule
"""


@needs_yosys
def test_netlist_is_kept_whatever_the_numbers_in_names(tmp_path) -> None:
    written: list[int] = []
    for number in (7, 7, 41):
        text = COUNTER.replace("o;", f"\\o$3${number} ;").replace("o ", f"\\o$3${number}  ")
        text = text.replace("rst, o", f"rst, \\o$3${number} ").replace(
            "o + ", f"\\o$3${number}  + "
        )
        found = netlist(text, "counter", tmp_path)
        assert set(found["ports"]) == {"clk", "rst", f"o$3${number}"}
        assert sum(cell["type"] == "FDRE" for cell in found["cells"].values()) == 8
        (kept,) = (tmp_path / "area").iterdir()
        written.append(kept.stat().st_mtime_ns)
    assert len(set(written)) == 1


@needs_yosys
def test_broken_verilog(tmp_path) -> None:
    with pytest.raises(ToolError, match="yosys: counter: "):
        netlist(COUNTER.replace("endmodule", ""), "counter", tmp_path)
    assert not any((tmp_path / "area").iterdir())


@needs_yosys
def test_timeout_is_taken_from_the_model(tmp_path) -> None:
    text = COUNTER.replace("counter", "core")
    with pytest.raises(ToolError, match="core took longer than 0 s"):
        estimate(text, tmp_path, seconds=0.01)
    known = components(plans(network("tiny"), folding("tiny")), folding("tiny"))
    (part,) = estimate(text, tmp_path, model=known, seconds=0.01)
    assert not part.synthesised
    assert part.levels is None
    assert part.total.ff > 0


def test_measured_only_where_it_was(tmp_path) -> None:
    full, small = machine("gsc-fast-full"), machine("gsc-fast-small")
    report = {"fingerprint": full.fingerprint.hex(), "failures": {}}
    path = tmp_path / "sim.json"
    path.write_text(json.dumps(report | {"cycles_per_sample": 104.0, "latency_cycles": 500}))
    here = measured(tmp_path, full)
    assert here == {"cycles_per_sample": 104.0, "latency_cycles": 500, "measured_in": "sim.json"}
    other = measured(tmp_path, small)
    assert set(other) == {"not_measured"}
    path.write_text(json.dumps(report | {"failures": {"bench": "broken"}}))
    assert "not_measured" in measured(tmp_path, full)


def test_figures_are_held_against_the_board(tmp_path) -> None:
    part = Part("tile", "conv1", "gather tile", 3, Resources(80_000, 0, 1, 0, 800), None, None)
    part = replace(part, levels=Path(), slowest=Path())
    for name, wraps in (("u250", ["dsp"]), ("u55c", ["lut", "dsp"])):
        board = find(name)
        tiny = replace(machine("tiny-fast-small"), board=name)
        figures = variant_figures([part], tiny, reports=tmp_path)
        assert figures["over_ceiling"] == wraps
        assert figures["share_of_slr"]["lut"] == round(240_000 / board.region.lut, 4)
        write(tmp_path / f"{name}.json", "fast", figures, board)
        tree = json.loads((tmp_path / f"{name}.json").read_text())
        assert tree["device"] == f"one SLR of the {board.title}"
        assert tree["slr"] == board.region.as_dict()


def test_other_variants_stay(tmp_path) -> None:
    path = tmp_path / "resources.json"
    write(path, "dense", {"lut": 1})
    write(path, "fast", {"lut": 2})
    write(path, "dense", {"lut": 3})
    assert json.loads(path.read_text())["variants"] == {"dense": {"lut": 3}, "fast": {"lut": 2}}


LUT_ERROR, FF_ERROR = 0.25, 0.25
"""How far the area model may be from synthesis for a single tile."""


@needs_yosys
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("family", [XCUP, ECP5], ids=lambda family: family.name)
def test_area_model_of_tiles(family: Family, index: int, build) -> None:
    """Multipliers and memories exactly; LUTs and flip-flops within the stated error."""
    shape = folding("tiny")
    plan = plans(network("tiny"), shape)[index]
    assert isinstance(plan, GatherPlan | ScatterPlan)
    tile = GatherTile(plan) if isinstance(plan, GatherPlan) else PixelTile(plan)
    kinds = {"gather tile", "scatter tile", "pixel tail"}
    known = layer_components(plan, shape, family)
    parts = [calibrated(one, family) for one in known if one.kind in kinds]
    model = sum((one.each for one in parts), Resources())
    hierarchy = Hierarchy(emit(tile, tile.module_name, target=family.target), tile.module_name)
    found = Resources()
    for name, count in hierarchy.counts(hierarchy.top).items():
        cells = netlist(hierarchy.verilog(name), name, build, family=family)
        found += library(family).taken(cells) * count
    assert (model.dsp, model.uram, model.bram36) == (found.dsp, found.uram, found.bram36)
    assert model.lut == pytest.approx(found.lut, rel=LUT_ERROR)
    assert model.ff == pytest.approx(found.ff, rel=FF_ERROR)


@needs_yosys
def test_report_of_parts(tmp_path, build) -> None:
    """The sums of the report are those of its parts, and the picture shows every engine."""
    parts = estimate(CORE, build)
    figures = variant_figures(parts, machine("tiny-fast-small"), reports=tmp_path)
    assert (figures["network"], figures["folding"]) == ("tiny-fast", "small")
    assert figures["ff"] == total(parts).ff == 12
    assert by_engine(parts)["conv1"].ff == 8
    assert by_kind(parts)["conv1", "scatter stage"].ff == 8
    assert figures["modelled_parts"] == []
    assert 1 <= figures["depth_lut_levels"] <= 4
    assert "not_measured" in figures
    assert picture(figures, "tiny").count("<rect") == len(figures["engines"]) * 6

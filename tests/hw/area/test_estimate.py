"""Synthesis of a small machine: against the area model, and what the report says of it."""

import importlib.util
import json

import pytest

from hw.area.estimate import estimate
from hw.area.report import measured, write
from hw.area.synthesis import netlist
from hw.contract.errors import ToolError
from hw.contract.folding import plans
from hw.contract.presets import folding, network
from hw.fold.area import components

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


@needs_yosys
def test_netlist_is_kept(tmp_path) -> None:
    cells = netlist(COUNTER, "counter", tmp_path)["cells"].values()
    assert sum(cell["type"] == "FDRE" for cell in cells) == 8
    kept = list((tmp_path / "area").iterdir())
    written = kept[0].stat().st_mtime_ns
    netlist(COUNTER, "counter", tmp_path)
    assert list((tmp_path / "area").iterdir()) == kept
    assert kept[0].stat().st_mtime_ns == written


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
    report = {"net": "gsc", "variant": "fast", "folding": "full", "failures": {}}
    path = tmp_path / "sim.json"
    path.write_text(json.dumps(report | {"cycles_per_word": 104.0, "latency_cycles": 500}))
    here = measured(tmp_path, net="gsc", variant="fast", folding="full")
    assert here == {"cycles_per_word": 104.0, "latency_cycles": 500, "measured_in": "sim.json"}
    other = measured(tmp_path, net="gsc", variant="fast", folding="small")
    assert set(other) == {"not_measured"}
    path.write_text(json.dumps(report | {"failures": {"bench": "broken"}}))
    assert "not_measured" in measured(tmp_path, net="gsc", variant="fast", folding="full")


def test_other_variants_stay(tmp_path) -> None:
    path = tmp_path / "resources.json"
    write(path, "dense", {"lut": 1})
    write(path, "fast", {"lut": 2})
    write(path, "dense", {"lut": 3})
    assert json.loads(path.read_text())["variants"] == {"dense": {"lut": 3}, "fast": {"lut": 2}}

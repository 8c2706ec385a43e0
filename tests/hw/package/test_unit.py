"""The unit's own Vivado project, under tclsh with the vendor's commands played."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from twofold.hw.boards import cards, default, find
from twofold.hw.boards.board import Board
from twofold.hw.package.unit import counted, unit_tcl, unit_xdc

TCLSH = shutil.which("tclsh")
needs_tclsh = pytest.mark.skipif(TCLSH is None, reason="tclsh is not installed")

PLAYED = """
foreach name {
    create_project read_verilog read_xdc synth_design write_checkpoint report_utilization
    resize_pblock add_cells_to_pblock opt_design place_design phys_opt_design route_design
    report_timing_summary report_high_fanout_nets set_property
} {
    proc $name {args} "puts \\"$name \\$args\\""
}
proc create_pblock {name} { return block_$name }
proc get_cells {args} {
    if {[lrange $args 0 2] ne {-quiet -hierarchical -filter}} { error "bad get_cells $args" }
    return [lrepeat [string length [lindex $args 3]] cell]
}
proc get_timing_paths {args} { return {{a path}} }
proc get_nets {args} {
    if {$args ne {-quiet -hierarchical -filter {NAME =~ *reset_last*}}} { error "bad $args" }
    return {{a net} {a large net}}
}
proc get_property {name object} {
    set known {
        {a path} {LOGIC_LEVELS 4 SLACK -0.125}
        {a net} {FLAT_PIN_COUNT 3}
        {a large net} {FLAT_PIN_COUNT 513}
    }
    return [dict get $known $object $name]
}
"""


def play(tmp_path, *arguments, board=None):
    assert TCLSH is not None
    (tmp_path / "unit.tcl").write_text(unit_tcl(board))
    main = f"set argv {{{' '.join(arguments)}}}\nset argc {len(arguments)}\n"
    (tmp_path / "main.tcl").write_text(f"{PLAYED}{main}source {{{tmp_path / 'unit.tcl'}}}\n")
    command = [TCLSH, str(tmp_path / "main.tcl")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_tclsh
@pytest.mark.parametrize(
    ("arguments", "region"),
    [
        ((), "X0Y0:CLOCKREGION_X7Y3"),
        (("2",), "X0Y8:CLOCKREGION_X7Y11"),
        (("3",), "X0Y12:CLOCKREGION_X7Y15"),
    ],
)
def test_the_unit_is_placed_in_the_dynamic_region_and_summed_up(arguments, region, tmp_path):
    board = default()
    done = play(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    calls = done.stdout.splitlines()
    assert f"resize_pblock block_unit -add CLOCKREGION_{region}" in calls
    order = [call.split()[0] for call in calls]
    flow = ["read_xdc", "synth_design", "add_cells_to_pblock", "place_design", "route_design"]
    assert [name for name in order if name in flow] == flow
    summary = json.loads((tmp_path / "unit" / "summary.json").read_text())
    assert summary == {name: len(rule) for name, rule in counted(board.family).items()} | {
        "logic_levels": 4,
        "slack_ns": -0.125,
        "reset_fanout": 512,
        "clock_mhz": board.clock_mhz,
    }
    assert not (tmp_path / "unit" / "summary.partial").exists()


@needs_tclsh
@pytest.mark.parametrize("board", [find(name) for name in cards()], ids=cards())
def test_an_slr_without_a_unit_stops_the_script(board: Board, tmp_path):
    held = [region.index for region in board.regions]
    without = min(set(range(held[-1] + 2)) - set(held))
    done = play(tmp_path, str(without), board=board)
    message = f"SLR {without} holds no unit, choose one of {' '.join(map(str, held))}"
    assert done.returncode != 0 and message in done.stderr
    assert not (tmp_path / "unit").exists()


def test_the_constraint_is_the_clock_of_the_card():
    board = replace(default(), clock_mhz=250)
    found = re.fullmatch(
        r"create_clock -name ap_clk -period ([\d.]+) \[get_ports ap_clk\]\n", unit_xdc(board)
    )
    assert found and float(found[1]) == 4.0

"""The unit on its own in Vivado: out of context, in the part of an SLR that the platform leaves to
kernels, for its area and timing.
"""

from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.boards.family import Family
from twofold.hw.contract.regs import KERNEL_NAME
from twofold.hw.kernel.top import CLOCK, RESET_NET

DIRECTORY = "unit"
SUMMARY = "unit/summary.json"
PATHS = 100


def counted(family: Family) -> dict[str, str]:
    """What the summary counts, as filters for ``get_cells``."""
    return {
        "lut": "PRIMITIVE_GROUP == CLB && PRIMITIVE_SUBGROUP == LUT",
        "lutram": "PRIMITIVE_GROUP == CLB && PRIMITIVE_SUBGROUP == LUTRAM",
        "ff": "PRIMITIVE_GROUP == REGISTER",
        "bram36": f"REF_NAME == {family.block_ram}",
        "bram18": f"REF_NAME == {family.half_block_ram}",
        "uram": f"REF_NAME == {family.large_ram}",
        "dsp": f"REF_NAME == {family.dsp}",
    }


def unit_tcl(board: Board | None = None) -> str:
    """Vivado script that synthesizes, places and routes one unit within one SLR's share of the
    dynamic region.

    Writes reports, checkpoints and ``summary.json`` (cells by kind, LUT levels of the worst path,
    its slack in ns at the card's clock, loads of the reset's largest net) into ``unit/``.
    ``-tclargs N`` selects the SLR; the first one otherwise.
    """
    board = board or default()
    dynamic = "\n".join(
        f"    {one.index} {{{' '.join(map(_range, one.clock_regions))}}}" for one in board.regions
    )
    filters = counted(board.family)
    counts = "\n".join(f"    {name} {{{rule}}}" for name, rule in filters.items())
    return f"""\
# vivado -mode batch -source unit.tcl ?-tclargs SLR?
set here [file dirname [file normalize [info script]]]
set work [file join $here {DIRECTORY}]
set slr [expr {{$argc > 0 ? [lindex $argv 0] : {board.regions[0].index}}}]
# clock regions that the platform leaves to kernels, by SLR
set dynamic {{
{dynamic}
}}
if {{![dict exists $dynamic $slr]}} {{
    error "unit: SLR $slr holds no unit, choose one of [dict keys $dynamic]"
}}
file mkdir $work

create_project -in_memory -part {board.part}
read_verilog [list [file join $here kernel.v]]
read_verilog -sv [list [file join $here kernel.sv]]
read_xdc -mode out_of_context [file join $here unit.xdc]
synth_design -top {KERNEL_NAME} -part {board.part} -mode out_of_context -flatten_hierarchy rebuilt
write_checkpoint -force [file join $work synthesised.dcp]
report_utilization -hierarchical -file [file join $work synthesised.rpt]

set block [create_pblock unit]
foreach range [dict get $dynamic $slr] {{
    resize_pblock $block -add $range
}}
add_cells_to_pblock $block -top
set_property CONTAIN_ROUTING 1 $block
opt_design
place_design
phys_opt_design
route_design
write_checkpoint -force [file join $work routed.dcp]
report_utilization -hierarchical -file [file join $work utilization.rpt]
report_timing_summary -max_paths {PATHS} -file [file join $work timing.rpt]
report_high_fanout_nets -max_nets {PATHS} -file [file join $work fanout.rpt]

set fields {{}}
foreach {{name rule}} {{
{counts}
}} {{
    set cells [get_cells -quiet -hierarchical -filter $rule]
    lappend fields "  \\"$name\\": [llength $cells]"
}}
set path [lindex [get_timing_paths -setup -max_paths 1] 0]
lappend fields "  \\"logic_levels\\": [get_property LOGIC_LEVELS $path]"
lappend fields "  \\"slack_ns\\": [get_property SLACK $path]"
set loads 0
foreach net [get_nets -quiet -hierarchical -filter "NAME =~ *{RESET_NET}*"] {{
    set loads [expr {{max($loads, [get_property FLAT_PIN_COUNT $net] - 1)}}]
}}
lappend fields "  \\"reset_fanout\\": $loads"
lappend fields "  \\"clock_mhz\\": {board.clock_mhz}"
set partial [open [file join $work summary.partial] w]
puts $partial "{{\\n[join $fields ",\\n"]\\n}}"
close $partial
file rename -force [file join $work summary.partial] [file join $here {SUMMARY}]
"""


def _range(corners: str) -> str:
    """A range of clock regions as Vivado writes it."""
    return ":".join(f"CLOCKREGION_{corner}" for corner in corners.split(":"))


def unit_xdc(board: Board | None = None) -> str:
    """Constraint for the stand-alone unit: the card's clock."""
    period = (board or default()).period_ns
    return f"create_clock -name {CLOCK} -period {period:.3f} [get_ports {CLOCK}]\n"


def unit_rule() -> str:
    """Makefile rule that runs the script."""
    return f"""\
# area and timing of the unit by itself, in the dynamic region of one SLR: `make unit`
unit: {SUMMARY}
.PHONY: unit

{SUMMARY}: unit.tcl unit.xdc kernel.v kernel.sv
	vivado -mode batch -nojournal -log unit-vivado.log -source unit.tcl > unit.log 2>&1
"""

"""Scripts for the vendor's tools: packaging, linking, floorplan, and a Makefile to run them."""

from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.contract.regs import (
    CONTROL_PORT,
    KERNEL_NAME,
    MEMORY_PORT,
    REGISTERS,
    Access,
    Register,
)
from twofold.hw.kernel.top import CLOCK, RESET
from twofold.hw.package.metadata import PROTOCOL
from twofold.hw.package.support import check
from twofold.hw.package.unit import unit_rule
from twofold.hw.xclbin.xclbin import BitstreamIdentity, user_keys

VITIS_CONTROL_NAMES = ("CTRL", "GIER", "IP_IER", "IP_ISR")
OBJECT, BINARY = f"{KERNEL_NAME}.xo", f"{KERNEL_NAME}.xclbin"
LINKED = "linked.xclbin"
"""The bitstream before the machine's identity is written into it."""


def unit_name(unit: int) -> str:
    """Name of a compute unit, which are numbered as the board's regions are, as v++ names them."""
    return f"{KERNEL_NAME}_{unit + 1}"


def package_tcl(board: Board | None = None) -> str:
    """Vivado script that packages the kernel's Verilog and XML as an object for v++."""
    board = board or default()
    interfaces = f"{CONTROL_PORT} {MEMORY_PORT}"
    return f"""\
# vivado -mode batch -source package.tcl
set here [file dirname [file normalize [info script]]]
set work [file join $here package]
file delete -force $work [file join $here {OBJECT}]

create_project kernel [file join $work project] -part {board.part}
add_files -norecurse [list [file join $here kernel.v] [file join $here kernel.sv]]
set_property top {KERNEL_NAME} [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir [file join $work ip] -vendor {KERNEL_NAME} -library kernel \\
    -taxonomy /KernelIP -import_files -set_current true
set core [ipx::current_core]

ipx::infer_bus_interface {CLOCK} xilinx.com:signal:clock_rtl:1.0 $core
ipx::infer_bus_interface {RESET} xilinx.com:signal:reset_rtl:1.0 $core
foreach interface {{{interfaces}}} {{
    ipx::associate_bus_interfaces -busif $interface -clock {CLOCK} $core
}}
ipx::associate_bus_interfaces -clock {CLOCK} -reset {RESET} $core

set map [ipx::get_memory_maps {CONTROL_PORT} -of_objects $core]
set block [ipx::get_address_blocks reg0 -of_objects $map]
foreach {{name offset bits pointer doc}} {{
{_register_rows()}
}} {{
    set register [ipx::add_register $name $block]
    set_property description $doc $register
    set_property address_offset $offset $register
    set_property size $bits $register
    if {{$pointer}} {{
        set_property value {MEMORY_PORT} [ipx::add_register_parameter ASSOCIATED_BUSIF $register]
    }}
}}

set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {{ctrl_protocol {PROTOCOL}}} $core
set_property ipi_drc {{ignore_freq_hz true}} $core
set_property supported_families {{}} $core
set_property auto_family_support_level level_2 $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity -kernel $core
ipx::save_core $core
package_xo -force -xo_path [file join $here {OBJECT}] -kernel_name {KERNEL_NAME} \\
    -ip_directory [file join $work ip] -kernel_xml [file join $here kernel.xml]
close_project
"""


def _register_rows() -> str:
    controls = [one for one in REGISTERS if one.access == Access.CONTROL]
    named = dict(zip((one.name for one in controls), VITIS_CONTROL_NAMES, strict=True))
    return "\n".join(_register_row(one, named.get(one.name, one.name)) for one in REGISTERS)


def _register_row(one: Register, name: str) -> str:
    return f"    {name} {one.offset:#05x} {one.bits} {int(one.pointer)} {{{one.doc}}}"


def unit_memory(board: Board, unit: int) -> str:
    """v++ name of the memory bank of a compute unit, which are numbered as the regions are."""
    return board.platform.memory.name(board.bank(unit))


def link_cfg(board: Board | None = None) -> str:
    """v++ configuration: one unit in each region, connected to that region's memory bank."""
    board = board or default()
    names = [unit_name(unit) for unit in range(board.units)]
    lines = [
        f"kernel_frequency=0:{board.clock_mhz}",
        "",
        "[connectivity]",
        f"nk={KERNEL_NAME}:{board.units}:{'.'.join(names)}",
        *(f"sp={name}.{MEMORY_PORT}:{unit_memory(board, unit)}" for unit, name in enumerate(names)),
        *(f"slr={name}:{one.name}" for name, one in zip(names, board.regions, strict=True)),
        "",
        *board.platform.link_options,
        "",
    ]
    return "\n".join(lines)


def floorplan_tcl(board: Board | None = None) -> str:
    """Vivado script, run before placement: confines each unit to its SLR."""
    board = board or default()
    shell = board.platform
    rows = "\n".join(
        f"    {unit_name(unit)} {one.name} {shell.pblock}{one.name}"
        for unit, one in enumerate(board.regions)
    )
    return f"""\
# keeps each compute unit in its SLR, inside what the platform leaves to kernels there
foreach {{unit slr pblock}} {{
{rows}
}} {{
    set cells [get_cells -hierarchical -filter "NAME =~ */$unit"]
    if {{[llength $cells] != 1}} {{
        error "floorplan: [llength $cells] cells are named $unit, expected 1"
    }}
    set block [get_pblocks -quiet $pblock]
    if {{$block eq {{}}}} {{
        error "floorplan: the platform has no $pblock; is it {shell.platform}?"
    }}
    add_cells_to_pblock $block $cells
    set_property USER_SLR_ASSIGNMENT $slr $cells
}}
"""


def makefile(identity: BitstreamIdentity, board: Board | None = None) -> str:
    """Makefile of the folder: the build steps, each resumable by its output file, and the
    stand-alone unit.

    The last step writes the machine's identity into the bitstream, so that hosts can check it
    before loading it; without a working ``xclbinutil`` the step is skipped, and hosts ask the card.
    Before the vendor's tools run, their versions are checked.
    """
    board = board or default()
    keys = " ".join(f"--key-value USER:{key}:{value}" for key, value in user_keys(identity).items())
    return f"""\
# Needs Vivado and v++ on PATH (source Vitis' settings64.sh), and the platform installed.
PLATFORM ?= {board.platform.platform}
JOBS ?= 8
KEYS := {keys}

{BINARY}: {LINKED}
	rm -f $@
	{{ command -v xclbinutil && xclbinutil --force --input $< $(KEYS) --output $@; \\
	test -s $@ || {{ echo "no xclbinutil: hosts ask the card for its machine"; cp $< $@; }}; }} \\
		> describe.log 2>&1

{LINKED}: {OBJECT} link.cfg floorplan.tcl
{check("v++")}
	v++ --link --target hw --platform $(PLATFORM) --config link.cfg --jobs $(JOBS) \\
		--vivado.prop run.impl_1.STEPS.PLACE_DESIGN.TCL.PRE=$(CURDIR)/floorplan.tcl \\
		--save-temps --temp_dir link --log_dir link/log --report_dir link/report \\
		-o $@ {OBJECT} > link.log 2>&1

{OBJECT}: package.tcl kernel.v kernel.sv kernel.xml
{check("vivado", "v++")}
	vivado -mode batch -nojournal -log package-vivado.log -source package.tcl > package.log 2>&1

{unit_rule()}
.DELETE_ON_ERROR:
"""

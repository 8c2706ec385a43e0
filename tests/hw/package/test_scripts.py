"""The vendor scripts: under tclsh with the vendor's commands played, and by their own parsers."""

import configparser
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from twofold.hw.boards import cards, find
from twofold.hw.boards.board import Board
from twofold.hw.contract import regs
from twofold.hw.contract.regs import Access
from twofold.hw.package.metadata import kernel_xml
from twofold.hw.package.scripts import floorplan_tcl, link_cfg, package_tcl

TCLSH = shutil.which("tclsh")
needs_tclsh = pytest.mark.skipif(TCLSH is None, reason="tclsh is not installed")

COMMANDS = {
    "create_project": "name directory -part part",
    "add_files": "-norecurse files",
    "current_fileset": "",
    "update_compile_order": "-fileset fileset",
    "ipx::package_project": (
        "-root_dir directory -vendor vendor -library library -taxonomy taxonomy -import_files"
        " -set_current flag"
    ),
    "ipx::current_core": "",
    "ipx::infer_bus_interface": "port kind core",
    "ipx::get_memory_maps": "name -of_objects object",
    "ipx::get_address_blocks": "name -of_objects object",
    "ipx::add_register": "name block",
    "ipx::add_register_parameter": "name register",
    "ipx::create_xgui_files": "core",
    "ipx::update_checksums": "core",
    "ipx::check_integrity": "-kernel core",
    "ipx::save_core": "core",
    "close_project": "",
    "package_xo": "-force -xo_path file -kernel_name name -ip_directory directory -kernel_xml file",
    "set_property": "name value object",
    "add_cells_to_pblock": "block cells",
}
"""Commands with one form, sample by sample: a sample with a dash is an option, any other a
value.
"""

STAGE = """
proc say {args} { puts [join $args \\t] }
proc play {name form arguments} {
    if {[llength $form] != [llength $arguments]} {
        error "$name takes '$form', not '$arguments'"
    }
    foreach sample $form argument $arguments {
        if {[string match -* $sample] != [string match -* $argument]} {
            error "$name takes '$form', not '$arguments'"
        }
        if {[string match -* $sample] && $sample ne $argument} {
            error "$name has no option $argument"
        }
    }
    say $name {*}$arguments
    return $name:[lindex $arguments 0]
}
proc ipx::associate_bus_interfaces {args} {
    array set given [lrange $args 0 end-1]
    if {[lindex $args end] ne {ipx::current_core:}} { error "no core in '$args'" }
    foreach name [array names given] {
        if {$name ni {-busif -clock -reset}} { error "no option $name" }
    }
    say ipx::associate_bus_interfaces {*}$args
}
"""


def play(script, tmp_path, more=""):
    """Run a script among played commands; the calls it made, as lists of samples."""
    assert TCLSH is not None
    spaces = "namespace eval ipx {}\n"
    procs = "".join(
        f"proc {name} {{args}} {{ play {name} {{{form}}} $args }}\n"
        for name, form in COMMANDS.items()
    )
    path = tmp_path / "script.tcl"
    path.write_text(spaces + STAGE + procs + more + script)
    done = subprocess.run([TCLSH, str(path)], capture_output=True, text=True, check=False)
    return done, [line.split("\t") for line in done.stdout.splitlines()]


@needs_tclsh
def test_packaging_runs_and_declares_every_register(tmp_path):
    done, calls = play(package_tcl(), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = [call[0] for call in calls]
    assert names[0] == "create_project" and names[-2:] == ["package_xo", "close_project"]
    added = [call[1] for call in calls if call[0] == "ipx::add_register"]
    assert len(added) == len(regs.REGISTERS)
    offsets = {
        call[3].removeprefix("ipx::add_register:"): int(call[2], 0)
        for call in calls
        if call[:2] == ["set_property", "address_offset"]
    }
    for one in regs.REGISTERS:
        if one.access != Access.CONTROL:
            assert offsets[one.name] == one.offset
    assert offsets["CTRL"] == 0
    pointers = [call[2] for call in calls if call[0] == "ipx::add_register_parameter"]
    wanted = [f"ipx::add_register:{one.name}" for one in regs.ARGUMENTS if one.pointer]
    assert pointers == wanted
    values = [call[2] for call in calls if call[:2] == ["set_property", "value"]]
    assert values == [regs.MEMORY_PORT] * len(wanted)
    clocked = [call[2] for call in calls if call[:2] == ["ipx::associate_bus_interfaces", "-busif"]]
    assert clocked == [regs.CONTROL_PORT, regs.MEMORY_PORT]


@needs_tclsh
@pytest.mark.parametrize(
    ("found", "replaced"),
    [("ipx::save_core", "ipx::safe_core"), ("-kernel_name", "-kernel"), ("-norecurse ", "")],
)
def test_a_slip_in_the_script_would_be_seen(found, replaced, tmp_path):
    assert found in package_tcl()
    done, _ = play(package_tcl().replace(found, replaced), tmp_path)
    assert done.returncode != 0 and done.stderr


CELLS = """
proc get_cells {args} {
    if {[lrange $args 0 1] ne {-hierarchical -filter}} { error "bad get_cells $args" }
    if {![regexp {^NAME =~ \\*/(twofold_\\d)$} [lindex $args 2] all unit]} { error "bad $args" }
    return CELLS
}
proc get_pblocks {quiet name} {
    if {$quiet ne {-quiet}} { error "bad get_pblocks $quiet" }
    return PBLOCKS
}
"""


def cells(found="level0_i/ulp/$unit", pblocks="$name"):
    return CELLS.replace("CELLS", found).replace("PBLOCKS", pblocks)


@needs_tclsh
@pytest.mark.parametrize("board", [find(name) for name in cards()], ids=cards())
def test_every_unit_stays_in_its_own_slr(board: Board, tmp_path):
    done, calls = play(floorplan_tcl(board), tmp_path, cells())
    assert (done.returncode, done.stderr) == (0, "")
    units = [f"level0_i/ulp/twofold_{index + 1}" for index in range(board.units)]
    placed = [call[1:] for call in calls if call[0] == "add_cells_to_pblock"]
    regions = [region.name for region in board.regions]
    wanted = [f"pblock_dynamic_{region}" for region in regions]
    assert placed == [list(pair) for pair in zip(wanted, units, strict=True)]
    assigned = [call[2:] for call in calls if call[:2] == ["set_property", "USER_SLR_ASSIGNMENT"]]
    assert assigned == [list(pair) for pair in zip(regions, units, strict=True)]


@needs_tclsh
@pytest.mark.parametrize(
    ("scene", "message"),
    [
        ({"found": "{}"}, "0 cells are named twofold_1"),
        ({"pblocks": "{}"}, "the platform has no pblock_dynamic_SLR0; is it xilinx_"),
    ],
)
def test_a_missing_unit_or_region_stops_the_floorplan(scene, message, tmp_path):
    done, _ = play(floorplan_tcl(), tmp_path, cells(**scene))
    assert done.returncode != 0
    assert message in done.stderr


def test_kernel_xml_lists_the_arguments_of_the_table():
    kernel = ElementTree.fromstring(kernel_xml().encode()).find("kernel")
    assert kernel is not None
    assert kernel.get("name") == regs.KERNEL_NAME
    assert kernel.get("hwControlProtocol") == "ap_ctrl_chain"
    ports = {port.get("name"): port.get("mode") for port in kernel.iter("port")}
    assert ports == {regs.MEMORY_PORT: "master", regs.CONTROL_PORT: "slave"}
    for one, found in zip(regs.ARGUMENTS, kernel.iter("arg"), strict=True):
        assert found.get("name") == one.name
        assert found.get("id") == str(one.argument)
        assert int(found.get("offset", ""), 0) == one.offset
        assert int(found.get("size", ""), 0) == one.size
        assert found.get("port") in ports
        assert (
            ("*" in found.get("type", "")) == one.pointer == (found.get("addressQualifier") == "1")
        )


@pytest.mark.parametrize("board", [find(name) for name in cards()], ids=cards())
def test_link_configuration_puts_a_unit_and_its_memory_in_each_region(board: Board):
    lines = link_cfg(board).splitlines()
    assert lines[0] == f"kernel_frequency=0:{board.clock_mhz}"
    parser = configparser.ConfigParser(strict=False)
    parser.read_string("\n".join(line for line in lines[1:] if not line.startswith("prop=")))
    units = [f"twofold_{index + 1}" for index in range(board.units)]
    assert parser["connectivity"]["nk"] == f"twofold:{board.units}:{'.'.join(units)}"
    memory = board.platform.memory
    for number, (unit, region) in enumerate(zip(units, board.regions, strict=True)):
        assert f"sp={unit}.m_axi_gmem:{memory.name(board.bank(number))}" in lines
        assert f"slr={unit}:{region.name}" in lines
    assert lines[-len(board.platform.link_options) :] == list(board.platform.link_options)


def test_units_take_hbm_where_there_is_hbm():
    lines = link_cfg(find("u55c")).splitlines()
    taken = [line.partition(":")[2] for line in lines if line.startswith("sp=")]
    assert taken == ["HBM[0]", "HBM[8]", "HBM[16]"]

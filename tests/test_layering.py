"""Imports flow one way, from the contract up to the command line.

contract <- boards, xclbin <- the rest of hw <- sim, software <- sim, and the command line on top.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLI = "sw/cli/"
TORCH_ROOMS = ("sw/model/", "sw/train/", "sw/quantize/", "sw/bench/engines/", CLI)
XRT_ROOMS = ("sw/xrt/", "sw/driver/", CLI)
SHARED = ("hw.contract", "hw.boards", "hw.xclbin")
"""What of the hardware the software knows."""
BELOW = {
    "hw/contract/": ("hw.contract",),
    "hw/boards/": ("hw.boards", "hw.contract"),
    "hw/xclbin/": ("hw.xclbin", "hw.contract"),
    "hw/tools/": ("hw.tools", "hw.contract"),
    "hw/primitives/": ("hw.primitives", "hw.tools", "hw.contract"),
    "hw/engines/": ("hw.engines", "hw.primitives", "hw.contract"),
    "hw/machine/": ("hw.machine", "hw.engines", "hw.primitives", "hw.contract"),
    "hw/kernel/": (
        "hw.kernel", "hw.verilog", "hw.machine", "hw.engines", "hw.primitives", "hw.contract",
    ),
}  # fmt: skip
"""For each room, what of this project it may import."""


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules imported anywhere in a file; those of this project without ``twofold.``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("twofold.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            module = node.module.removeprefix("twofold.")
            if module in ("hw", "sw", "sim", "twofold"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def offenders(folder: str, forbidden: tuple[str, ...], rooms: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        if not path.relative_to(ROOT).as_posix().startswith(rooms or ("\0",))
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def inside(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_only_what_lies_below_it(room: str):
    found = [(path, name) for path in sources(room) for name in imports(path)]
    assert found
    beyond = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in found
        if name.split(".")[0] in ("hw", "sw", "sim") and not inside(name, BELOW[room])
    ]
    assert beyond == []


@pytest.mark.parametrize("room", ["hw/contract", "hw/boards", "hw/xclbin"])
def test_what_software_shares_needs_nothing_but_the_standard_library(room: str):
    found = {name for path in sources(room) for name in imports(path)}
    outside = {
        name
        for name in found
        if name.split(".")[0] not in sys.stdlib_module_names and not inside(name, SHARED)
    }
    assert found
    assert outside == set()


def test_hardware_knows_neither_software_nor_simulation():
    assert offenders("hw", ("sw", "sim", "numpy", "torch")) == []


def test_area_does_not_know_the_solver():
    assert [name for path in sources("hw/area") for name in imports(path) if "solve" in name] == []


def test_software_knows_neither_simulation_nor_hardware_beyond_the_contract():
    assert offenders("sw", ("sim", "amaranth", "cocotb"), (CLI,)) == []
    beyond = [
        f"{path} imports {name}"
        for path in sources("sw")
        if CLI not in path.as_posix()
        for name in imports(path)
        if name.split(".")[0] == "hw" and not inside(name, SHARED)
    ]
    assert beyond == []


def test_nothing_imports_the_command_line():
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("hw", "sw", "sim")
        if not path.relative_to(ROOT).as_posix().startswith(CLI)
        for name in imports(path)
        if inside(name, ("sw.cli",))
    ]
    assert found == []


def test_torch_lives_in_the_training_rooms_only():
    assert offenders("sw", ("torch",), TORCH_ROOMS) == []
    assert offenders("sim", ("torch",)) == []


def test_vendor_runtime_lives_in_its_rooms_only():
    assert offenders("sw", ("pynq", "pyxrt"), XRT_ROOMS) == []
    assert offenders("sim", ("pynq", "pyxrt")) == []


def test_argparse_and_terminals_stay_out_of_the_contract():
    assert offenders("hw/contract", ("argparse", "rich")) == []


def test_commands_import_what_is_heavy_when_they_run():
    """At the top of a command's file stands the standard library and what costs nothing."""
    heavy = ("numpy", "rich", "torch", "amaranth", "sim", "cocotb", "onnx")
    found = []
    for path in sources("sw/cli/verbs"):
        for node in ast.parse(path.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in heavy]
    assert found == []


def test_everything_is_imported_under_the_packages_name():
    """The folders of the repository are on the path in tests alone."""
    bare = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("hw", "sw", "sim", "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom)
                     else [alias.name for alias in node.names])
        if name.split(".")[0] in ("hw", "sw", "sim")
    ]  # fmt: skip
    assert bare == []


def test_every_folder_of_code_is_a_package():
    """Folders without ``__init__.py`` are left out of an installation."""
    folders = {path.parent for path in sources("hw", "sw", "sim")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []

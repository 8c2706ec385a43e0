"""Imports flow one way: contract <- boards <- hw <- sim -> sw, contract and boards <- sw.

The command line is on top.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLI = "sw/cli/"
TORCH_ROOMS = ("sw/model/", "sw/train/", "sw/quantize/", "sw/bench/engines/")
XRT_ROOMS = ("sw/xrt/", "sw/driver/")


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module


def offenders(folder: str, forbidden: tuple[str, ...], rooms: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        if not path.relative_to(ROOT).as_posix().startswith(rooms or ("\0",))
        for name in imports(path)
        if name.split(".")[0] in forbidden
    ]


@pytest.mark.parametrize(
    ("room", "known"),
    [
        ("hw/contract", ("twofold.hw.contract",)),
        ("hw/boards", ("twofold.hw.boards", "twofold.hw.contract.errors")),
    ],
)
def test_contract_and_boards_need_nothing_but_the_standard_library(room: str, known: tuple):
    found = {name for path in sources(room) for name in imports(path)}
    outside = {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}
    assert found
    assert all(name.startswith(known) for name in outside), outside


def test_hardware_knows_neither_software_nor_simulation():
    assert offenders("hw", ("sw", "sim", "numpy", "torch")) == []


def test_software_knows_neither_simulation_nor_hardware_beyond_contract_and_boards():
    assert offenders("sw", ("sim", "amaranth", "cocotb"), (CLI,)) == []
    beyond = [
        f"{path} imports {name}"
        for path in sources("sw")
        for name in imports(path)
        if name.split(".")[0] == "hw"
        and not name.startswith(("twofold.hw.contract", "twofold.hw.boards"))
        if not path.relative_to(ROOT).as_posix().startswith(CLI)
    ]
    assert beyond == []


def test_torch_lives_in_the_training_rooms_only():
    assert offenders("sw", ("torch",), TORCH_ROOMS) == []
    assert offenders("sim", ("torch",)) == []


def test_vendor_runtime_lives_in_its_rooms_only():
    assert offenders("sw", ("pynq", "pyxrt"), XRT_ROOMS) == []
    assert offenders("sim", ("pynq", "pyxrt")) == []


def test_nothing_imports_the_command_line():
    inside = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("hw", "sw", "sim")
        if not path.relative_to(ROOT).as_posix().startswith(CLI)
        for name in imports(path)
        if f"{name}.".startswith(("twofold.sw.cli.", "twofold.sw.cli."))
    ]
    assert inside == []


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

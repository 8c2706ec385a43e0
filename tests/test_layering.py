"""Imports flow one way: contract <- boards <- hw <- sim -> sw, contract <- sw, boards <- sw."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
    assert offenders("sw", ("sim", "amaranth", "cocotb")) == []
    beyond = [
        f"{path} imports {name}"
        for path in sources("sw")
        for name in imports(path)
        if name.split(".")[0] == "hw"
        and not name.startswith(("twofold.hw.contract", "twofold.hw.boards"))
    ]
    assert beyond == []


def test_torch_lives_in_the_training_rooms_only():
    assert offenders("sw", ("torch",), TORCH_ROOMS) == []
    assert offenders("sim", ("torch",)) == []


def test_vendor_runtime_lives_in_its_rooms_only():
    assert offenders("sw", ("pynq", "pyxrt"), XRT_ROOMS) == []
    assert offenders("sim", ("pynq", "pyxrt")) == []

"""Nobody but the room of boards knows a board: its part, its platform, and its figures."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.hw.boards import default, find, names
from twofold.hw.boards.board import Board

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "hw" / "boards"
TESTS = ROOT / "tests" / "hw" / "boards"
BOARDS = [find(name) for name in names()]
TELLING = 2000
"""Figures of a board from here on are its own; smaller ones may be anything."""
NAMED = ("CLOCK", "MHZ", "UNITS", "SLRS", "PCIE", "BANKS")
"""Constants with such names in capitals are a board's."""


def sources() -> Iterator[Path]:
    for folder in ("hw", "sw", "sim", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".cpp", ".hpp", ".h", ".tcl") and not (
                path.is_relative_to(ROOM) or path.is_relative_to(TESTS)
            ):
                yield path


def samples(board: Board) -> set[str]:
    """Texts that are of one board only."""
    if board.desk is not None:
        return {board.device, board.package, board.desk.pins}
    shell = board.platform
    sizes = {f"{shell.memory.bank_bytes >> 30}GB", f"{shell.memory.bank_bytes >> 20}MB"}
    return {
        *(board.device, board.package, shell.platform, shell.platform.removeprefix("xilinx_")),
        *(f'"{size}"' for size in sizes if size[0] != "0"),
    }


def numbers(board: Board) -> set[float]:
    """Numbers that are of one board only."""
    found = set(board.total.values)
    if board.desk is None:  # the rates of a serial line are everyone's
        found |= {board.host.to_card, board.host.from_card}
    for region in board.regions:
        found |= set(region.user.values)
    return {value for value in found if value >= TELLING}


def known(text: str, python: bool = True) -> list[str]:
    """What a source knows of a board by hand."""
    found = [sample for board in BOARDS for sample in samples(board) if sample in text]
    return found + (list(_known_by_python(ast.parse(text))) if python else [])


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _known_by_python(tree: ast.AST) -> Iterator[str]:
    figures = {value for board in BOARDS for value in numbers(board)}
    ceilings = [
        {value for value in board.ceilings.values if isinstance(value, float)} for board in BOARDS
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and _number(node.value) in figures:
            yield f"line {node.lineno}: {node.value}"
        if isinstance(node, ast.Call | ast.Dict | ast.Tuple | ast.List):
            inside = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            parts = {value for value in inside if isinstance(value, float)}
            if parts and parts in ceilings:
                yield f"line {node.lineno}: {sorted(parts)}"
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                name = target.id if isinstance(target, ast.Name) else ""
                values = {default().clock_mhz, default().units}
                if any(part in name for part in NAMED) and node.value.value in values:
                    yield f"line {node.lineno}: {name} = {node.value.value}"


def test_only_the_room_knows_a_board():
    files = list(sources())
    assert len(files) > 300
    found = {
        str(path.relative_to(ROOT)): known(path.read_text(), path.suffix == ".py") for path in files
    }
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        'PART = "xcu250-figd2104-2L-e"',
        'platform = "xilinx_u250_gen3x16_xdma_4_1_202210_1"',
        'name = "gen3x16_xdma_3_202210_1 of u55c_gen3x16_xdma_3_202210_1"',
        "SLR = Resources(lut=345_000, ff=1, bram36=1, uram=1, dsp=1)",
        "DSP = 12288",
        "PCIE_BYTES = 11.0e9",
        'CEILINGS = {"lut": 0.7, "ff": 0.5, "bram36": 0.8, "uram": 0.8, "dsp": 0.8}',
        "CLOCK_MHZ = 300",
        "UNITS = 3",
        'banks = [{"Size": "16GB"} for _ in range(4)]',
    ],
)
def test_knowing_a_board_would_be_seen(text: str):
    assert known(text)
    assert not known("samples, seconds = 300, 0.7")

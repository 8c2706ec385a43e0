"""The boards: what is found by name, and that each of them is whole."""

import argparse
import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.boards import DEFAULT, cards, default, desks, find, names, suffix
from twofold.hw.boards.board import Board, Tools
from twofold.hw.boards.resources import NAMES, Resources, scaled, share
from twofold.hw.contract.errors import BoardError, TwofoldError
from twofold.sw.cli.options import add_board

ROOM = Path(__file__).parents[3] / "hw" / "boards"
every_board = pytest.mark.parametrize("board", [find(name) for name in names()], ids=names())
every_card = pytest.mark.parametrize("board", [find(name) for name in cards()], ids=cards())
every_desk = pytest.mark.parametrize("board", [find(name) for name in desks()], ids=desks())


def test_a_board_is_a_file_of_its_name():
    files = [path.stem for path in ROOM.glob("*.py") if "\nBOARD = Board(" in path.read_text()]
    called = [file.replace("_", "-") for file in files]
    assert sorted(called) == sorted(names())
    assert [find(name).name for name in called] == called
    assert names()[0] == DEFAULT == default().name


def test_a_new_file_is_found_and_nothing_else_is_edited(tmp_path):
    """A copy of the room with one more file knows one more board."""
    copy = tmp_path / "hw" / "boards"
    copy.mkdir(parents=True)
    for path in ROOM.glob("*.py"):
        (copy / path.name).write_text(path.read_text())
    text = (ROOM / "u55c.py").read_text().replace('"u55c"', '"desk"')
    (copy / "desk.py").write_text(text)
    program = (
        "import sys, twofold.hw.boards; twofold.hw.boards.__path__[:] = [sys.argv[1]]; "
        "print(*twofold.hw.boards.names(), twofold.hw.boards.find('desk').title)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(copy)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    found = [*names()[1:], "desk"]
    assert done.stdout.split() == [DEFAULT, *sorted(found), "Alveo", "U55C"]


def test_an_unknown_board_is_one_line_with_the_names():
    with pytest.raises(TwofoldError) as error:
        find("u999")
    assert str(error.value) == f"board 'u999' is unknown, choose one of {', '.join(names())}"


def test_the_option():
    parser = argparse.ArgumentParser()
    add_board(parser)
    assert parser.parse_args([]).board is None, "that of the machine"
    assert parser.parse_args(["--board", "u55c"]).board == "u55c"
    assert all(name in parser.format_help() for name in names())


def test_files_of_the_default_board_have_no_suffix():
    assert (suffix(default()), suffix(find("u55c"))) == ("", "-u55c")


@every_board
def test_a_board_is_whole(board: Board):
    assert board.part == f"{board.device}-{board.package}-{board.speed}-{board.grade}"
    indices = [region.index for region in board.regions]
    assert indices == sorted(set(indices)) and indices[0] == 0
    user = sum((region.user for region in board.regions), Resources())
    assert all(part <= 1 for part in share(user, board.total))
    assert all(0 < part <= 1 for part in board.ceilings.values)
    assert board.period_ns * board.clock_mhz == pytest.approx(1000)
    assert board.watts > 0 and board.host.to_card > 0 and board.host.from_card > 0
    assert board.family.products_per_dsp >= 1


@every_card
def test_regions_are_clock_regions_that_no_other_has(board: Board):
    taken: list[tuple[int, int]] = []
    for region in board.regions:
        for corners in region.clock_regions:
            found = re.fullmatch(r"X(\d)Y(\d+):X(\d)Y(\d+)", corners)
            assert found, corners
            left, low, right, high = map(int, found.groups())
            assert left <= right < 8 and 4 * region.index <= low <= high < 4 * region.index + 4
            taken += [(x, y) for x in range(left, right + 1) for y in range(low, high + 1)]
    slrs = board.regions[-1].index + 1
    assert len(set(taken)) == len(taken) < 32 * slrs, "the shell has its share"


@every_card
def test_units_have_banks_of_their_own_that_do_not_overlap(board: Board):
    memory = board.platform.memory
    banks = [board.bank(unit) for unit in range(board.units)]
    assert len(set(banks)) == board.units
    assert memory.step >= memory.bank_bytes > 0
    assert memory.name(banks[0]) == f"{memory.tag}[{banks[0]}]"
    assert memory.address(banks[-1]) == memory.base + banks[-1] * memory.step


@every_card
def test_the_platform_is_named_as_the_vendor_names_platforms(board: Board):
    vendor, name, *version, major, minor = board.platform.platform.split("_")
    assert (vendor, name) == ("xilinx", board.name)
    assert version and major.isdecimal() and minor.isdecimal()
    oldest = f"20{major[2:4]}.{major[4]}"
    assert board.platform.tools.oldest == oldest, "the platform's own version is the first"


def test_the_default_is_what_every_published_figure_rests_on():
    """Three units: the shell fills half of SLR1."""
    board = default()
    assert (board.clock_mhz, board.units, board.total.dsp) == (300, 3, 12_288)
    assert board.region == Resources(345_000, 690_000, 500, 320, 2877)
    assert board.ceilings == Resources(0.7, 0.5, 0.8, 0.8, 0.8)
    assert board.host.to_card == 11.0e9


def test_a_unit_has_to_fit_the_smallest_region():
    board = find("u55c")
    assert board.region == Resources(333_000, 675_000, 468, 320, 2733)
    assert board.budget.lut == pytest.approx(0.7 * 333_000)
    assert not any(find(name).built for name in names()), "nothing was built on a card yet"


def test_a_board_is_a_card_or_on_a_desk():
    assert sorted(cards() + desks()) == sorted(names())
    with pytest.raises(BoardError, match="board u250 is not built by open tools"):
        assert default().open_tools


@every_desk
def test_the_pins_of_a_board_are_those_of_its_platform(board: Board):
    """The platform has the part, the clock and the serial line that the board names."""
    pytest.importorskip("amaranth_boards")
    module, _, name = board.open_tools.pins.partition(":")
    platform = getattr(importlib.import_module(module), name)()
    assert (platform.device, platform.package) == (board.device, board.package)
    assert platform.speed == board.speed
    assert platform.resources["uart", board.open_tools.uart]
    assert platform.default_clk_frequency > 0
    kinds = {"--25k": "LFE5U-25F", "--85k": "LFE5U-85F", "--um5g-85k": "LFE5UM5G-85F"}
    assert kinds[board.open_tools.device] == board.device


@every_desk
def test_the_line_is_slower_than_the_clock(board: Board):
    assert 4 * board.open_tools.baud <= 1e6 * board.clock_mhz
    assert board.host.to_card == board.open_tools.baud / 10


def test_a_board_without_a_platform():
    bare = replace(default(), name="desk", shell=None)
    with pytest.raises(BoardError, match="board desk has no platform of its vendor"):
        assert bare.platform


@pytest.mark.parametrize("bank", [None, 4, -1])
def test_a_region_without_its_bank(bank: int | None):
    board = default()
    first = replace(board.regions[0], bank=bank)
    with pytest.raises(BoardError, match=f"board u250: region 0 has no memory bank {bank}"):
        replace(board, regions=(first, *board.regions[1:])).bank(0)


def test_versions_of_tools():
    tools = Tools(name="Vitis", oldest="2022.1", newest="2025.1")
    assert [version for version in ("2021.2", "2022.1", "2023.2", "2025.1", "2025.2")
            if tools.supports(version)] == ["2022.1", "2023.2", "2025.1"]  # fmt: skip
    assert tools.range == "Vitis 2022.1 to 2025.1"
    assert replace(tools, newest=None).supports("2031.1")
    assert replace(tools, newest=None).range == "Vitis 2022.1 or newer"


def test_resources():
    one, two = Resources(1, 2, 0.5, 0, 3), Resources(2, 2, 0.5, 1, 3)
    assert one + two == Resources(3, 4, 1.0, 1, 6)
    assert two * 2 == Resources(4, 4, 1.0, 2, 6)
    assert one.as_dict() == dict(zip(NAMES, (1, 2, 0.5, 0, 3), strict=True))
    assert scaled(two, Resources(0.5, 1, 1, 0, 1)) == Resources(1, 2, 0.5, 0, 3)
    assert share(one, two) == (0.5, 1, 1, 0, 1)
    none = replace(two, uram=0)
    assert share(one, none)[3] == 0 and share(two, none)[3] == float("inf")

"""The bitstream for emulation: what is in it, and what XRT and PYNQ look for."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from twofold.hw.boards import cards, find
from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.regs import ARGUMENTS, KERNEL_VERSION
from twofold.hw.contract.shipped import machine
from twofold.hw.xclbin.xclbin import Mode, Protocol, Xclbin, decode, encode
from twofold.sim.emulation.bitstream import MEMORY_KINDS, Target, describe
from twofold.sim.emulation.server import PLAN

MACHINE = machine("tiny-fast-small")
BOARDS = [find(name) for name in cards()]
LIBRARY = b"not a library"


def made(units: int) -> Xclbin:
    return describe(Target(MACHINE, units), LIBRARY)


@pytest.mark.parametrize("units", [1, 3])
def test_a_unit_for_each_bank(units: int):
    found = decode(encode(made(units)))
    assert found.mode == Mode.HW_EMU
    assert [one.name for one in found.units] == [f"twofold_{at + 1}" for at in range(units)]
    assert {one.protocol for one in found.units} == {Protocol.AP_CTRL_CHAIN}
    board = find(MACHINE.board)
    banks = [board.bank(unit) for unit in range(units)]
    assert [one.used for one in found.memories] == [at in banks for at in range(4)]
    pointers = [one.argument for one in ARGUMENTS if one.pointer]
    wanted = [(number, unit, banks[unit]) for unit in range(units) for number in pointers]
    assert [(one.argument, one.unit, one.memory) for one in found.connections] == wanted


def test_it_tells_the_machine_inside():
    identity = decode(encode(made(1))).identity
    assert identity is not None
    assert identity.fingerprint == fingerprint(MACHINE.network, MACHINE.folding)
    assert (identity.network, identity.folding) == ("tiny-fast", "tiny-fast-small")
    assert identity.kernel_version == KERNEL_VERSION


def test_the_archive_has_what_the_runtime_starts():
    with zipfile.ZipFile(io.BytesIO(made(2).bitstream)) as archive:
        root = "behav_waveform/xsim/"
        assert archive.testzip() is None
        assert archive.read(root + "kernel.so") == LIBRARY
        assert archive.getinfo(root + "simulate.sh").external_attr >> 16 & 0o111
        names = [name.removeprefix(root) for name in archive.namelist()]
        assert "device/__main__.py" in names
        modules = [name for name in names if name.startswith("device/twofold/sim/emulation/")]
        assert len(modules) == 4
        for name in modules:
            text = archive.read(root + name).decode()
            assert "import numpy" not in text
            assert "from hw" not in text


def test_equal_targets_make_equal_files():
    assert encode(made(2)) == encode(made(2))


def test_metadata_names_arguments_and_units():
    kernel = ElementTree.fromstring(made(2).metadata).find(".//kernel")
    assert kernel is not None
    assert kernel.get("hwControlProtocol") == "ap_ctrl_chain"
    assert [one.get("name") for one in kernel.iter("arg")] == [one.name for one in ARGUMENTS]
    bases = [one.get("base") for one in kernel.iter("addrRemap")]
    assert bases == [hex(one.base) for one in made(2).units]


@pytest.mark.parametrize("board", BOARDS, ids=cards())
def test_the_card_is_the_boards(board: Board):
    made = describe(Target(replace(MACHINE, board=board.name), board.units), LIBRARY)
    found = decode(encode(made))
    memory, shell = board.platform.memory, board.platform
    assert found.platform == shell.platform
    assert [(one.tag, one.base, one.size) for one in found.memories] == [
        (memory.name(at), memory.address(at), memory.bank_bytes) for at in range(memory.banks)
    ]
    taken = [board.bank(unit) for unit in range(board.units)]
    assert [at for at, one in enumerate(found.memories) if one.used] == taken
    assert {one.kind for one in found.memories} == {MEMORY_KINDS[memory.kind]}
    assert {(one.unit, one.memory) for one in found.connections} == set(enumerate(taken))
    assert [clock.mhz for clock in found.clocks] == [board.clock_mhz, shell.kernel_clock_mhz]
    platform = ElementTree.fromstring(found.metadata).find("platform")
    assert platform is not None and platform.get("boardid") == board.name
    with zipfile.ZipFile(io.BytesIO(found.bitstream)) as archive:
        plan = json.loads(archive.read(f"behav_waveform/xsim/{PLAN}"))
    assert [unit["memories"] for unit in plan["units"]] == [
        [[memory.address(at), memory.bank_bytes]] for at in taken
    ]


@pytest.mark.parametrize("board", BOARDS, ids=cards())
def test_impossible_numbers_of_units_are_refused(board: Board):
    for units in (0, board.units + 1):
        with pytest.raises(FoldingError, match=f"units is {units}, needs 1 to {board.units}"):
            Target(replace(MACHINE, board=board.name), units)


def test_the_sample_is_where_a_build_puts_it(emulated: Path):
    assert emulated.name == "twofold_hw_emu.xclbin"
    assert emulated.parent.name == MACHINE.slug
    assert len(decode(emulated.read_bytes()).units) == 2

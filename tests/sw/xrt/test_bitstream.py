"""What is checked of a bitstream before the runtime sees it."""

from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.boards import default
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.regs import KERNEL_NAME, KERNEL_VERSION
from twofold.hw.xclbin import xclbin
from twofold.hw.xclbin.xclbin import (
    BitstreamIdentity,
    Clock,
    ClockType,
    Connection,
    Memory,
    Mode,
    Unit,
    Xclbin,
)
from twofold.sw.errors import MissingRuntimeError, WrongPlatformError
from twofold.sw.xrt.bitstream import read_bitstream
from twofold.sw.xrt.library import EMULATION_VARIABLE, ROOT, ROOT_VARIABLE, find_root

BITSTREAM = Xclbin(
    mode=Mode.HW_EMU,
    platform=default().platform.platform,
    memories=(Memory("bank0", 0x4000000000, 16 << 30),),
    units=(
        Unit(KERNEL_NAME, "twofold_1", 0x1800000),
        Unit("other", "other_1", 0x1810000),
        Unit(KERNEL_NAME, "twofold_2", 0x1820000),
    ),
    connections=(Connection(3, 0, 0),),
    clocks=(Clock("DATA_CLK", 300, ClockType.DATA),),
    metadata="<project/>",
    bitstream=bytes(1000),
    identity=BitstreamIdentity(bytes(32), "tiny-fast", "small", KERNEL_VERSION),
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a bitstream, or its bytes after a change, and returns the path."""
    monkeypatch.setenv(EMULATION_VARIABLE, "hw_emu")

    def to_file(found: Xclbin | bytes) -> Path:
        path = tmp_path / "test.xclbin"
        path.write_bytes(found if isinstance(found, bytes) else xclbin.encode(found))
        return path

    return to_file


def test_good(write):
    found = read_bitstream(write(BITSTREAM))
    assert found.units == ("twofold_1", "twofold_2")
    assert found.xclbin.platform == BITSTREAM.platform


@pytest.mark.parametrize("mode, emulation", [(Mode.HW_EMU, ""), (Mode.FLAT, "hw_emu")])
def test_mode_and_environment_differ(write, monkeypatch, mode, emulation):
    path = write(replace(BITSTREAM, mode=mode))
    monkeypatch.setenv(EMULATION_VARIABLE, emulation)
    with pytest.raises(WrongPlatformError, match=r"is for (emulation|a card) and XCL_EMULATION_MO"):
        read_bitstream(path)


def test_mode_and_environment_agree(write, monkeypatch):
    path = write(replace(BITSTREAM, mode=Mode.FLAT))
    monkeypatch.delenv(EMULATION_VARIABLE)
    assert read_bitstream(path).xclbin.mode == Mode.FLAT


def test_another_kernel(write):
    with pytest.raises(WrongPlatformError, match="has no kernel 'twofold'"):
        read_bitstream(write(replace(BITSTREAM, units=BITSTREAM.units[1:2], connections=())))


def test_another_register_table(write):
    identity = BitstreamIdentity(bytes(32), "tiny-fast", "small", KERNEL_VERSION + 1)
    with pytest.raises(WrongPlatformError, match="register table version"):
        read_bitstream(write(replace(BITSTREAM, identity=identity)))


def test_truncated(write):
    content = xclbin.encode(BITSTREAM)
    for size in (0, 7, 100, 400, 800, len(content) - 1):
        with pytest.raises(ParameterError, match=r"test\.xclbin: xclbin "):
            read_bitstream(write(content[:size]))


def test_every_flipped_bit_that_is_tried(write):
    content = xclbin.encode(BITSTREAM)
    for at in range(0, len(content), 31):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(ParameterError, match=r"test\.xclbin: xclbin "):
            read_bitstream(write(bytes(flipped)))


def test_no_file(tmp_path):
    with pytest.raises(ParameterError, match="no such file"):
        read_bitstream(tmp_path / "none.xclbin")
    with pytest.raises(ParameterError, match="is a folder; give the name of a regular file"):
        read_bitstream(tmp_path)


@pytest.mark.skipif(ROOT.exists(), reason="XRT is installed where it installs itself")
def test_no_runtime(monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    with pytest.raises(MissingRuntimeError, match=r"install XRT.*or use --device cpu"):
        find_root()

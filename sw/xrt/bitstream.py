"""Checks on a bitstream before it is handed to the runtime."""

from dataclasses import dataclass
from pathlib import Path

from twofold.hw.contract.errors import FileError, ParameterError
from twofold.hw.contract.files import read_bytes
from twofold.hw.contract.regs import KERNEL_NAME, KERNEL_VERSION
from twofold.hw.xclbin import xclbin
from twofold.hw.xclbin.xclbin import LARGEST, Mode, Xclbin
from twofold.sw.errors import WrongPlatformError
from twofold.sw.xrt.library import EMULATION_VARIABLE, emulated


@dataclass(frozen=True)
class Bitstream:
    """A checked bitstream.

    Attributes
    ----------
    path: file it was read from.
    content: its bytes.
    units: names of our compute units, as in ``twofold_1``.
    xclbin: its decoded metadata.
    """

    path: Path
    content: bytes
    units: tuple[str, ...]
    xclbin: Xclbin


def read_bitstream(path: Path) -> Bitstream:
    """Read a bitstream, which is untrusted input, and check that it is for this driver and
    environment.

    Raises ParameterError if the file is missing, damaged or not a bitstream, WrongPlatformError if
    it is for another kernel, or for emulation when this process uses a card, or the reverse.
    """
    try:
        content = read_bytes(path, LARGEST)
    except FileError as error:
        raise ParameterError(str(error)) from error
    try:
        found = xclbin.decode(content)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
    _check_mode(path, found)
    version = found.identity.kernel_version if found.identity else KERNEL_VERSION
    if version != KERNEL_VERSION:
        raise WrongPlatformError(
            f"{path} has register table version {version}, this driver knows {KERNEL_VERSION}; "
            "build the bitstream with this release"
        )
    units = tuple(unit.name for unit in found.units if unit.kernel == KERNEL_NAME)
    if not units:
        raise WrongPlatformError(
            f"{path} has no kernel {KERNEL_NAME!r}; give a bitstream of `twofold bitstream`"
        )
    return Bitstream(path, content, units, found)


def _check_mode(path: Path, found: Xclbin) -> None:
    emulation = found.mode in (Mode.HW_EMU, Mode.SW_EMU, Mode.HW_EMU_PR)
    if emulation and not emulated():
        raise WrongPlatformError(
            f"{path} is for emulation and {EMULATION_VARIABLE} is not set; run `twofold emulate`, "
            "or give a bitstream for the card"
        )
    if emulated() and found.mode != Mode.HW_EMU:
        raise WrongPlatformError(
            f"{path} is for a card and {EMULATION_VARIABLE} is set; unset it, or give a bitstream "
            "of `twofold bitstream --target hw_emu`"
        )

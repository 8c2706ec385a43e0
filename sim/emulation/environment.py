"""Environment in which a process sees emulated cards through XRT: files and variables.

XRT reads both when its libraries are loaded, so they are meant for a new process. Debian's packages
lack the directory tree that XRT and PYNQ expect, so one is built from links.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_text

PACKET = 1 << 18
"""Maximum size of a transfer in one call, in bytes."""

MARGIN = 1 << 12
LIBRARIES = ("hwemu", "core")
SYSTEM = Path("/opt/xilinx/xrt")
INSTALL = "on Debian and Ubuntu, apt-get install libxrt1 unzip"
END_SECONDS = 5.0


def find_libraries() -> Path:
    """Directory with XRT's ``libxrt_hwemu.so.2``. Raises ToolError if XRT is not installed."""
    triplet = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    set_up = os.environ.get("XILINX_XRT")
    places = [Path(set_up) / "lib"] if set_up else []
    places += [SYSTEM / "lib", Path("/usr/lib") / triplet, Path("/usr/lib64"), Path("/usr/lib")]
    for place in places:
        if (place / "libxrt_hwemu.so.2").exists() and (place / "libxrt_core.so.2").exists():
            return place
    raise ToolError(f"XRT is not installed (no libxrt_hwemu.so.2): {INSTALL}")


def check() -> None:
    """Raise ToolError unless everything that emulation needs is installed."""
    find_libraries()
    if shutil.which("unzip") is None:
        raise ToolError(f"unzip is not on PATH, which XRT calls: {INSTALL}")


def prepare(directory: Path, *, cards: int = 1, board: Board | None = None) -> dict[str, str]:
    """Fill an empty directory and return the environment of a process that sees ``cards`` cards.

    ``board``: board of the cards; None for the default.

    Raises ToolError if something is not installed.
    """
    check()
    directory = directory.absolute()
    (directory / "run").mkdir(parents=True)
    write_text(directory / "emconfig.json", _emconfig(cards, board or default()))
    write_text(directory / "xrt.ini", _settings())
    return {
        "XILINX_XRT": str(_root(directory / "xrt")),
        "XCL_EMULATION_MODE": "hw_emu",
        "EMCONFIG_PATH": str(directory),
        "SDACCEL_EM_RUN_DIR": str(directory / "run"),
        "XRT_INI_PATH": str(directory / "xrt.ini"),
        "TWOFOLD_PYTHON": sys.executable,
    }


def _root(root: Path) -> Path:
    """A tree with libraries and version as XRT and PYNQ expect it: XRT's own, or links."""
    libraries = find_libraries()
    if (libraries.parent / "version.json").exists():
        return libraries.parent
    (root / "lib").mkdir(parents=True)
    for name in LIBRARIES:
        for suffix in ("so", "so.2"):
            (root / "lib" / f"libxrt_{name}.{suffix}").symlink_to(libraries / f"libxrt_{name}.so.2")
    full = (libraries / "libxrt_hwemu.so.2").resolve().name.partition(".so.")[2]
    write_text(root / "version.json", json.dumps({"BUILD_VERSION": full}))
    return root


def _emconfig(cards: int, board: Board) -> str:
    memory = board.platform.memory
    card = {
        "Name": board.platform.platform,
        "NumDevices": str(cards),
        "HalMajorVersion": "1",
        "HalMinorVersion": "0",
        "VendorId": "4334",
        "DeviceVersion": "0",
        "DataAlignment": "64",
        "OclFreqency": str(board.clock_mhz),
        "DdrBanks": [{"Size": _size(memory.bank_bytes)}] * memory.banks,
    }
    version = {"FileVersion": "2.0", "ToolVersion": "2022.1"}
    boards = [{"NumBoards": "1", "Devices": [card]}]
    return json.dumps({"Version": version, "Platform": {"Boards": boards}}, indent=1)


def _size(size: int) -> str:
    """A size in bytes, in the form that XRT reads: whole GB, or MB."""
    return f"{size >> 30}GB" if size % (1 << 30) == 0 else f"{size >> 20}MB"


def _settings() -> str:
    """Content of ``xrt.ini``.

    XRT 2.13 as packaged by Debian grows the buffer of its calls without keeping the new address.
    The first call carries these settings, so padding makes it as long as any later one.
    """
    return (
        f"[Emulation]\npacket_size={PACKET}\nsystem_dpa=false\nkeep_run_dir=false\n"
        f"[Debug]\npad={'x' * (PACKET + MARGIN)}\n"
    )


@contextmanager
def emulation(
    directory: Path | None = None, *, cards: int = 1, board: Board | None = None
) -> Iterator[dict[str, str]]:
    """Environment variables for processes that see emulated cards while the context is active.

    ``directory`` is created and kept; if None, a temporary directory is used. ``board``: board of
    the cards; None for the default.
    """
    with tempfile.TemporaryDirectory(prefix="twofold-emulation-") as scratch:
        place = directory or Path(scratch) / "emulation"
        variables = prepare(place, cards=cards, board=board)
        user = f"twofold-{os.getpid()}-{Path(scratch).name[-8:]}"
        try:
            yield variables | {"USER": user}
        finally:
            shutil.rmtree(Path("/tmp") / user, ignore_errors=True)


def run(
    command: Sequence[str], variables: Mapping[str, str], *, seconds: float, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables, in its own process group, which is killed with it.

    XRT's fatal signal handlers kill the whole group. Raises ToolError if it takes longer than
    ``seconds``.
    """
    with subprocess.Popen(
        command,
        env=os.environ | dict(variables),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise ToolError(f"{command[0]} did not end within {seconds:.0f} s") from error
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process and its group."""

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue

"""XRT's C API through ctypes: declared functions, and errors that quote XRT's own message."""

import ctypes
import os
import re
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from twofold.sw.errors import DeviceError, MissingRuntimeError

RUNTIMES = ("xrt", "pynq")
"""Ways to reach a card: XRT's C API, and PYNQ, which itself uses XRT."""
NAME = "libxrt_coreutil.so.2"
ROOT = Path("/opt/xilinx/xrt")
ROOT_VARIABLE = "XILINX_XRT"
EMULATION_VARIABLE = "XCL_EMULATION_MODE"
UUID_BYTES = 16
PATH_BYTES = 4096
PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
ADVICE = (
    "install XRT (Xilinx' package, or Debian's libxrt1) and `source /opt/xilinx/xrt/setup.sh`, or "
    "use --device cpu"
)

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "xrtDeviceOpen": (c_void_p, [c_uint]),
    "xrtDeviceClose": (c_int, [c_void_p]),
    "xrtDeviceLoadXclbin": (c_int, [c_void_p, c_char_p]),
    "xrtDeviceGetXclbinUUID": (c_int, [c_void_p, c_char_p]),
    "xrtDeviceToXclDevice": (c_void_p, [c_void_p]),
    "xrtPLKernelOpenExclusive": (c_void_p, [c_void_p, c_char_p, c_char_p]),
    "xrtKernelClose": (c_int, [c_void_p]),
    "xrtKernelArgGroupId": (c_int, [c_void_p, c_int]),
    "xrtKernelReadRegister": (c_int, [c_void_p, c_uint32, ctypes.POINTER(c_uint32)]),
    "xrtRunOpen": (c_void_p, [c_void_p]),
    "xrtRunClose": (c_int, [c_void_p]),
    "xrtRunSetArg": (c_int, [c_void_p, c_int]),
    "xrtRunStart": (c_int, [c_void_p]),
    "xrtRunWaitFor": (c_int, [c_void_p, c_uint]),
    "xrtBOAlloc": (c_void_p, [c_void_p, c_size_t, c_uint64, c_uint32]),
    "xrtBOFree": (c_int, [c_void_p]),
    "xrtBOMap": (c_void_p, [c_void_p]),
    "xrtBOSync": (c_int, [c_void_p, c_int, c_size_t, c_size_t]),
    "xrtIniStringSet": (c_int, [c_char_p, c_char_p]),
}
"""Result type and argument types; `xrtRunSetArg` takes one more argument, of any type."""


class Library:
    """The XRT functions that the driver uses.

    Parameters
    ----------
    loaded: ``libxrt_coreutil``.

    XRT explains its errors in a log, which it prints to the terminal. Here the log is redirected to
    memory, so that exceptions can quote it.
    """

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._loaded = loaded
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
        self._log = os.memfd_create("xrt.log")
        if self.call("xrtIniStringSet", b"Runtime.runtime_log", self._log_path.encode()):
            os.close(self._log)
            self._log = -1

    @property
    def _log_path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._log}"

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function and return its result; argument and result types are as declared."""
        return getattr(self._loaded, name)(*arguments)

    def require(self, done: bool, error: type[DeviceError], message: str) -> None:
        """Raise ``error`` with a message and XRT's own explanation unless ``done``."""
        if not done:
            words = self.last_words()
            raise error(f"{message}{f' (XRT: {words})' if words else ''}")

    def last_words(self) -> str:
        """The last error in XRT's log, on one line; empty when there is none."""
        if self._log < 0:
            return ""
        size = os.fstat(self._log).st_size
        lines = os.pread(self._log, size, 0).decode(errors="replace").splitlines()
        errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
        return errors[-1].strip() if errors else ""


def find_root() -> None:
    """Tell XRT where its files are: without them it exits. Raises MissingRuntimeError."""
    if os.environ.get(ROOT_VARIABLE):
        return
    if not (ROOT / "lib").is_dir():
        raise MissingRuntimeError(f"{ROOT_VARIABLE} is not set and there is no {ROOT}; {ADVICE}")
    os.environ[ROOT_VARIABLE] = str(ROOT)


@cache
def library() -> Library:
    """XRT, loaded once. Raises MissingRuntimeError if it is missing or too old."""
    find_root()
    failures = []
    for path in (str(Path(os.environ[ROOT_VARIABLE]) / "lib" / NAME), NAME):
        try:
            return Library(ctypes.CDLL(path))
        except (OSError, AttributeError) as error:
            failures.append(str(error))
    raise MissingRuntimeError(f"XRT does not load: {failures[-1]}; {ADVICE}")


def emulated() -> bool:
    """Whether XRT emulates its device in this process."""
    return bool(os.environ.get(EMULATION_VARIABLE))


def card_count() -> int:
    """Number of cards that XRT finds. Ask before opening one: some versions hang when opening a
    card that does not exist.
    """
    probe = _low_level("xclProbe")
    probe.restype, probe.argtypes = c_uint, []
    return int(probe())


def pci_address(handle: int | None) -> str | None:
    """PCIe address of an open card, as in ``0000:3b:00.1``; None where XRT does not know it, as in
    emulation.

    The order in which XRT numbers cards is its own: only this tells which card on the bus one is.

    Parameters
    ----------
    handle: of the card in XRT's lower interface (`xrtDeviceToXclDevice`).
    """
    try:
        ask = _low_level("xclGetSysfsPath")
    except MissingRuntimeError:
        return None
    ask.restype, ask.argtypes = c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]
    path = ctypes.create_string_buffer(PATH_BYTES)
    if ask(handle, b"", b"ready", path, len(path)):
        return None
    found = PCI_ADDRESS.search(path.value.decode(errors="replace"))
    return found[0] if found else None


def _low_level(name: str) -> Any:
    """A function of XRT's lower interface. Raises MissingRuntimeError if it is not there."""
    find_root()
    library_name = f"libxrt_{'hwemu' if emulated() else 'core'}.so.2"
    failure = None
    for path in (str(Path(os.environ[ROOT_VARIABLE]) / "lib" / library_name), library_name):
        try:
            return getattr(ctypes.CDLL(path), name)
        except (OSError, AttributeError) as error:
            failure = error
    raise MissingRuntimeError(f"XRT does not load: {failure}; {ADVICE}")


def library_reason() -> str | None:
    """Why XRT cannot be used; None when it can."""
    try:
        library()
    except MissingRuntimeError as error:
        return str(error)
    return None

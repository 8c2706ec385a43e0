"""A card, or its emulation, through XRT's C API. Needs no PYNQ."""

import ctypes
import threading
import time
from collections.abc import Sequence
from ctypes import c_uint32, c_uint64, c_void_p
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.regs import ARGUMENTS, KERNEL_NAME, Register, register
from twofold.sw.driver.device import EVERY_VALUE, Arguments, Buffer, buffer_bytes, read_words
from twofold.sw.errors import DeviceBusyError, DeviceError, DeviceLostError, NoCardError
from twofold.sw.xrt.bitstream import Bitstream, read_bitstream
from twofold.sw.xrt.cards import check_platform, claim, release
from twofold.sw.xrt.library import (
    UUID_BYTES,
    Library,
    card_count,
    emulated,
    library,
    pci_address,
)

TO_CARD, TO_HOST = 0, 1
CARD_TIMEOUT, EMULATION_TIMEOUT = 10.0, 600.0
LONGEST_WAIT = 500
"""Milliseconds per wait call; emulation sleeps through the whole of waits of a second or more."""
LOST = "the card or its emulation has gone; reset the card (`xbutil reset`) and open it again"


class State(IntEnum):
    """State of a command, as XRT reports it."""

    NEW = 1
    QUEUED = 2
    RUNNING = 3
    COMPLETED = 4
    ERROR = 5
    ABORT = 6
    SUBMITTED = 7
    TIMEOUT = 8
    NORESPONSE = 9


UNDER_WAY = (State.NEW, State.QUEUED, State.RUNNING, State.SUBMITTED, State.TIMEOUT)


class XrtBuffer:
    """Card memory, mapped into the process."""

    def __init__(self, xrt: Library, card: int, size: int, bank: int) -> None:
        size = buffer_bytes(size)
        self._xrt = xrt
        self.handle = xrt.call("xrtBOAlloc", card, size, 0, bank)
        xrt.require(
            bool(self.handle),
            DeviceError,
            f"no memory for a buffer of {size} bytes in bank {bank}; free buffers, or send "
            "smaller batches",
        )
        address = xrt.call("xrtBOMap", self.handle)
        xrt.require(bool(address), DeviceError, f"a buffer of {size} bytes cannot be mapped")
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8))
        self.data: NDArray[np.uint8] = np.ctypeslib.as_array(pointer, (size,))

    def to_card(self, size: int) -> None:
        """Transfer to the card. Raises DeviceLostError."""
        self._sync(TO_CARD, size)

    def to_host(self, size: int) -> None:
        """Transfer from the card. Raises DeviceLostError."""
        self._sync(TO_HOST, size)

    def free(self) -> None:
        """Free the memory."""
        handle, self.handle = self.handle, None
        if handle:
            self._xrt.call("xrtBOFree", handle)

    def _sync(self, direction: int, size: int) -> None:
        done = self._xrt.call("xrtBOSync", self.handle, direction, size, 0) == 0
        self._xrt.require(done, DeviceLostError, f"a transfer of {size} bytes failed: {LOST}")


class XrtLaunch:
    """A run with its arguments set; only samples and stride change between starts."""

    def __init__(self, xrt: Library, kernel: int | None, name: str, arguments: Arguments) -> None:
        self._xrt, self._name = xrt, name
        self._run = xrt.call("xrtRunOpen", kernel)
        xrt.require(bool(self._run), DeviceError, f"{name}: no run can be made")
        values = {
            "operation": c_uint32(arguments.operation),
            "image": _handle(arguments.image),
            "parameter_bytes": c_uint32(arguments.parameter_bytes),
            "input": _handle(arguments.input),
            "output": _handle(arguments.output),
            "samples": c_uint32(0),
            "stride": c_uint32(0),
            "extent": c_uint64(len(arguments.input.data)),
        }
        for one in ARGUMENTS:
            self._set(one, values[one.name])
        self._last = {"samples": 0, "stride": 0}

    def start(self, samples: int, stride: int = 0) -> None:
        """Queue the run."""
        for name, value in (("samples", samples), ("stride", stride)):
            if value != self._last[name]:
                self._set(register(name), c_uint32(value))
                self._last[name] = value
        done = self._xrt.call("xrtRunStart", self._run) == 0
        self._xrt.require(done, DeviceLostError, f"{self._name} does not start: {LOST}")

    def wait(self, seconds: float) -> bool:
        """Whether the run has ended; waits up to ``seconds``. Raises DeviceLostError."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            wait = min(max(round(1000 * left), 1), LONGEST_WAIT)
            state = self._xrt.call("xrtRunWaitFor", self._run, wait)
            if state == State.COMPLETED:
                return True
            self._xrt.require(
                state in UNDER_WAY,
                DeviceLostError,
                f"{self._name}: run ended in state {state}: {LOST}",
            )
            if left <= 0:
                return False

    def free(self) -> None:
        """Close the run."""
        run, self._run = self._run, None
        if run:
            self._xrt.call("xrtRunClose", run)

    def _set(self, one: Register, value: ctypes._SimpleCData) -> None:
        done = self._xrt.call("xrtRunSetArg", self._run, one.argument, value) == 0
        self._xrt.require(done, DeviceError, f"{self._name}: XRT refuses argument {one.name}")


def _handle(buffer: Buffer) -> c_void_p:
    if not isinstance(buffer, XrtBuffer):
        raise TypeError(f"{type(buffer).__name__} is memory of another device")
    return c_void_p(buffer.handle)


class XrtUnit:
    """A compute unit, opened exclusively by this process."""

    def __init__(self, xrt: Library, card: int, uuid: bytes, name: str) -> None:
        self.name, self._reading = name, threading.Lock()
        self._xrt, self._card = xrt, card
        full = f"{KERNEL_NAME}:{{{name}}}".encode()
        self._kernel = xrt.call("xrtPLKernelOpenExclusive", card, uuid, full)
        xrt.require(
            bool(self._kernel),
            DeviceBusyError,
            f"{name} cannot be opened; is another process using the card?",
        )
        self._bank = xrt.call("xrtKernelArgGroupId", self._kernel, register("input").argument)

    def allocate(self, size: int) -> XrtBuffer:
        """Allocate memory in the bank that the unit is connected to."""
        return XrtBuffer(self._xrt, self._card, size, self._bank)

    def prepare(self, arguments: Arguments) -> XrtLaunch:
        """Make a run that can be started."""
        return XrtLaunch(self._xrt, self._kernel, self.name, arguments)

    @property
    def counted(self) -> frozenset[str]:
        """All registers."""
        return EVERY_VALUE

    def read(self, one: Register) -> int:
        """Value of a register, read word by word. Raises DeviceLostError."""
        word = c_uint32()

        def read(offset: int) -> int:
            done = self._xrt.call("xrtKernelReadRegister", self._kernel, offset, ctypes.byref(word))
            self._xrt.require(
                done == 0,
                DeviceLostError,
                f"{self.name}: register {one.name} cannot be read: {LOST}",
            )
            return word.value

        with self._reading:
            return read_words(one, read)

    def close(self) -> None:
        """Close the kernel."""
        kernel, self._kernel = self._kernel, None
        if kernel:
            self._xrt.call("xrtKernelClose", kernel)


class XrtDevice:
    """A card with one of our bitstreams.

    Parameters
    ----------
    index: of the card, as XRT counts them.
    bitstream: to load into it.

    Raises
    ------
    MissingRuntimeError: XRT is not installed.
    NoCardError: there is no such card.
    DeviceBusyError: another device or process is using the card or one of its units.
    WrongPlatformError: the bitstream is for another platform than the card's.
    DeviceError: the bitstream cannot be loaded.
    """

    def __init__(self, index: int, bitstream: Bitstream) -> None:
        self.name = f"xrt:{index}"
        self.timeout = EMULATION_TIMEOUT if emulated() else CARD_TIMEOUT
        self.address: str | None = None
        self._units: list[XrtUnit] = []
        self._xrt = xrt = library()
        self._card = None
        claim(index)
        self._held: int | None = index
        try:
            found = card_count()
            if index >= found:
                raise NoCardError(
                    f"no card {index}, XRT finds {found}; `twofold devices` lists what there is"
                )
            self._card = xrt.call("xrtDeviceOpen", index)
            xrt.require(
                bool(self._card), NoCardError, f"card {index} does not open; reset or reseat it"
            )
            if emulated():
                _skip_first_sleep(xrt, self._card)
            self.address = pci_address(xrt.call("xrtDeviceToXclDevice", self._card))
            check_platform(self.address, bitstream.xclbin.platform)
            loaded = xrt.call("xrtDeviceLoadXclbin", self._card, bitstream.content) == 0
            xrt.require(loaded, DeviceError, f"{self.name} does not take {bitstream.path}")
            uuid = ctypes.create_string_buffer(UUID_BYTES)
            xrt.call("xrtDeviceGetXclbinUUID", self._card, uuid)
            for unit in bitstream.units:
                self._units.append(XrtUnit(xrt, self._card, uuid.raw, unit))
        except BaseException:
            self.close()
            raise

    @property
    def units(self) -> Sequence[XrtUnit]:
        """Our compute units."""
        return tuple(self._units)

    def close(self) -> None:
        """Close the units and the card; idempotent."""
        for unit in self._units:
            unit.close()
        card, self._card = self._card, None
        if card:
            self._xrt.call("xrtDeviceClose", card)
        held, self._held = self._held, None
        if held is not None:
            release(held)


def _skip_first_sleep(xrt: Library, card: int) -> None:
    """Emulation sleeps for ten seconds in a process's first wait; use up that wait with a timeout
    of zero.
    """
    path = Path("/proc/self/maps")
    hwemu = {line.split()[-1] for line in path.read_text().splitlines() if "libxrt_hwemu" in line}
    for name in hwemu:
        wait = ctypes.CDLL(name).xclExecWait
        wait.argtypes = [c_void_p, ctypes.c_int]
        wait(xrt.call("xrtDeviceToXclDevice", card), 0)


def open_xrt(index: int, path: Path) -> XrtDevice:
    """Open card ``index`` with the bitstream at ``path``. Raises ParameterError or DeviceError."""
    return XrtDevice(index, read_bitstream(path))

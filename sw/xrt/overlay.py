"""A card, or its emulation, through PYNQ 3.0.1, the last version that supports Alveo."""

import importlib
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.regs import ARGUMENTS, KERNEL_NAME, Register, register
from twofold.sw.driver.device import EVERY_VALUE, Arguments, Buffer, buffer_bytes, read_words
from twofold.sw.errors import DeviceError, DeviceLostError, MissingRuntimeError, NoCardError
from twofold.sw.xrt.bitstream import Bitstream, read_bitstream
from twofold.sw.xrt.cards import check_platform, claim, release
from twofold.sw.xrt.device import CARD_TIMEOUT, EMULATION_TIMEOUT, LOST
from twofold.sw.xrt.library import ADVICE, emulated, find_root, pci_address

POLL = 0.002
"""Seconds per wait for a completion; kept short, since another lane may be the one woken by it."""


class PynqBuffer:
    """A buffer allocated by ``pynq``."""

    def __init__(self, memory: Any, size: int) -> None:
        size = buffer_bytes(size)
        try:
            self.allocated = memory.allocate(size, np.uint8)
        except RuntimeError as error:
            raise DeviceError(
                f"no memory for a buffer of {size} bytes ({error}); free buffers, or send smaller "
                "batches"
            ) from error
        self.data: NDArray[np.uint8] = self.allocated.view(np.ndarray)

    def to_card(self, size: int) -> None:
        """Transfer to the card. Raises DeviceLostError."""
        self._transfer("sync_to_device", size)

    def to_host(self, size: int) -> None:
        """Transfer from the card. Raises DeviceLostError."""
        self._transfer("sync_from_device", size)

    def free(self) -> None:
        """Free the memory."""
        self.allocated.freebuffer()

    def _transfer(self, how: str, size: int) -> None:
        try:
            getattr(self.allocated[:size], how)()
        except RuntimeError as error:
            raise DeviceLostError(f"a transfer of {size} bytes failed ({error}): {LOST}") from error


class Scheduler:
    """Starts runs and collects completions, under a lock: PYNQ keeps both in one unlocked list.

    Parameters
    ----------
    pynq_device: PYNQ's object for the card.
    """

    def __init__(self, pynq_device: Any) -> None:
        self._device = pynq_device
        self._xrt = importlib.import_module("pynq._3rdparty.xrt")
        self._lock = threading.Lock()

    def start(self, kernel: Any, arguments: Sequence[Any]) -> Any:
        """Queue a run through the runtime's scheduler, which also acknowledges its completion."""
        with self._lock:
            return kernel.start_ert(*arguments)

    def wait(self, seconds: float) -> None:
        """Wait up to ``seconds`` for a completion."""
        self._xrt.xclExecWait(self._device.handle, round(1000 * seconds))

    def poll(self) -> None:
        """Wait briefly for completions and handle them."""
        if emulated():
            time.sleep(POLL)
        else:
            self.wait(POLL)
        with self._lock:
            self._device._handle_events(0)


class PynqLaunch:
    """A run with its arguments; only samples and stride change between starts."""

    def __init__(self, unit: "PynqUnit", arguments: Arguments) -> None:
        values = {
            "operation": int(arguments.operation),
            "image": _allocated(arguments.image),
            "parameter_bytes": arguments.parameter_bytes,
            "input": _allocated(arguments.input),
            "output": _allocated(arguments.output),
            "extent": len(arguments.input.data),
        }
        self._unit = unit
        self._arguments = [values.get(one.name, 0) for one in ARGUMENTS]
        self._places = [register(name).argument or 0 for name in ("samples", "stride")]
        self._handle: Any = None

    def start(self, samples: int, stride: int = 0) -> None:
        """Queue the run."""
        for place, value in zip(self._places, (samples, stride), strict=True):
            self._arguments[place] = value
        try:
            self._handle = self._unit.scheduler.start(self._unit.kernel, self._arguments)
        except RuntimeError as error:
            raise DeviceLostError(f"{self._unit.name} does not start ({error}): {LOST}") from error

    def wait(self, seconds: float) -> bool:
        """Whether the run has ended; waits up to about ``seconds``. Raises DeviceLostError."""
        deadline = time.monotonic() + seconds
        while self._handle is not None and not self._handle.done:
            self._unit.scheduler.poll()
            if time.monotonic() > deadline and not self._handle.done:
                return False
        error = None if self._handle is None else self._handle._future.exception()
        if error is not None:
            raise DeviceLostError(f"{self._unit.name}: {error}: {LOST}")
        return True

    def free(self) -> None:
        """Do nothing: there is nothing to free."""


def _allocated(buffer: Buffer) -> Any:
    if not isinstance(buffer, PynqBuffer):
        raise TypeError(f"{type(buffer).__name__} is memory of another device")
    return buffer.allocated


class PynqUnit:
    """A compute unit.

    Parameters
    ----------
    name: of the unit.
    kernel: PYNQ's driver for it.
    memory: PYNQ's driver for the bank that it is connected to.
    scheduler: of the card.
    """

    def __init__(self, name: str, kernel: Any, memory: Any, scheduler: Scheduler) -> None:
        self.name, self.kernel, self.scheduler = name, kernel, scheduler
        self._memory, self._reading = memory, threading.Lock()

    def allocate(self, size: int) -> PynqBuffer:
        """Allocate memory in the bank that the unit is connected to."""
        return PynqBuffer(self._memory, size)

    def prepare(self, arguments: Arguments) -> PynqLaunch:
        """Make a run that can be started."""
        return PynqLaunch(self, arguments)

    @property
    def counted(self) -> frozenset[str]:
        """All registers."""
        return EVERY_VALUE

    def read(self, one: Register) -> int:
        """Value of a register, read word by word."""
        with self._reading:
            return read_words(one, lambda offset: int(self.kernel.read(offset)))


class PynqDevice:
    """A card with one of our bitstreams, as a PYNQ overlay.

    Parameters
    ----------
    index: of the card, as PYNQ counts them.
    bitstream: to load into it.

    Raises
    ------
    MissingRuntimeError: PYNQ or XRT is not installed.
    NoCardError: there is no such card.
    DeviceBusyError: another device of this process is using the card.
    WrongPlatformError: the bitstream is for another platform than the card's.
    DeviceError: the bitstream cannot be loaded.
    """

    def __init__(self, index: int, bitstream: Bitstream) -> None:
        self.name = f"pynq:{index}"
        self.timeout = EMULATION_TIMEOUT if emulated() else CARD_TIMEOUT
        self.address: str | None = None
        with _quiet():
            pynq = _import_pynq()
            devices = pynq.Device.devices
        if index >= len(devices):
            raise NoCardError(
                f"no card {index}, PYNQ finds {len(devices)}; `twofold devices` lists what there is"
            )
        self._card = devices[index]
        self._units: list[PynqUnit] = []
        claim(index)
        self._held: int | None = index
        try:
            with _quiet():
                self._load(pynq, bitstream)
        except BaseException as error:
            self.close()
            if not isinstance(error, RuntimeError):
                raise
            raise DeviceError(
                f"{self.name} does not take {bitstream.path} ({error}); is another process using "
                "the card?"
            ) from error

    def _load(self, pynq: Any, bitstream: Bitstream) -> None:
        if not self._card.handle:
            self._card._get_handle()
        self.address = pci_address(self._card.handle)
        check_platform(self.address, bitstream.xclbin.platform)
        scheduler = Scheduler(self._card)
        if emulated():
            # Emulation sleeps for ten seconds in a process's first wait; use up that wait here.
            scheduler.wait(0)
        self._overlay = pynq.Overlay(str(bitstream.path), device=self._card)
        banks = _banks(bitstream)
        for name in bitstream.units:
            memory = self._card.get_memory_by_idx(banks[name])
            self._units.append(PynqUnit(name, getattr(self._overlay, name), memory, scheduler))

    @property
    def units(self) -> Sequence[PynqUnit]:
        """Our compute units."""
        return tuple(self._units)

    def close(self) -> None:
        """Release the card; idempotent."""
        held, self._held = self._held, None
        if held is None:
            return
        if self._card.handle:
            self._card.free_bitstream()
            self._card.close()
        release(held)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the deprecation warnings of PYNQ and what it imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _banks(bitstream: Bitstream) -> dict[str, int]:
    """Memory bank of each of our units."""
    found, argument = bitstream.xclbin, register("input").argument
    return {
        found.units[one.unit].name: one.memory
        for one in found.connections
        if one.argument == argument and found.units[one.unit].kernel == KERNEL_NAME
    }


def _import_pynq() -> Any:
    find_root()
    try:
        return importlib.import_module("pynq")
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            f"the Python package {error.name!r} is missing; "
            "`pip install pynq==3.0.1 'pycparser<3'`, or use --device xrt"
        ) from error
    except OSError as error:
        raise MissingRuntimeError(f"XRT does not load: {error}; {ADVICE}") from error


def open_pynq(index: int, path: Path) -> PynqDevice:
    """Open card ``index`` with the bitstream at ``path``. Raises ParameterError or DeviceError."""
    return PynqDevice(index, read_bitstream(path))

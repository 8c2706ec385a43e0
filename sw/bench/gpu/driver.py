"""NVIDIA's driver: which GPUs there are, and page-locked memory; needs no package."""

import ctypes
import weakref
from typing import Any

import numpy as np

LIBRARY = "libcuda.so.1"
PORTABLE = 1
"""Flag of memory that is page-locked for every library of the process."""
NAME_BYTES = 256


class Driver:
    """The driver of a computer with at least one GPU; the first one is used.

    Parameters
    ----------
    library: the driver's C interface, initialised.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    @property
    def cards(self) -> list[str]:
        """Name of every GPU, as the runtime libraries report it too."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        names = []
        for number in range(count.value):
            name = ctypes.create_string_buffer(NAME_BYTES)
            self._call("cuDeviceGetName", name, NAME_BYTES, number)
            names.append(name.value.decode(errors="replace"))
        return names

    @property
    def cuda(self) -> str:
        """Latest version of CUDA that the driver supports, as in ``13.0``."""
        version = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def page_locked(self, array: np.ndarray) -> np.ndarray:
        """A copy of ``array`` in page-locked memory of the host. Raises OSError."""
        context, address = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self._call("cuCtxSetCurrent", context)
        size = ctypes.c_size_t(array.nbytes)
        self._call("cuMemHostAlloc", ctypes.byref(address), size, PORTABLE)
        memory = (ctypes.c_char * array.nbytes).from_address(address.value or 0)
        # At exit, the driver frees everything itself.
        weakref.finalize(memory, self._library.cuMemFreeHost, address).atexit = False
        found = np.ndarray(array.shape, array.dtype, buffer=memoryview(memory))
        found[...] = array
        return found

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise OSError(f"{name} of NVIDIA's driver fails with code {code}")


def driver(library: str = LIBRARY) -> Driver | None:
    """The driver; None where there is none, or no GPU."""
    try:
        found = ctypes.CDLL(library)
    except OSError:
        return None
    return started(found)


def started(library: Any) -> Driver | None:
    """The driver behind a C interface; None if it does not start or there is no GPU."""
    if library.cuInit(0):
        return None
    found = Driver(library)
    return found if found.cards else None

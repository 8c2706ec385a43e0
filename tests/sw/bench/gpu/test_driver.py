"""NVIDIA's driver, played: what is asked of it, and what follows from its answers."""

import ctypes
import re
from typing import Any

import numpy as np
import pytest

from twofold.sw.bench.gpu.driver import PORTABLE, driver, started


class Played:
    """The C interface of a driver with these GPUs; ``fails`` names a call that does not work."""

    def __init__(self, *cards: str, fails: str = "") -> None:
        self.cards, self.fails = cards, fails
        self.held: dict[int, Any] = {}
        self.current = None

    def __getattr__(self, name: str) -> Any:
        """``cuMemHostAlloc`` is `mem_host_alloc`."""
        if not name.startswith("cu"):
            raise AttributeError(name)
        return getattr(self, re.sub(r"(?<=.)([A-Z])", r"_\1", name[2:]).lower())

    def init(self, _: int) -> int:
        return 100 if self.fails == "cuInit" else 0

    def device_get_count(self, count: Any) -> int:
        count._obj.value = len(self.cards)
        return 0

    def device_get_name(self, name: Any, size: int, number: int) -> int:
        name.value = self.cards[number].encode()[: size - 1]
        return 0

    def driver_get_version(self, version: Any) -> int:
        version._obj.value = 12080
        return 0

    def device_primary_ctx_retain(self, context: Any, number: int) -> int:
        assert number == 0
        context._obj.value = 7
        return 0

    def ctx_set_current(self, context: Any) -> int:
        self.current = context.value
        return 0

    def mem_host_alloc(self, address: Any, size: Any, flags: int) -> int:
        assert (self.current, flags) == (7, PORTABLE)
        if self.fails == "cuMemHostAlloc":
            return 2
        memory = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(memory)
        self.held[address._obj.value] = memory
        return 0

    def mem_free_host(self, address: Any) -> int:
        del self.held[address.value]
        return 0


def test_without_a_driver_or_a_gpu_there_is_none():
    assert driver("libthat-is-not-here.so.1") is None
    assert started(Played()) is None
    assert started(Played("A", fails="cuInit")) is None


def test_cards_and_version():
    found = started(Played("First & Best", "Second"))
    assert found is not None
    assert found.cards == ["First & Best", "Second"]
    assert found.cuda == "12.8"


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float32])
def test_page_locked_copies_live_as_long_as_they_are_used(kind: type):
    library = Played("A")
    found = started(library)
    assert found is not None
    array = np.arange(24).astype(kind).reshape(2, 3, 4)
    copy = found.page_locked(array)
    assert (copy.dtype, copy.shape, copy.ctypes.data) == (kind, (2, 3, 4), next(iter(library.held)))
    assert np.array_equal(copy, array)
    copy[0] = 0
    assert array[0].any()
    part = copy[1]
    del copy
    assert len(library.held) == 1
    assert np.array_equal(part, array[1])
    del part
    assert library.held == {}


def test_failing_calls_are_named():
    found = started(Played("A", fails="cuMemHostAlloc"))
    assert found is not None
    with pytest.raises(OSError, match="cuMemHostAlloc of NVIDIA's driver fails with code 2"):
        found.page_locked(np.zeros(4))

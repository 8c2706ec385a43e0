"""The compiled half of the engine, through ctypes; `layer.hpp` and `engine.cpp` are the other side.

It is built when the project is installed; without a compiler, installation succeeds and the first
use raises ToolError.
"""

import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from twofold.hw.contract.errors import ToolError

ISAS = ("portable", "avx2", "avx512", "amx")
"""Instruction sets in the order of `twofold::Isa`, slowest first."""

_INTEGERS = (
    "linear", "in_channels", "in_rows", "in_cols", "kernels", "kernel_rows", "kernel_cols",
    "stride_rows", "stride_cols", "top", "left", "bottom", "right", "pool_rows", "pool_cols",
    "pooling", "winners", "shift", "last", "narrow", "most_active", "sets", "zero",
    "source", "other",
)  # fmt: skip


FIELDS = (
    *((name, ctypes.c_int32) for name in _INTEGERS),
    *((name, ctypes.c_void_p) for name in ("weight", "add", "mul")),
)


class LayerDescription(ctypes.Structure):
    """`twofold::LayerDescription`; the arrays are copied when an engine is created."""

    _fields_ = FIELDS


def layout() -> str:
    """What both sides must agree on, in the format of ``twofold_cpu_layout``."""
    fields = [f"{name}:{getattr(LayerDescription, name).offset}" for name, _ in FIELDS]
    return ",".join([*fields, f"size:{ctypes.sizeof(LayerDescription)};"]) + ",".join(ISAS)


_SIGNATURES = {
    "twofold_cpu_layout": (ctypes.c_char_p, []),
    "twofold_cpu_isas": (ctypes.c_char_p, []),
    "twofold_cpu_create": (
        ctypes.c_void_p,
        [ctypes.POINTER(LayerDescription), *[ctypes.c_int] * 3],
    ),
    "twofold_cpu_destroy": (None, [ctypes.c_void_p]),
    "twofold_cpu_infer": (
        None,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "twofold_cpu_time_layers": (None, [ctypes.c_void_p, ctypes.c_int]),
    "twofold_cpu_nanoseconds": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int]),
    "twofold_cpu_kernel": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int]),
}


@cache
def library() -> ctypes.CDLL:
    """The shared library, loaded once. Raises ToolError if it is missing or does not load."""
    folder = Path(__file__).parent
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"_engine{suffix}"
        if path.exists():
            return _declared(path)
    raise ToolError(
        f"the CPU engine is not built in {folder}: install a C++17 compiler (g++ or clang++), "
        "then run `pip install -e .` again"
    )


def available_isas() -> tuple[str, ...]:
    """Instruction sets that this CPU can run, slowest first. Raises ToolError."""
    names: bytes = library().twofold_cpu_isas()
    return tuple(names.decode().split(","))


def _declared(path: Path) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ToolError(
            f"the CPU engine {path.name} does not load ({error}); run `pip install -e .` again"
        ) from error
    if loaded.twofold_cpu_layout().decode() != layout():
        raise ToolError(
            f"the CPU engine {path.name} was built from other sources than this Python code; "
            "run `pip install -e .` again"
        )
    return loaded

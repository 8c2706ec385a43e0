"""Arrays in files: ``.npy``, and ``.npz`` with members ``x`` and, for labels, ``y``.

Arrays are integers from 0 to 255 in one of these shapes, for a network that takes ``[c, h, w]``:

- ``[n, c, h, w]``, or ``[c, h, w]`` for one sample;
- ``[n, c * h * w]``, or ``[c * h * w]`` for one sample: channels, rows and columns in this order;
- if c is 1 also ``[n, h, w]``, or ``[h, w]`` for one sample.

If two of these match the same array, they mean the same samples. Signed bytes (``int8``) are
accepted for a model that took them before it was imported; 128 is added to get the machine's bytes.

Files are untrusted input: headers are checked before memory is allocated, and nothing is ever
unpickled.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.arrays import array_header
from twofold.sw.artefacts.regular import read_regular
from twofold.sw.errors import InputError

SUFFIXES = (".npy", ".npz")
BYTES_MAX = 1 << 29
"""Maximum bytes of a file, and of an array in it."""
SAMPLES_MAX = 1 << 20
MEMBERS_MAX = 1 << 10

Array = NDArray[Any]
_Result = TypeVar("_Result")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
    struct.error,
)


def read_array(network: QuantizedNetwork, path: Path) -> NDArray[np.uint8]:
    """Samples uint8 [n, c, h, w] of a file. Raises InputError."""
    return as_samples(network, load(path)[0], str(path))


def load(path: Path) -> tuple[Array, Array | None]:
    """The array in a ``.npy`` file, or ``x`` (or the only array) and ``y`` of a ``.npz`` file.

    Raises InputError.
    """
    content = read_regular(path, BYTES_MAX, InputError)
    if path.suffix.lower() == ".npz":
        return _sound(path, lambda: _members(path, content))
    return _sound(path, lambda: _parsed(content, str(path))), None


def as_samples(network: QuantizedNetwork, array: Array, what: str) -> NDArray[np.uint8]:
    """``array`` as samples uint8 [n, c, h, w] for ``network``; ``what`` names it in messages.

    Raises InputError for other shapes, other types, and values that are not bytes.
    """
    shape = network.network.input_shape
    samples = _arranged(array, shape)
    if samples is None:
        raise InputError(f"{what}: {_shapes(array, shape, network.network.name)}")
    if not 0 < len(samples) <= SAMPLES_MAX:
        raise InputError(f"{what}: holds {len(samples)} samples, needs 1..{SAMPLES_MAX}")
    return np.ascontiguousarray(_as_bytes(network, samples, what))


def _sound(path: Path, parse: Callable[[], _Result]) -> _Result:
    try:
        return parse()
    except _DAMAGE as error:
        text = str(error).splitlines()
        raise InputError(
            f"{path}: is not an intact {path.suffix} file ({type(error).__name__}"
            f"{': ' + text[0][:200] if text else ''}); save it again with NumPy"
        ) from error


def _members(path: Path, content: bytes) -> tuple[Array, Array | None]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if len(names) > MEMBERS_MAX:
            raise InputError(f"{path}: {len(names)} arrays, needs x, and y for labels")
        arrays = [name for name in names if name.endswith(".npy")]
        wanted = "x.npy" if "x.npy" in arrays else arrays[0] if len(arrays) == 1 else None
        if wanted is None:
            found = ", ".join(name.removesuffix(".npy") for name in arrays[:10]) or "none"
            raise InputError(f"{path}: its arrays are {found}, needs x, and y for labels")
        x = _member(path, archive, wanted)
        y = _member(path, archive, "y.npy") if "y.npy" in arrays and wanted != "y.npy" else None
    return x, y


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{path}: {name} is compressed by method {info.compress_type}, not read")
    if info.file_size > BYTES_MAX:
        raise InputError(f"{path}: {name} has {info.file_size} bytes, at most {BYTES_MAX}")
    with archive.open(info) as file:
        return _parsed(file.read(BYTES_MAX + 1), f"{path}: {name.removesuffix('.npy')}")


def _parsed(content: bytes, what: str) -> Array:
    """Parse an array in the format of `numpy.save`; truncated or trailing data is refused."""
    file = io.BytesIO(content)
    version, found = array_header(file)
    if found is None:
        raise InputError(f"{what}: version {version} of the format is for arrays with fields")
    shape, fortran, dtype = found
    if dtype.hasobject or dtype.fields is not None or dtype.itemsize == 0:
        raise InputError(f"{what}: holds {_kind(dtype)}, needs integers from 0 to 255")
    if min(shape, default=1) < 0:
        raise InputError(f"{what}: a shape of {shape}")
    size, there = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if size != there:
        raise InputError(f"{what}: {there} bytes for an array of {size}; save it again with NumPy")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.hasobject:
        return "Python objects"
    return "records" if dtype.fields is not None else str(dtype)


def _arranged(array: Array, shape: tuple[int, int, int]) -> Array | None:
    """``array`` as [n, c, h, w]; None if its shape is not listed in the module docstring."""
    one = (shape, (math.prod(shape),), *((shape[1:],) if shape[0] == 1 else ()))
    if array.shape in one:
        return array.reshape(1, *shape)
    if array.shape[1:] in one and array.ndim > 1:
        return array.reshape(len(array), *shape)
    return None


def _shapes(array: Array, shape: tuple[int, int, int], name: str) -> str:
    """Why a shape is refused, and which shapes are accepted."""
    flat = math.prod(shape)
    text = (
        f"shape is {list(array.shape)}, {name} takes [n, {', '.join(map(str, shape))}] "
        f"or [n, {flat}]"
    )
    last = (*shape[1:], shape[0])
    if shape[0] > 1 and array.shape[1:] == last:
        text += "; channels come first: x.transpose(0, 3, 1, 2)"
    return text


def _as_bytes(network: QuantizedNetwork, samples: Array, what: str) -> NDArray[np.uint8]:
    dtype, name = samples.dtype, network.network.name
    if dtype == np.uint8:
        return samples
    signed = network.input.get("dtype") == "int8"
    if signed and dtype == np.int8:
        return (samples.astype(np.int16) + 128).astype(np.uint8)
    if signed:
        raise InputError(
            f"{what}: holds {dtype}, {name} takes int8 (or uint8, which is 128 above it)"
        )
    if dtype.kind == "f":
        raise InputError(f"{what}: holds {dtype}, {name} takes bytes; {_recipe(network)}")
    if dtype.kind not in "iu":
        raise InputError(f"{what}: holds {dtype}, {name} takes integers from 0 to 255")
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > 255:
        raise InputError(f"{what}: values are {low}..{high}, {name} takes integers from 0 to 255")
    return samples.astype(np.uint8)


def _recipe(network: QuantizedNetwork) -> str:
    """How to convert real values to bytes, for an error message."""
    scale = network.input.get("scale")
    if scale is None:
        return "quantize them as those the network was trained on"
    zero = network.network.zero_point
    return f"quantize them: np.clip(np.rint(x / {scale!r}) + {zero}, 0, 255).astype(np.uint8)"

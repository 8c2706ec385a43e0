"""Container of arrays: an ``.npz`` file with a JSON header.

Files are written atomically and read as untrusted input.

The file is an ordinary zip archive that `numpy.load` can also open. Its first member,
``header.json``, holds the format, its version, a SHA-256 over header and arrays, and any fields of
the format; every other member is one array. The same content always gives the same bytes.
"""

import hashlib
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.errors import FileError
from twofold.hw.contract.files import read_bytes, write_bytes
from twofold.sw.artefacts.arrays import array_header
from twofold.sw.errors import ArtefactError

FILE_BYTES_MAX = 1 << 27
ARRAY_BYTES_MAX = 1 << 28
HEADER_BYTES_MAX = 1 << 20
ARRAY_HEADER_BYTES_MAX = 1 << 12

_HEADER = "header.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class ArraySpec:
    """What an array of a container must be: little-endian ``dtype`` (``int8``, ...) and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Element type, little-endian."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def nbytes(self) -> int:
        """Size of the array's data in bytes."""
        return math.prod(self.shape) * self.numpy_dtype.itemsize


Specs = Mapping[str, ArraySpec]


def write(
    path: Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, version: int
) -> None:
    """Write a container of format ``header["format"]`` and this ``version``.

    Raises ArtefactError if the header is not plain JSON or the file cannot be written.
    """
    try:
        full = {**header, "version": version}
        full["sha256"] = _digest(full, arrays)
        text = json.dumps(full, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"{path}: header is not plain JSON: {error}") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_member(_HEADER), text)
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, _plain(array), version=(1, 0), allow_pickle=False)
            archive.writestr(_member(f"{name}.npy"), content.getvalue())
    try:
        write_bytes(path, buffer.getvalue())
    except FileError as error:
        raise ArtefactError(str(error)) from error


def read(
    path: Path, kind: str, version: int, expect: Callable[[dict[str, Any]], Specs]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read header and arrays of a container of format ``kind``; the file is untrusted input.

    ``expect`` derives from the header which arrays there must be; sizes, names and types are
    checked against it before any data is unpacked. Nothing is ever unpickled.
    Raises ArtefactError, naming the file and the rule it breaks.
    """
    try:
        content = read_bytes(path, FILE_BYTES_MAX)
    except FileError as error:
        raise ArtefactError(str(error)) from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = _read_header(archive, kind, version)
            specs = expect(header)
            _check_members(archive, specs)
            arrays = {name: _read_array(archive, name, spec) for name, spec in specs.items()}
        claimed = header.pop("sha256", None)
        _require(claimed == _digest(header, arrays), "checksum does not match its content")
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise ArtefactError(
            f"{path}: is not an intact artefact ({type(error).__name__}: {error}); export it again"
        ) from error
    return header, arrays


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ArtefactError(message)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _plain(array: np.ndarray) -> np.ndarray:
    """C-ordered and little-endian, so that equal arrays have equal bytes."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _digest(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(
        json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    )
    for name in sorted(arrays):
        array = _plain(arrays[name])
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _unpack(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    _require(info.file_size <= limit, f"{name} has {info.file_size} bytes, at most {limit}")
    _require(
        info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        f"{name} is compressed by method {info.compress_type}, only deflate is read",
    )
    with archive.open(info) as file:
        return file.read(limit + 1)


def _read_header(archive: zipfile.ZipFile, kind: str, version: int) -> dict[str, Any]:
    _require(_HEADER in archive.namelist(), f"has no {_HEADER}; is it an artefact of Twofold?")
    header = json.loads(_unpack(archive, _HEADER, HEADER_BYTES_MAX))
    _require(isinstance(header, dict), f"{_HEADER} is not an object")
    _require(header.get("format") == kind, f"format is {header.get('format')!r}, needs {kind!r}")
    _require(
        header.get("version") == version,
        f"format version is {header.get('version')!r}, this program reads {version}",
    )
    return header


def _check_members(archive: zipfile.ZipFile, specs: Specs) -> None:
    found = sorted(archive.namelist())
    expected = sorted([_HEADER, *(f"{name}.npy" for name in specs)])
    _require(found == expected, f"members are {', '.join(found)}, needs {', '.join(expected)}")
    total = sum(spec.nbytes for spec in specs.values())
    _require(total <= ARRAY_BYTES_MAX, f"arrays take {total} bytes, at most {ARRAY_BYTES_MAX}")


def _read_array(archive: zipfile.ZipFile, name: str, spec: ArraySpec) -> np.ndarray:
    content = io.BytesIO(_unpack(archive, f"{name}.npy", spec.nbytes + ARRAY_HEADER_BYTES_MAX))
    version, found = array_header(content)
    if version != (1, 0) or found is None:
        raise ArtefactError(f"{name}: array format {version}, needs (1, 0)")
    shape, fortran, dtype = found
    _require(
        (shape, dtype, fortran) == (spec.shape, spec.numpy_dtype, False),
        f"{name} is {dtype}{list(shape)}, needs {spec.dtype}{list(spec.shape)} in C order",
    )
    data = content.read()
    _require(len(data) == spec.nbytes, f"{name} has {len(data)} bytes, needs {spec.nbytes}")
    return np.frombuffer(data, dtype=spec.numpy_dtype).reshape(spec.shape).copy()

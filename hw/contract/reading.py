"""Networks read back from JSON, which is untrusted."""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twofold.hw.contract.errors import FileError, NetworkError
from twofold.hw.contract.files import reading
from twofold.hw.contract.network import (
    Complementary,
    Conv2d,
    Dense,
    Linear,
    Network,
    Shape,
    Taps,
)

_KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (Conv2d, Linear, Dense, Taps, Complementary)
}


def network_from_json(tree: Any) -> Network:
    """Read back what `Network.to_json` wrote; the source is untrusted.

    Raises NetworkError when a field is missing, unknown or of the wrong type, and for impossible
    networks.
    """
    try:
        layers = tuple(_object(item, (Conv2d, Linear)) for item in tree["layers"])
        return Network(
            name=_typed(tree["name"], str),
            input_shape=_shape(tree["input_shape"]),
            layers=layers,
            labels=tuple(_typed(label, str) for label in tree["labels"]),
            zero_point=_typed(tree["zero_point"], int),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(f"network description: {type(error).__name__}: {error}") from error


HEADER = "header.json"
HEADER_MAX = 1 << 20
"""Bytes of an artefact's header at most."""


def network_of_file(path: Path) -> Network:
    """Shape of the network in an artefact (.npz), of which nothing but the header is read.

    Raises NetworkError when the file cannot be read, is no artefact, or its network is impossible.
    """
    try:
        with reading(path) as file, zipfile.ZipFile(file) as archive:
            size = archive.getinfo(HEADER).file_size
            if size > HEADER_MAX:
                raise NetworkError(f"{path}: header of {size} bytes, at most {HEADER_MAX}")
            with archive.open(HEADER) as header:
                tree = json.loads(header.read(HEADER_MAX).decode())
        return network_from_json(tree["network"])
    except FileError as error:
        raise NetworkError(str(error)) from error
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    except (
        OSError, KeyError, TypeError, ValueError, EOFError, RecursionError, NotImplementedError,
        RuntimeError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise NetworkError(
            f"{path}: no network in it ({type(error).__name__}: {error}); give an .npz artefact"
        ) from error


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value


def _integers(values: Any) -> tuple[int, ...]:
    return tuple(_typed(value, int) for value in values)


def _shape(values: Any) -> Shape:
    channels, height, width = _integers(values)
    return channels, height, width


def _optional_integer(value: Any) -> int | None:
    return None if value is None else _typed(value, int)


_READERS: dict[str, Callable[[Any], Any]] = {
    "kernel": _integers,
    "counts": _integers,
    "k": _optional_integer,
    "fan_in": _optional_integer,
    "multiplier": lambda value: _typed(value, bool),
    "sparsity": lambda value: _object(value, (Dense, Taps, Complementary)),
}
"""Readers of the fields that are not plain integers."""


def _object(tree: dict[str, Any], kinds: tuple[type, ...]) -> Any:
    fields = dict(tree)
    kind = _KINDS[fields.pop("kind")]
    if kind not in kinds:
        raise TypeError(f"{kind.__name__} does not belong here")
    for key, value in fields.items():
        try:
            reader = _READERS.get(key)
            fields[key] = _typed(value, int) if reader is None else reader(value)
        except TypeError as error:
            raise TypeError(f"{key}: {error}") from error
    return kind(**fields)

"""Networks read back from JSON, as untrusted input."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from twofold.hw.contract.errors import FileError, NetworkError
from twofold.hw.contract.files import reading
from twofold.hw.contract.layers import LAYERS
from twofold.hw.contract.layers.description import integer, integers, kind_of, typed
from twofold.hw.contract.network import Network, Shape


def network_from_json(tree: Any) -> Network:
    """Read back what `Network.to_json` wrote; untrusted input.

    Raises NetworkError if a field is missing, unknown or of the wrong type, or the network is
    invalid.
    """
    try:
        layers = tuple(kind_of(item, LAYERS) for item in tree["layers"])
        return Network(
            name=typed(tree["name"], str),
            input_shape=_shape(tree["input_shape"]),
            layers=layers,
            labels=tuple(typed(label, str) for label in tree["labels"]),
            zero_point=integer(tree["zero_point"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(f"network description: {type(error).__name__}: {error}") from error


HEADER = "header.json"
HEADER_MAX = 1 << 20
"""Maximum size of an artefact's header in bytes."""


def network_of_file(path: Path) -> Network:
    """Description of the network in an artefact (.npz); only the header is read.

    Raises NetworkError if the file cannot be read or is not an artefact, or its network is invalid.
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


def _shape(values: Any) -> Shape:
    channels, height, width = integers(values)
    return channels, height, width

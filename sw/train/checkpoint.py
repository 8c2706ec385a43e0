"""Checkpoints: trees of tensors and numbers in one ``.npz`` file, complete or absent."""

import io
import json
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.hw.contract.files import reading, write_bytes
from twofold.sw.errors import ArtefactError

_HEADER = "header"
_TENSOR = "tensor:"
DAMAGE = (
    OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, OverflowError, SyntaxError,
    AttributeError, MemoryError, zipfile.BadZipFile, zlib.error, struct.error,
    tokenize.TokenError,
)  # fmt: skip
"""What NumPy and the archive make of a damaged file."""


def save(path: Path, tree: dict[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors and JSON values to ``path``, atomically."""
    tensors: dict[str, np.ndarray] = {}
    header = json.dumps(_strip(tree, tensors)).encode()
    file = io.BytesIO()  # an archive that cannot be written would complain once more as it goes
    np.savez(file, **{_HEADER: np.frombuffer(header, np.uint8)}, **tensors)
    write_bytes(path, file.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote. Raises FileError, and ArtefactError when the file is damaged."""
    with reading(path) as raw:
        try:
            with zipfile.ZipFile(raw) as archive:
                _check(archive)
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                return _fill(json.loads(file[_HEADER].tobytes()), file)
        except DAMAGE as error:
            reason = str(error)[:200] or type(error).__name__
            raise ArtefactError(f"{path}: damaged checkpoint ({reason}); delete it") from error


def _check(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for members that `save` does not write; none is larger than the file."""
    if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
        raise ValueError("its members are compressed")


def _strip(node: Any, tensors: dict[str, np.ndarray]) -> Any:
    if isinstance(node, torch.Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = node.detach().cpu().numpy()
        return _TENSOR + name
    if isinstance(node, dict):
        return {str(key): _strip(value, tensors) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_strip(value, tensors) for value in node]
    return node


def _fill(node: Any, file: Any) -> Any:
    if isinstance(node, str) and node.startswith(_TENSOR):
        return torch.from_numpy(file[node.removeprefix(_TENSOR)])
    if isinstance(node, dict):
        return {key: _fill(value, file) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(value, file) for value in node]
    return node

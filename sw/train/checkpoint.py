"""Checkpoints: trees of tensors and numbers in one ``.npz`` file, complete or absent."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.hw.contract.files import reading, writing
from twofold.sw.errors import ArtefactError

_HEADER = "header"
_TENSOR = "tensor:"


def save(path: Path, tree: dict[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors and JSON values to ``path``, atomically."""
    tensors: dict[str, np.ndarray] = {}
    header = json.dumps(_strip(tree, tensors)).encode()
    with writing(path) as file:
        np.savez(file, **{_HEADER: np.frombuffer(header, np.uint8)}, **tensors)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote. Raises ArtefactError when the file is damaged."""
    try:
        with reading(path) as raw, np.load(raw, allow_pickle=False) as file:
            tree = json.loads(file[_HEADER].tobytes())
            return _fill(tree, file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"{path}: damaged checkpoint ({error}); delete it") from error


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

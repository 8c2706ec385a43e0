"""Sparse-sparse neural network inference: train, pack, simulate, build, run.

The names below are the package's public API; everything else may move between releases. They are
loaded on first use, so that ``import twofold`` is quick and needs no extras.

- `Accelerator`: a network on one or more devices; `Batch`, `Ticket`: its calls in flight.
- `QuantizedNetwork`, `QuantizedLayer`: a network in integers, and the file that holds it.
- `Network`, `Conv2d`, `Linear`: description of a network; `Dense`, `Taps`, `Complementary`,
  `Grouped`: of the weights of a layer.
- `Folding`, `GatherFolding`, `ScatterFolding`, `VectorFolding`: how much hardware each layer gets.
- `CpuEngine`: the same network on this CPU.
- `train`: a PyTorch module, or another network, on data of your own; made sparse, in integers.
- `TwofoldError`: base class of every error that a user can act on.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twofold.hw.contract.errors import TwofoldError
    from twofold.hw.contract.folding import (
        Folding,
        GatherFolding,
        ScatterFolding,
        VectorFolding,
    )
    from twofold.hw.contract.network import (
        Complementary,
        Conv2d,
        Dense,
        Grouped,
        Linear,
        Network,
        Taps,
    )
    from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
    from twofold.sw.cpu import CpuEngine
    from twofold.sw.driver import Accelerator, Batch, Device, Ticket
    from twofold.sw.train.public import train

    __version__: str

_ROOMS = {
    "twofold.hw.contract.errors": ("TwofoldError",),
    "twofold.hw.contract.folding": (
        "Folding", "GatherFolding", "ScatterFolding", "VectorFolding",
    ),
    "twofold.hw.contract.network": (
        "Complementary", "Conv2d", "Dense", "Grouped", "Linear", "Network", "Taps",
    ),
    "twofold.sw.artefacts": ("QuantizedLayer", "QuantizedNetwork"),
    "twofold.sw.cpu": ("CpuEngine",),
    "twofold.sw.driver": ("Accelerator", "Batch", "Device", "Ticket"),
    "twofold.sw.train.public": ("train",),
}  # fmt: skip
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("twofold")
    except PackageNotFoundError:  # running from a source tree that is not installed
        return "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    return getattr(import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOM_OF})


__all__ = [
    "Accelerator", "Batch", "Complementary", "Conv2d", "CpuEngine", "Dense", "Device", "Folding",
    "GatherFolding", "Grouped", "Linear", "Network", "QuantizedLayer", "QuantizedNetwork",
    "ScatterFolding", "Taps", "Ticket", "TwofoldError", "VectorFolding", "__version__",
    "train",
]  # fmt: skip

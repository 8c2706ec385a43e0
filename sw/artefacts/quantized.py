"""The quantized network: everything needed for inference, as integers, in one file."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.arith import MUL_BITS, SHIFT_MAX
from twofold.hw.contract.cache import digest
from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import (
    Complementary,
    Dense,
    Grouped,
    Network,
    Sparsity,
    Stage,
    Taps,
)
from twofold.hw.contract.notebook import STRUCTURE, chain, page, structure
from twofold.hw.contract.reading import network_from_json
from twofold.sw.artefacts.container import ArraySpec, read, write
from twofold.sw.artefacts.decision import Decision
from twofold.sw.artefacts.input import ARRAY, check_input, input_of_older_file
from twofold.sw.errors import ArtefactError

FORMAT = "twofold.quantized"
VERSION = 1
MUL_MAX = (1 << MUL_BITS) - 1


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """Integers of one layer, in the canonical kernel order of `twofold.hw.contract.network`.

    Parameters
    ----------
    weight: int8; ``[out, in, kernel height, kernel width]`` for a convolution, ``[out, in]`` for a
        linear layer, whose inputs are flattened in the order channel, row, column.
    add: int32 ``[out]``; the bias plus half a step of requantisation (``1 << (shift - 1)``), or the
        bias alone for the last layer. The first layer's also accounts for the input's zero point.
    shift: right shift of requantisation, 0..31; 0 for the last layer.
    mul: uint16 ``[out]``, 0..32767, for a layer with a multiplier; otherwise None.
    """

    weight: np.ndarray
    add: np.ndarray
    shift: int
    mul: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network with its integers.

    Parameters
    ----------
    network: shapes, sparsity structure and winners.
    layers: one entry per layer.
    logit_scale: probabilities are ``softmax(logits * logit_scale)``; finite, > 0.
    provenance: where the integers come from; plain JSON values.
    input: what the input is, as `twofold.sw.artefacts.input` describes it.

    Raises
    ------
    ArtefactError: the integers do not fit the network; names the layer, the value and the rule.
    """

    network: Network
    layers: tuple[QuantizedLayer, ...]
    logit_scale: float
    provenance: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=lambda: dict(ARRAY))

    def __post_init__(self) -> None:
        self.validate()

    def __repr__(self) -> str:
        weights = sum(int(np.count_nonzero(layer.weight)) for layer in self.layers)
        return (
            f"<QuantizedNetwork {self.network.name}: {len(self.layers)} layers, {weights:,} "
            "weights>"
        )

    def _repr_html_(self) -> str:
        rows = (
            [*structure(stage), f"{np.count_nonzero(layer.weight):,} of {layer.weight.size:,}"]
            for stage, layer in zip(self.network.stages, self.layers, strict=True)
        )
        headings = (*STRUCTURE, "not zero")
        return page(repr(self)[1:-1], chain(self.network), headings, rows)

    def validate(self) -> None:
        """Check every array against the network; also done on construction."""
        stages = self.network.stages
        _require(
            len(self.layers) == len(stages),
            f"network: {len(self.layers)} layers of integers for {len(stages)} layers",
        )
        _require(
            isinstance(self.logit_scale, float) and 0 < self.logit_scale < math.inf,
            f"network: logit_scale is {self.logit_scale!r}, needs a finite number > 0",
        )
        for stage, layer in zip(stages, self.layers, strict=True):
            _check_arrays(stage, layer)
            _check_structure(stage, layer)
        check_input(self.input, self.network)
        try:
            json.dumps(dict(self.provenance), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ArtefactError(f"network: provenance is not plain JSON: {error}") from error

    @property
    def front_end(self) -> str | None:
        """Name of what makes the network's inputs of audio; None where they are something else."""
        return self.input["front_end"] if self.input["kind"] == "audio" else None

    @property
    def decision(self) -> Decision:
        """How its words are found in a stream of audio; the default where the artefact has none."""
        return Decision.from_json(self.input.get("decision", {}))

    def digest(self) -> str:
        """Hash of everything that decides about logits: two networks share it, or differ."""
        told = json.dumps([self.network.to_json(), self.input["kind"], self.front_end])
        parts: list[bytes | str] = [told]
        for layer in self.layers:
            arrays = (layer.weight, layer.add, layer.mul)
            parts += [str(layer.shift), *(b"" if a is None else a.tobytes() for a in arrays)]
        return digest(parts)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax of scaled logits, float64, over the last axis."""
        scaled = np.asarray(logits, dtype=np.float64) * self.logit_scale
        powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file atomically; equal networks give equal bytes.

        Raises ArtefactError if the file cannot be written.
        """
        header = {
            "format": FORMAT,
            "network": self.network.to_json(),
            "shifts": [layer.shift for layer in self.layers],
            "logit_scale": self.logit_scale,
            "provenance": dict(self.provenance),
            "input": dict(self.input),
        }
        arrays = {}
        for stage, layer in zip(self.network.stages, self.layers, strict=True):
            for name in _specs(stage):
                arrays[f"{stage.name}.{name}"] = getattr(layer, name)
        write(Path(path), header, arrays, version=VERSION)

    @staticmethod
    def load(path: str | Path) -> "QuantizedNetwork":
        """Read what `save` wrote; the file is untrusted input. Raises ArtefactError."""
        path = Path(path)
        header, arrays = read(path, FORMAT, VERSION, _expected_arrays)
        try:
            return _build(header, arrays)
        except ArtefactError as error:
            raise ArtefactError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{path}: header: {type(error).__name__}: {error}") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ArtefactError(message)


def _specs(stage: Stage) -> dict[str, ArraySpec]:
    """Arrays of a layer, by field name."""
    kernels = (stage.channels,)
    specs = {"weight": ArraySpec("int8", stage.weight_shape), "add": ArraySpec("int32", kernels)}
    if stage.layer.multiplier:
        specs["mul"] = ArraySpec("uint16", kernels)
    return specs


def _network(header: dict[str, Any]) -> Network:
    try:
        return network_from_json(header["network"])
    except NetworkError as error:
        raise ArtefactError(str(error)) from error


def _expected_arrays(header: dict[str, Any]) -> dict[str, ArraySpec]:
    return {
        f"{stage.name}.{name}": spec
        for stage in _network(header).stages
        for name, spec in _specs(stage).items()
    }


def _build(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> QuantizedNetwork:
    network, provenance = _network(header), header["provenance"]
    _require(isinstance(provenance, dict), "header: provenance is not an object")
    layers = tuple(
        QuantizedLayer(
            weight=arrays[f"{stage.name}.weight"],
            add=arrays[f"{stage.name}.add"],
            shift=shift,
            mul=arrays.get(f"{stage.name}.mul"),
        )
        for stage, shift in zip(network.stages, header["shifts"], strict=True)
    )
    if "input" in header:
        stated = header["input"]
    else:
        stated = input_of_older_file(network, header.get("front_end"))
    return QuantizedNetwork(network, layers, header["logit_scale"], provenance, stated)


def _check_arrays(stage: Stage, layer: QuantizedLayer) -> None:
    name, specs = stage.name, _specs(stage)
    for key in ("weight", "add", "mul"):
        array = getattr(layer, key)
        if key not in specs:
            _require(array is None, f"{name}: has {key}, but the layer takes no multiplier")
            continue
        spec = specs[key]
        found = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else array
        needed = f"{spec.dtype}{list(spec.shape)}"
        _require(found == needed, f"{name}: {key} is {found}, needs {needed}")
    top = 0 if stage.last else SHIFT_MAX
    _require(
        type(layer.shift) is int and 0 <= layer.shift <= top,
        f"{name}: shift is {layer.shift!r}, needs an integer in 0..{top}",
    )
    limit = 1 << (stage.add_bits - 1)
    low, high = int(layer.add.min()), int(layer.add.max())
    _require(
        -limit <= low and high < limit,
        f"{name}: add is in {low}..{high}, needs {stage.add_bits} bits signed "
        f"({-limit}..{limit - 1})",
    )
    if layer.mul is not None:
        top = int(layer.mul.max())
        _require(top <= MUL_MAX, f"{name}: mul is {top}, needs 0..{MUL_MAX}")


def _check_structure(stage: Stage, layer: QuantizedLayer) -> None:
    """Check that non-zero weights are only where the sparsity structure allows them."""
    used = layer.weight.reshape(stage.channels, stage.inputs) != 0
    counts = np.count_nonzero(used, axis=1)
    _STRUCTURES[type(stage.layer.sparsity)](stage, used, counts)


def _check_taps(stage: Stage, _: np.ndarray, counts: np.ndarray) -> None:
    over = np.flatnonzero(counts > np.array(stage.fan_ins))
    if len(over):
        kernel = int(over[0])
        raise ArtefactError(
            f"{stage.name}: kernel {kernel} has {counts[kernel]} taps, "
            f"needs at most {stage.fan_ins[kernel]}"
        )


def _check_sets(stage: Stage, used: np.ndarray, counts: np.ndarray) -> None:
    widest = int(counts.max())
    _require(
        widest <= stage.fan_in,
        f"{stage.name}: kernel {int(counts.argmax())} has {widest} weights, "
        f"fan_in is {stage.fan_in}",
    )
    for group in range(stage.sets):
        _check_set(stage, group, used[group :: stage.sets])


def _check_set(stage: Stage, group: int, used: np.ndarray) -> None:
    clashes = np.flatnonzero(np.count_nonzero(used, axis=0) > 1)
    if len(clashes):
        slots = np.flatnonzero(used[:, clashes[0]])[:2]
        first, second = (int(slot) * stage.sets + group for slot in slots)
        raise ArtefactError(
            f"{stage.name}: kernels {first} and {second} of set {group} both use input "
            f"{int(clashes[0])}; a set is complementary (kernel o is in set o % {stage.sets})"
        )


def _check_groups(stage: Stage, used: np.ndarray, _: np.ndarray) -> None:
    strays = np.argwhere(used & ~own_group(stage))
    if len(strays):
        kernel, at = strays[0]
        raise ArtefactError(
            f"{stage.name}: kernel {kernel} uses input channel {at // stage.taps} of another group "
            f"than its own, of {stage.groups}"
        )


def own_group(stage: Stage) -> np.ndarray:
    """Which inputs belong to the group of each kernel: bool ``[kernels, inputs]``."""
    shape = stage.groups, stage.channels // stage.groups, stage.inputs // stage.groups
    blocks = np.eye(stage.groups, dtype=bool)[:, None, :, None]
    return np.broadcast_to(blocks, (*shape[:2], shape[0], shape[2])).reshape(stage.channels, -1)


_STRUCTURES: dict[type[Sparsity], Callable[[Stage, np.ndarray, np.ndarray], None]] = {
    Dense: lambda *_: None,
    Taps: _check_taps,
    Complementary: _check_sets,
    Grouped: _check_groups,
}
"""Checks on non-zero weights ``[kernels, inputs]`` and their counts, by sparsity structure."""

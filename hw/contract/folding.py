"""Folding: how much of every layer is built in hardware, and how many cycles the layer then takes.

A layer is computed by one of four engines.

*Gather* computes a convolution over a dense image. A tile computes one pooled pixel: all positions
of its pooling window at once, for ``streams`` kernels at a time, by walking the kernels' tap lists.

*Vector* computes a linear layer over the input: ``engines`` inputs at a time, as they arrive, for
``lanes`` complementary sets each.

*Join* adds two layers: two scatter engines, each of which walks the lists of one of them.

*Scatter* computes everything else. A tile computes one pooled pixel here too; each of its positions
has ``engines`` that share the taps of the window, and each engine has ``lanes`` multipliers, one
per complementary set; with fewer lanes than sets, an engine reads every winner several times.
Results leave a tile ``drain`` channels per cycle.

All tiles of a layer work in lock-step; if the output has more pixels than ``rows`` x ``cols``
tiles, it takes several passes. Cycle counts depend on shapes and folding alone, never on the data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twofold.hw.contract.engines import (
    ENGINES,
    GatherFolding,
    GatherPlan,
    JoinFolding,
    JoinPlan,
    LayerFolding,
    Plan,
    ScatterFolding,
    ScatterPlan,
    VectorFolding,
    VectorPlan,
)
from twofold.hw.contract.engines.base import DEPTH_MAX
from twofold.hw.contract.engines.base import require as _require
from twofold.hw.contract.engines.gather import TAPS_MAX
from twofold.hw.contract.engines.scatter import LANES_MAX
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.layers.sparsity import SLOTS_MAX
from twofold.hw.contract.network import Network, Stage

STAGES_MAX = 1 << 8


@dataclass(frozen=True)
class Folding:
    """Folding of a whole network.

    Parameters
    ----------
    layers: one entry per layer, in order.
    input_bytes: bytes of the image taken per cycle; a divisor or a multiple of the bytes of a row.
    frames: activations buffered between two layers, in samples, >= 2; where a layer reads one
        further back, one more for each layer that it skips.
    """

    layers: tuple[LayerFolding, ...]
    input_bytes: int = 64
    frames: int = 2

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `folding_from_json` reads it back."""
        layers = [{"kind": type(layer).__name__, **asdict(layer)} for layer in self.layers]
        return {"layers": layers, "input_bytes": self.input_bytes, "frames": self.frames}


def folding_from_json(tree: Any) -> Folding:
    """Read back what `Folding.to_json` wrote; untrusted input.

    Raises FoldingError if a field is missing, unknown or not an integer.
    """
    try:
        fields = {"input_bytes": tree["input_bytes"], "frames": tree["frames"]}
        layers = [dict(layer) for layer in tree["layers"]]
        kinds = [ENGINES[layer.pop("kind")] for layer in layers]
        if not all(type(value) is int for part in (fields, *layers) for value in part.values()):
            raise TypeError("sizes are integers")
        chosen = tuple(kind(**layer) for kind, layer in zip(kinds, layers, strict=True))
        return Folding(chosen, **fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FoldingError(f"folding: {type(error).__name__}: {error}") from error


def plans(network: Network, folding: Folding) -> tuple[Plan, ...]:
    """Plan of every layer.

    Raises FoldingError if the folding does not divide the network or an engine cannot compute a
    layer; the message names the layer, the value and the rule.
    """
    stages = network.stages
    _require(
        len(folding.layers) == len(stages),
        f"folding: {len(folding.layers)} layers for a network of {len(stages)}",
    )
    _require(
        len(stages) <= STAGES_MAX,
        f"network: {len(stages)} layers, the packed format takes {STAGES_MAX}",
    )
    _require(folding.frames >= 2, f"folding: frames is {folding.frames}, needs >= 2")
    row_bytes = network.input_shape[2]
    _require(
        folding.input_bytes >= 1
        and (folding.input_bytes % row_bytes == 0 or row_bytes % folding.input_bytes == 0),
        f"folding: input_bytes is {folding.input_bytes}, needs a divisor or multiple of "
        f"{row_bytes} (an image row)",
    )
    found = tuple(_plans(stages, folding, network.zero_point))
    found[0].check_input(folding.input_bytes)
    return found


def _plans(stages: tuple[Stage, ...], folding: Folding, zero_point: int) -> Iterator[Plan]:
    found: list[Plan] = []
    takes = [layer.takes for layer in folding.layers[1:]]
    for stage, layer, emit in zip(stages, folding.layers, [*takes, 1], strict=True):
        plan = plan_behind(found, stage, layer, zero_point=zero_point, emit=emit)
        plan.check()
        found.append(plan)
        yield plan


def plan_behind(
    found: Sequence[Plan], stage: Stage, layer: LayerFolding, *, zero_point: int = 0, emit: int = 1
) -> Plan:
    """Plan of ``stage``, behind those of all layers before it; see `LayerFolding.plan`."""
    source, other = ([found[at] for at in stage.sources if at >= 0] + [None, None])[:2]
    return layer.plan(stage, source, zero_point=zero_point, emit=emit, other=other)


def frames_of_readers(network: Network, folding: Folding, stage: Stage) -> tuple[int, ...]:
    """For each reader of a layer, in order, the samples that it has room for."""
    readers = (network.stages[at] for at in network.readers[stage.index])
    return tuple(
        folding.frames + reader.skips[reader.sources.index(stage.index)] for reader in readers
    )


__all__ = [
    "DEPTH_MAX",
    "LANES_MAX",
    "SLOTS_MAX",
    "STAGES_MAX",
    "TAPS_MAX",
    "Folding",
    "GatherFolding",
    "GatherPlan",
    "JoinFolding",
    "JoinPlan",
    "LayerFolding",
    "Plan",
    "ScatterFolding",
    "ScatterPlan",
    "VectorFolding",
    "VectorPlan",
    "folding_from_json",
    "frames_of_readers",
    "plan_behind",
    "plans",
]

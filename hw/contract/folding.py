"""Folding: how much of every layer is built in hardware, and what the layer then costs in cycles.

A layer is served by one of two engines.

*Gather* serves a convolution over a dense single-channel image. A tile computes one pooled pixel:
all positions of its pooling window at once, for ``streams`` kernels at a time, walking the kernels'
tap lists.

*Scatter* serves everything else. A tile computes one pooled pixel here too; each of its positions
has ``engines`` that share out the taps of the window, and each engine has ``lanes`` multipliers,
one per complementary set; when there are fewer lanes than sets an engine looks at every winner
several times. Results leave a tile ``drain`` channels a cycle.

All tiles of a layer work in lock-step; what does not fit into ``rows`` x ``cols`` tiles is done in
several passes. Cycle counts follow from shapes and folding alone, never from the data.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Complementary, Conv2d, Dense, Network, Stage
from twofold.hw.contract.plan import (
    GatherFolding,
    GatherPlan,
    LayerFolding,
    Plan,
    ScatterFolding,
    ScatterPlan,
)

STAGES_MAX = 1 << 8
LANES_MAX = 1 << 16
SLOTS_MAX = 1 << 8
TAPS_MAX = 1 << 16
DEPTH_MAX = 1 << 16
"""Rows of a table at most: as far as the loader's addresses reach."""


@dataclass(frozen=True)
class Folding:
    """Folding of a whole network.

    Parameters
    ----------
    layers: one entry a layer, in order.
    input_bytes: bytes of the image taken a cycle; divides the bytes of a row, or is a multiple of
        them.
    frames: activations buffered between two layers, in samples, >= 2.
    """

    layers: tuple[LayerFolding, ...]
    input_bytes: int = 64
    frames: int = 2

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `folding_from_json` reads it back."""
        layers = [{"kind": type(layer).__name__, **asdict(layer)} for layer in self.layers]
        return {"layers": layers, "input_bytes": self.input_bytes, "frames": self.frames}


_KINDS: dict[str, type[LayerFolding]] = {
    kind.__name__: kind for kind in (GatherFolding, ScatterFolding)
}


def folding_from_json(tree: Any) -> Folding:
    """Read back what `Folding.to_json` wrote; the source is untrusted.

    Raises FoldingError when a field is missing, unknown or not an integer.
    """
    try:
        fields = {"input_bytes": tree["input_bytes"], "frames": tree["frames"]}
        layers = [dict(layer) for layer in tree["layers"]]
        kinds = [_KINDS[layer.pop("kind")] for layer in layers]
        if not all(type(value) is int for part in (fields, *layers) for value in part.values()):
            raise TypeError("sizes are integers")
        chosen = tuple(kind(**layer) for kind, layer in zip(kinds, layers, strict=True))
        return Folding(chosen, **fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FoldingError(f"folding: {type(error).__name__}: {error}") from error


def plans(network: Network, folding: Folding) -> tuple[Plan, ...]:
    """Plan of every layer.

    Raises FoldingError when the folding does not divide the network or an engine cannot serve a
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
    return tuple(_plans(stages, folding, network.zero_point))


def _plans(stages: tuple[Stage, ...], folding: Folding, zero_point: int) -> Iterator[Plan]:
    source: Plan | None = None
    for index, (stage, layer) in enumerate(zip(stages, folding.layers, strict=True)):
        _check_blocks(stage, layer)
        if isinstance(layer, GatherFolding):
            plan: Plan = GatherPlan(stage, layer, zero_point if stage.padding else 0)
            _check_gather(plan)
        else:
            if source is None:
                raise FoldingError(
                    f"{stage.name}: the first layer needs a gather folding (dense input)"
                )
            following = folding.layers[index + 1] if index + 1 < len(stages) else None
            emit = following.engines if isinstance(following, ScatterFolding) else 1
            plan = ScatterPlan(stage, layer, source, emit)
            _check_scatter(plan)
        yield plan
        source = plan


def _check_blocks(stage: Stage, layer: LayerFolding) -> None:
    smallest = min(value for value in asdict(layer).values())
    _require(smallest >= 1, f"{stage.name}: folding {layer} has a value below 1")
    _, rows, cols = stage.out_shape
    _require(
        rows % layer.rows == 0,
        f"{stage.name}: {layer.rows} tile rows do not divide {rows} output rows",
    )
    _require(
        cols % layer.cols == 0,
        f"{stage.name}: {layer.cols} tile columns do not divide {cols} output columns",
    )


def _check_gather(plan: GatherPlan) -> None:
    stage, folding = plan.stage, plan.folding
    _require(
        stage.index == 0 and isinstance(stage.layer, Conv2d),
        f"{stage.name}: the gather engine serves a first convolution, over the image",
    )
    _require(
        folding.streams <= stage.channels,
        f"{stage.name}: {folding.streams} streams for {stage.channels} kernels, at most one each",
    )
    _require(
        stage.inputs <= TAPS_MAX,
        f"{stage.name}: {stage.inputs} taps in a window, the packed format takes {TAPS_MAX}",
    )
    _check_depth(plan)


def _check_scatter(plan: ScatterPlan) -> None:
    stage, folding = plan.stage, plan.folding
    _require(
        isinstance(stage.layer.sparsity, Complementary | Dense),
        f"{stage.name}: the scatter engine takes complementary or dense weights, "
        f"not {stage.layer.sparsity}",
    )
    _require(
        stage.sets % folding.lanes == 0,
        f"{stage.name}: {folding.lanes} lanes do not divide {stage.sets} sets",
    )
    _require(
        folding.lanes % folding.drain == 0,
        f"{stage.name}: drain of {folding.drain} channels does not divide {folding.lanes} lanes",
    )
    _require(
        stage.slots <= SLOTS_MAX,
        f"{stage.name}: {stage.slots} kernels in a set, the packed format takes {SLOTS_MAX}",
    )
    _require(
        folding.lanes <= LANES_MAX,
        f"{stage.name}: {folding.lanes} lanes, the packed format takes {LANES_MAX}",
    )
    _require(
        not stage.last or stage.channels % stage.sets == 0,
        f"{stage.name}: {stage.sets} sets do not divide {stage.channels} logits",
    )
    if isinstance(stage.layer, Conv2d):
        _require(
            folding.drain == 1,
            f"{stage.name}: drain is {folding.drain}, a convolution drains 1 channel a cycle",
        )
    if not plan.streamed:
        _require(
            folding.engines <= stage.taps,
            f"{stage.name}: {folding.engines} engines for {stage.taps} taps, at most one a tap",
        )
    _check_depth(plan)


def _check_depth(plan: Plan) -> None:
    more = "streams" if isinstance(plan, GatherPlan) else "lanes"
    _require(
        plan.weight_rows <= DEPTH_MAX,
        f"{plan.stage.name}: {plan.weight_rows} rows of weights, the packed format takes "
        f"{DEPTH_MAX}; fold it with more {more}",
    )
    _require(
        plan.channel_rows <= DEPTH_MAX,
        f"{plan.stage.name}: {plan.channel_rows} rows of constants, the packed format takes "
        f"{DEPTH_MAX}",
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise FoldingError(message)


__all__ = [
    "DEPTH_MAX",
    "LANES_MAX",
    "SLOTS_MAX",
    "STAGES_MAX",
    "TAPS_MAX",
    "Folding",
    "GatherFolding",
    "GatherPlan",
    "LayerFolding",
    "Plan",
    "ScatterFolding",
    "ScatterPlan",
    "folding_from_json",
    "plans",
]

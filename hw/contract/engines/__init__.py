"""The engines that compute layers: foldings, and plans of layers folded onto them; one file each.

A plan carries everything that follows from shape and folding: passes, cycles, tables, rules. Code
that needs to know the hardware registers itself by plan class: `hw.stages` (what is built),
`twofold.hw.area.model`, `twofold.hw.solve.candidates`, `twofold.hw.solve.timeline` and
`twofold.sw.pack.packer`.
"""

from twofold.hw.contract.engines.base import LayerFolding, Plan
from twofold.hw.contract.engines.gather import GatherFolding, GatherPlan
from twofold.hw.contract.engines.join import JoinFolding, JoinPlan
from twofold.hw.contract.engines.scatter import DSP_SUM_BITS, ScatterFolding, ScatterPlan
from twofold.hw.contract.engines.vector import VectorFolding, VectorPlan
from twofold.hw.contract.network import Stage

ENGINES: dict[str, type[LayerFolding]] = {
    kind.__name__: kind for kind in (GatherFolding, ScatterFolding, JoinFolding, VectorFolding)
}
"""Layer foldings by their name in JSON."""


def engine_of(stage: Stage) -> type[LayerFolding]:
    """Folding class of the engine that computes a layer: gather or vector for the first, join
    for additions, scatter for all others.
    """
    if len(stage.sources) > 1:
        return JoinFolding
    if stage.index:
        return ScatterFolding
    return VectorFolding if stage.layer.FLATTENS else GatherFolding


__all__ = [
    "DSP_SUM_BITS", "ENGINES", "GatherFolding", "GatherPlan", "JoinFolding",
    "JoinPlan", "LayerFolding", "Plan",
    "ScatterFolding", "ScatterPlan", "VectorFolding", "VectorPlan", "engine_of",
]  # fmt: skip

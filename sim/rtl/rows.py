"""Where the winners of a sample are, which determines its timing."""

import numpy as np

from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.network import Network
from twofold.hw.solve.timeline import emits
from twofold.sw.golden.model import Golden


def row_counts(network: Network, folding: Folding, golden: Golden) -> list[list[list[int]]]:
    """For each sample and each layer with global winners, the number of winners above 0 in each
    row, as `twofold.hw.solve.timeline.sample_times` takes it.
    """
    found: list[list[list[int]]] = [[] for _ in golden.logits]
    for plan, layer in zip(plans(network, folding), golden.activations, strict=False):
        if not emits(plan):
            continue
        starts = np.arange(0, plan.stage.channels, plan.drain)
        counts = np.add.reduceat(layer.reshape(len(layer), -1) != 0, starts, axis=1)
        for sample, rows in enumerate(counts.tolist()):
            found[sample].append(rows)
    return found

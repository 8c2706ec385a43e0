"""Foldings of a layer that are worth trying, every one valid by construction."""

from collections.abc import Iterator

from twofold.hw.contract.folding import DEPTH_MAX, GatherFolding, LayerFolding, ScatterFolding
from twofold.hw.contract.network import Conv2d, Network, Stage

EMIT_MAX = 16
"""Global winners taken a cycle at most."""


def divisors(value: int) -> list[int]:
    """Divisors in ascending order."""
    return [number for number in range(1, value + 1) if value % number == 0]


def fewest_for_each_share(total: int, limit: int) -> list[int]:
    """Numbers up to ``limit`` whose largest share of ``total`` no smaller number has."""
    shares: dict[int, int] = {}
    for number in range(1, min(total, limit) + 1):
        shares.setdefault(-(-total // number), number)
    return list(shares.values())


def candidates(network: Network, stage: Stage) -> Iterator[LayerFolding]:
    """Foldings of one layer of a network."""
    _, rows, cols = stage.out_shape
    blocks = [(row, col) for row in divisors(rows) for col in divisors(cols)]
    if stage.index == 0:
        for row, col in blocks:
            for streams in range(1, stage.channels + 1):
                yield GatherFolding(rows=row, cols=col, streams=streams)
        return
    for engines in _engines(network, stage):
        for lanes in _lanes(stage):
            for drain in [1] if isinstance(stage.layer, Conv2d) else divisors(lanes):
                for row, col in blocks:
                    yield ScatterFolding(
                        rows=row, cols=col, engines=engines, lanes=lanes, drain=drain
                    )


def widest(network: Network) -> tuple[LayerFolding, ...]:
    """A folding of the least depth; where this one is refused for a layer, all are."""
    layers: list[LayerFolding] = [GatherFolding()]
    layers += [ScatterFolding(lanes=stage.sets) for stage in network.stages[1:]]
    return tuple(layers)


def _lanes(stage: Stage) -> list[int]:
    index_bits = (stage.in_shape[0] - 1).bit_length()
    rows = stage.taps << index_bits
    return [lanes for lanes in divisors(stage.sets) if rows * stage.sets // lanes <= DEPTH_MAX]


def _engines(network: Network, stage: Stage) -> list[int]:
    source = network.stages[stage.index - 1]
    if isinstance(source.layer, Conv2d):
        return fewest_for_each_share(stage.taps, stage.taps)
    return list(range(1, min(source.k, EMIT_MAX) + 1))

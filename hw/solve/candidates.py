"""Foldings of a layer worth trying, all valid by construction."""

from collections.abc import Callable, Iterator

from twofold.hw.contract.engines import engine_of
from twofold.hw.contract.folding import (
    DEPTH_MAX,
    GatherFolding,
    JoinFolding,
    LayerFolding,
    ScatterFolding,
    VectorFolding,
)
from twofold.hw.contract.network import Network, Stage

EMIT_MAX = 16
"""Maximum number of global winners taken per cycle."""


def divisors(value: int) -> list[int]:
    """Divisors in ascending order."""
    return [number for number in range(1, value + 1) if value % number == 0]


def fewest_for_each_share(total: int, limit: int) -> list[int]:
    """Numbers up to ``limit`` that give a largest share of ``total`` no smaller number gives."""
    shares: dict[int, int] = {}
    for number in range(1, min(total, limit) + 1):
        shares.setdefault(-(-total // number), number)
    return list(shares.values())


def candidates(network: Network, stage: Stage, input_bytes: int) -> Iterator[LayerFolding]:
    """Foldings of one layer of a network of which ``input_bytes`` arrive per cycle."""
    return _CANDIDATES[engine_of(stage)](network, stage, input_bytes)


def _blocks(stage: Stage) -> list[tuple[int, int]]:
    """Possible rows and columns of tiles."""
    _, rows, cols = stage.out_shape
    return [(row, col) for row in divisors(rows) for col in divisors(cols)]


def _gather(_: Network, stage: Stage, __: int) -> Iterator[LayerFolding]:
    for row, col in _blocks(stage):
        for streams in range(1, stage.channels + 1):
            yield GatherFolding(rows=row, cols=col, streams=streams)


def _scatter(network: Network, stage: Stage, _: int) -> Iterator[LayerFolding]:
    blocks = _blocks(stage)
    for engines in _engines(network, stage):
        for lanes in _lanes(stage):
            for drain in [1] if stage.per_pixel else divisors(lanes):
                for row, col in blocks:
                    yield ScatterFolding(
                        rows=row, cols=col, engines=engines, lanes=lanes, drain=drain
                    )


def _join(_: Network, stage: Stage, __: int) -> Iterator[LayerFolding]:
    for lanes in _lanes(stage):
        for row, col in _blocks(stage):
            yield JoinFolding(rows=row, cols=col, lanes=lanes)


def _vector(_: Network, stage: Stage, input_bytes: int) -> Iterator[LayerFolding]:
    for engines in divisors(input_bytes):
        chunks = -(-stage.inputs // engines)
        rows = engines << (chunks - 1).bit_length()
        for lanes in divisors(stage.sets):
            if rows * stage.sets // lanes <= DEPTH_MAX and engines <= stage.inputs:
                for drain in divisors(lanes):
                    yield VectorFolding(engines=engines, lanes=lanes, drain=drain)


def widest(network: Network) -> tuple[LayerFolding, ...]:
    """A folding with the shallowest tables; if it is rejected for a layer, every folding is."""
    return tuple(_WIDEST[engine_of(stage)](stage) for stage in network.stages)


def _lanes(stage: Stage) -> list[int]:
    index_bits = (stage.in_shape[0] - 1).bit_length()
    rows = stage.taps << index_bits
    return [lanes for lanes in divisors(stage.sets) if rows * stage.sets // lanes <= DEPTH_MAX]


def _engines(network: Network, stage: Stage) -> list[int]:
    source = network.stages[stage.sources[0]]
    if source.per_pixel:
        return fewest_for_each_share(stage.taps, stage.taps)
    return list(range(1, min(source.k, EMIT_MAX) + 1))


_CANDIDATES: dict[type[LayerFolding], Callable[[Network, Stage, int], Iterator[LayerFolding]]] = {
    GatherFolding: _gather,
    ScatterFolding: _scatter,
    JoinFolding: _join,
    VectorFolding: _vector,
}

_WIDEST: dict[type[LayerFolding], Callable[[Stage], LayerFolding]] = {
    GatherFolding: lambda _: GatherFolding(),
    ScatterFolding: lambda stage: ScatterFolding(lanes=stage.sets),
    JoinFolding: lambda stage: JoinFolding(lanes=stage.sets),
    VectorFolding: lambda stage: VectorFolding(lanes=stage.sets),
}

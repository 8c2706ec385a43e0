"""Routing of a pixel feed: which reader uses which bank, port and address at which step.

All positions of a pass look up the same tap of their window at the same time, so all multiplexer
selects and addresses follow from the tap and the pass. They are enumerated here, as plain integers,
before any hardware is generated.

A *reader* is an engine of a position of a tile. A *bank* holds the lists of one producer tile; it
has as many read *ports* as it has readers that need different addresses at the same time. Ports
whose addresses never conflict share an address *generator*; readers whose selections never conflict
share a *select*.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.folding import ScatterPlan

PORTS_MAX = 64
"""Maximum number of read ports of a bank: each is a copy of its memory."""

NOTHING = -1
"""In place of a bank or port: the tap lies in the padding, where all activations stand for 0."""

Sequence = dict[int, int]
"""A choice for some of the steps of a sample; the others are don't-cares."""


@dataclass(frozen=True)
class Port:
    """Read port of a bank: the producer's tile, and the index of its address generator."""

    bank: int
    generator: int


@dataclass(frozen=True)
class Reader:
    """An engine of a position of a tile: the ports it reads (indices or `NOTHING`), its select."""

    sources: tuple[int, ...]
    select: int


@dataclass(frozen=True)
class Routing:
    """Everything that a pixel feed is wired from.

    Attributes
    ----------
    ports: of all banks, bank after bank.
    generators: for each, the producer pass to read at each step; a step is ``pass * engine_taps +
        tap``, the tap counted within the engine.
    selects: for each, the position among a reader's sources, step by step.
    readers: tile after tile, position after position, engine after engine.
    """

    ports: tuple[Port, ...]
    generators: tuple[tuple[int, ...], ...]
    selects: tuple[tuple[int, ...], ...]
    readers: tuple[Reader, ...]


@dataclass(frozen=True)
class Geometry:
    """All that a routing depends on: equal layers of a network share one.

    Attributes
    ----------
    grid, out: tiles (rows, columns) of the layer, and its output pixels, after pooling.
    source_grid, size: tiles of the previous layer, and the pixels it puts out.
    pool, kernel, strides: rows and columns.
    edges: padding (top, left, bottom, right) in pixels.
    spans: taps of the window that each engine processes.
    """

    grid: tuple[int, int]
    out: tuple[int, int]
    source_grid: tuple[int, int]
    size: tuple[int, int]
    pool: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    edges: tuple[int, int, int, int]
    spans: tuple[range, ...]

    @property
    def engine_taps(self) -> int:
        """Steps of an engine for each position: no span is longer than the first."""
        return len(self.spans[0])

    @property
    def passes(self) -> int:
        """Blocks of tiles per sample."""
        return (self.out[0] // self.grid[0]) * (self.out[1] // self.grid[1])


def geometry(plan: ScatterPlan) -> Geometry:
    """What the routing of ``plan`` depends on."""
    stage, folding, source = plan.stage, plan.folding, plan.source.folding
    return Geometry(
        grid=(folding.rows, folding.cols),
        out=stage.out_shape[1:],
        source_grid=(source.rows, source.cols),
        size=stage.in_shape[1:],
        pool=stage.pool_window,
        kernel=stage.kernel,
        strides=stage.strides,
        edges=stage.edges,
        spans=plan.spans,
    )


def routing(plan: ScatterPlan) -> Routing:
    """Enumerate the routing of a layer behind a convolution.

    Raises FoldingError when a bank would need more than `PORTS_MAX` ports.
    """
    try:
        return enumerated(geometry(plan))
    except FoldingError as error:
        raise FoldingError(
            f"{plan.stage.name}: {error}; use more tiles in {plan.source.stage.name} or fewer here"
        ) from error


@lru_cache(maxsize=1024)
def enumerated(at: Geometry) -> Routing:
    """The routing of all layers of this geometry. Raises FoldingError as `routing` does."""
    readers = [dict(_places(at, *reader)) for reader in _readers(at)]
    needed = [_by_bank(places) for places in readers]
    ports: list[tuple[int, Sequence]] = []
    chosen: list[dict[int, int]] = [{NOTHING: NOTHING} for _ in readers]
    for bank in range(at.source_grid[0] * at.source_grid[1]):
        base = len(ports)
        sequences: list[Sequence] = []
        for reader, by_bank in enumerate(needed):
            if bank in by_bank:
                chosen[reader][bank] = base + _merge(sequences, by_bank[bank])
        _check_ports(bank, len(sequences))
        ports += [(bank, sequence) for sequence in sequences]

    generators: list[Sequence] = []
    port_table = tuple(Port(bank, _merge(generators, sequence)) for bank, sequence in ports)
    selects: list[Sequence] = []
    reader_table = tuple(
        _reader(places, port_of, selects) for places, port_of in zip(readers, chosen, strict=True)
    )
    steps = at.passes * at.engine_taps
    return Routing(
        port_table,
        tuple(_filled(sequence, steps) for sequence in generators),
        tuple(_filled(sequence, steps) for sequence in selects),
        reader_table,
    )


def _readers(at: Geometry) -> Iterator[tuple[int, int, int, int, range]]:
    """Row and column of the tile, row and column of the position, taps of the engine."""
    for row in range(at.grid[0]):
        for col in range(at.grid[1]):
            for position_row in range(at.pool[0]):
                for position_col in range(at.pool[1]):
                    for span in at.spans:
                        yield row, col, position_row, position_col, span


def _places(
    at: Geometry, row: int, col: int, position_row: int, position_col: int, span: range
) -> Iterator[tuple[int, tuple[int, int]]]:
    """For every step of a reader: the bank and the producer pass of the pixel it looks up.

    In the padding the bank is `NOTHING`.
    """
    (rows, cols), (source_rows, source_cols) = at.grid, at.source_grid
    blocks, source_blocks = at.out[1] // cols, at.size[1] // source_cols
    for number in range(at.passes):
        block_row, block_col = divmod(number, blocks)
        top = ((block_row * rows + row) * at.pool[0] + position_row) * at.strides[0]
        left = ((block_col * cols + col) * at.pool[1] + position_col) * at.strides[1]
        for local, tap in enumerate(span):
            y = top + tap // at.kernel[1] - at.edges[0]
            x = left + tap % at.kernel[1] - at.edges[1]
            step = number * at.engine_taps + local
            if not (0 <= y < at.size[0] and 0 <= x < at.size[1]):
                yield step, (NOTHING, 0)
                continue
            source_row, bank_row = divmod(y, source_rows)
            source_col, bank_col = divmod(x, source_cols)
            bank = bank_row * source_cols + bank_col
            yield step, (bank, source_row * source_blocks + source_col)


def _by_bank(places: dict[int, tuple[int, int]]) -> dict[int, Sequence]:
    """The addresses that a reader needs from each bank it reads."""
    found: dict[int, Sequence] = {}
    for step, (bank, address) in places.items():
        found.setdefault(bank, {})[step] = address
    return found


def _merge(sequences: list[Sequence], needed: Sequence) -> int:
    """Index of the first sequence that does not conflict with ``needed``, which is merged in."""
    for index, sequence in enumerate(sequences):
        if all(sequence.get(step, value) == value for step, value in needed.items()):
            sequence.update(needed)
            return index
    sequences.append(dict(needed))
    return len(sequences) - 1


def _reader(
    places: dict[int, tuple[int, int]], port_of: dict[int, int], selects: list[Sequence]
) -> Reader:
    """Multiplexer of a reader, with its inputs in order of first use."""
    sources = tuple(dict.fromkeys(port_of[bank] for bank, _ in places.values()))
    choices = {step: sources.index(port_of[bank]) for step, (bank, _) in places.items()}
    return Reader(sources, _merge(selects, choices))


def _filled(sequence: Sequence, steps: int) -> tuple[int, ...]:
    """The sequence with don't-cares replaced by the choice before them."""
    values: list[int] = []
    for step in range(steps):
        values.append(sequence.get(step, values[-1] if values else 0))
    return tuple(values)


def _check_ports(bank: int, ports: int) -> None:
    if ports > PORTS_MAX:
        raise FoldingError(
            f"bank {bank} of its input would need {ports} read ports, at most {PORTS_MAX} are built"
        )


__all__ = [
    "NOTHING", "PORTS_MAX", "Geometry", "Port", "Reader", "Routing", "enumerated", "geometry",
    "routing",
]  # fmt: skip

"""Calibration of the area model: synthesis of a few machines divided by the formulas."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from twofold.hw.area.component import Component, joined
from twofold.hw.area.estimate import by_kind, estimate
from twofold.hw.area.link import link
from twofold.hw.area.machine import line
from twofold.hw.area.model import layer_components, shared_components
from twofold.hw.area.prices import calibration
from twofold.hw.boards import find, suffix
from twofold.hw.boards.board import Board
from twofold.hw.boards.family import ECP5, XCUP
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.files import write_json
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.progress import Report
from twofold.hw.contract.shipped import machine
from twofold.hw.verilog.machine import core_verilog


def _speech(board: Board) -> Machine:
    """The speech network in about the size of an ECP5-85F."""
    folding = Folding(
        (
            GatherFolding(rows=1, cols=7, streams=3),
            ScatterFolding(engines=2, lanes=4),
            ScatterFolding(lanes=6, drain=3),
            ScatterFolding(lanes=3),
        ),
        input_bytes=4,
    )
    return Machine("gsc-fast-2600", machine("gsc-fast-small").network, folding, board.name)


def _shipped(name: str) -> Callable[[Board], Machine]:
    return lambda board: replace(machine(name), board=board.name)


MACHINES: dict[str, tuple[Callable[[Board], Machine], ...]] = {
    XCUP.name: (
        _shipped("gsc-fast-full"),
        _shipped("gsc-sparse-dense-full"),
        _shipped("gsc-dense-full"),
    ),
    ECP5.name: (
        _speech,
        _shipped("tiny-sparse-dense-small"),
        _shipped("tiny-dense-small"),
    ),
}
"""Machines that give the factors of a family, the most important first; a kind uses the first that
has it.
"""


def calibrate(board: Board, build: Path, seconds: float, report: Report) -> str:
    """Rewrite the factors of a board's family and return how far the formulas are from synthesis.

    A component with a part whose synthesis takes longer than ``seconds`` is left out, and a kind
    without any component keeps its factors. Raises ToolError if Yosys is missing.
    """
    pairs: defaultdict[str, list[tuple[Resources, Resources]]] = defaultdict(list)
    rows: list[dict[str, object]] = []
    for made in MACHINES[board.family.name]:
        chosen, known = made(board), set(pairs)
        for component, found in _compared(chosen, build, seconds, report):
            if component.kind in known:
                continue
            pairs[component.kind].append((component.total, found))
            rows.append(
                {
                    "machine": _words(chosen.name),
                    "layer": component.layer,
                    "kind": component.kind,
                    "count": component.count,
                    "formula": component.total.as_dict(),
                    "synthesis": found.as_dict(),
                }
            )
    path = calibration(board.family)
    before = json.loads(path.read_text(encoding="utf-8"))["factors"] if path.exists() else {}
    factors = before | {kind: _factors(each) for kind, each in pairs.items()}
    named = f" --board {board.name}" if suffix(board) else ""
    tree = {
        "command": f"twofold resources --calibrate{named}",
        "factors": factors,
        "largest_error": {kind: _error(each, factors[kind]) for kind, each in pairs.items()},
        "components": rows,
    }
    write_json(path, tree)
    return json.dumps(tree["largest_error"], indent=1)


def _compared(
    chosen: Machine, build: Path, seconds: float, report: Report
) -> list[tuple[Component, Resources]]:
    """Components of a machine by formula, each with what synthesis found."""
    board, shape = find(chosen.board), chosen.folding
    family = board.family
    known = [one for plan in chosen.plans for one in layer_components(plan, shape, family)]
    known += shared_components(len(shape.layers), family)
    text = core_verilog(chosen.network, shape, build, target=family.target).text
    parts = estimate(text, build, model=known, seconds=seconds, report=report, family=family)
    known += link(chosen.network, shape, board)
    parts += line(chosen, board, build, seconds=seconds, report=report)
    missing = set(by_kind(part for part in parts if not part.synthesised))
    synthesised = by_kind(parts)
    return [
        (one, synthesised[one.layer, one.kind])
        for one in joined(known)
        if (one.layer, one.kind) in synthesised.keys() - missing
    ]


def _words(name: str) -> str:
    """Network, variant and size of a machine."""
    net, _, rest = name.partition("-")
    variant, _, size = rest.rpartition("-")
    return f"{net} {variant} {size}"


def _factors(pairs: list[tuple[Resources, Resources]]) -> dict[str, float]:
    return {
        "lut": round(sum(its.lut for _, its in pairs) / sum(our.lut for our, _ in pairs), 3),
        "ff": round(sum(its.ff for _, its in pairs) / sum(our.ff for our, _ in pairs), 3),
    }


def _error(pairs: list[tuple[Resources, Resources]], factors: dict[str, float]) -> dict[str, float]:
    """Largest deviation of the scaled formulas, relative to what synthesis found."""
    return {
        "lut": round(max(abs(our.lut * factors["lut"] / its.lut - 1) for our, its in pairs), 3),
        "ff": round(max(abs(our.ff * factors["ff"] / its.ff - 1) for our, its in pairs), 3),
    }

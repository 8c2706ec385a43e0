"""Calibration of the area model: synthesis of shipped machines divided by the formulas."""

import json
from collections import defaultdict
from pathlib import Path

from twofold.hw.area.estimate import by_kind, estimate
from twofold.hw.area.model import (
    CALIBRATION,
    Component,
    joined,
    layer_components,
    shared_components,
)
from twofold.hw.boards.family import XCUP
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.files import write_json
from twofold.hw.contract.folding import plans
from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.progress import Report
from twofold.hw.verilog.machine import core_verilog

MACHINES = tuple(("gsc", variant, "full") for variant in ("fast", "sparse-dense", "dense"))
"""Machines that give the factors, the most important first; a kind uses the first that has it."""


def calibrate(build: Path, seconds: float, report: Report) -> str:
    """Rewrite ``calibration.json`` and return how far the formulas are from synthesis.

    A component with a part whose synthesis takes longer than ``seconds`` is left out, and a kind
    without any component keeps its factors. Raises ToolError if Yosys is missing.
    """
    pairs: defaultdict[str, list[tuple[Resources, Resources]]] = defaultdict(list)
    rows: list[dict[str, object]] = []
    for machine in MACHINES:
        known = set(pairs)
        for component, found in _compared(machine, build, seconds, report):
            if component.kind in known:
                continue
            pairs[component.kind].append((component.total, found))
            rows.append(
                {
                    "machine": " ".join(machine),
                    "layer": component.layer,
                    "kind": component.kind,
                    "count": component.count,
                    "formula": component.total.as_dict(),
                    "synthesis": found.as_dict(),
                }
            )
    tree = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    factors = tree["factors"] | {kind: _factors(each) for kind, each in pairs.items()}
    tree = {
        "command": "twofold resources --calibrate",
        "factors": factors,
        "largest_error": {kind: _error(each, factors[kind]) for kind, each in pairs.items()},
        "components": rows,
    }
    write_json(CALIBRATION, tree)
    return json.dumps(tree["largest_error"], indent=1)


def _compared(
    machine: tuple[str, str, str], build: Path, seconds: float, report: Report
) -> list[tuple[Component, Resources]]:
    """Components of a machine by formula, each with what synthesis found."""
    net, variant, size = machine
    chosen, shape = network(net, variant), folding(net, variant, size)
    known = [one for plan in plans(chosen, shape) for one in layer_components(plan, shape)]
    known += shared_components(len(shape.layers))
    text = core_verilog(chosen, shape, build, target=XCUP.target).text
    parts = estimate(text, build, model=known, seconds=seconds, report=report)
    missing = set(by_kind(part for part in parts if not part.synthesised))
    synthesised = by_kind(parts)
    return [
        (one, synthesised[one.layer, one.kind])
        for one in joined(known)
        if (one.layer, one.kind) in synthesised.keys() - missing
    ]


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

"""``resources.json``: what the variants use, their logic depth, and their measured speed."""

from itertools import cycle
from pathlib import Path
from typing import Any

from twofold.hw.area.cells import library
from twofold.hw.area.estimate import Part, by_engine, total
from twofold.hw.area.paths import Path as Length
from twofold.hw.boards import default, find
from twofold.hw.boards.board import Board
from twofold.hw.boards.resources import NAMES, Resources, share
from twofold.hw.contract import presets
from twofold.hw.contract.cache import locked
from twofold.hw.contract.files import read_json, write_json
from twofold.hw.contract.machine import Machine

MEASURED = ("cycles_per_sample", "latency_cycles")
COLOURS = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#bbbbbb", "#444444"]


def shares(taken: Resources, board: Board) -> dict[str, float]:
    """Shares of a region of the board."""
    each = zip(NAMES, share(taken, board.region), strict=True)
    return {name: round(part, 4) for name, part in each}


def variant_figures(parts: list[Part], machine: Machine, *, reports: Path) -> dict[str, Any]:
    """Everything that ``resources.json`` says about a machine.

    ``reports``: directory with the RTL simulation reports that cycles and latency are taken from.
    The machine is compared with the regions and the clock of its board.
    """
    board = find(machine.board)
    taken = total(parts)
    analysed = [part for part in parts if part.levels is not None and part.slowest is not None]
    deepest = max(analysed, key=lambda part: part.levels or Length())
    slowest = max(analysed, key=lambda part: (part.slowest or Length()).delay)
    return {
        "network": machine.network.name,
        "machine": machine.name,
        "folding": size_of(machine),
        "area": "estimated",
        **taken.as_dict(),
        "share_of_slr": shares(taken, board),
        "over_ceiling": [
            name
            for name, value, most in zip(NAMES, taken.values, board.budget.values, strict=True)
            if value > most
        ],
        "engines": {name: each.as_dict() for name, each in by_engine(parts).items()},
        "depth_lut_levels": (deepest.levels or Length()).luts,
        "deepest": {"part": deepest.name, **_length(deepest.levels)},
        "slowest": {"part": slowest.name, **_length(slowest.slowest)},
        "clock_ns": round(board.period_ns, 2),
        "modelled_parts": [part.name for part in parts if not part.synthesised],
        "parts": [_part(part) for part in parts],
        "cycles_per_sample_planned": max(plan.cycles for plan in machine.plans),
        **measured(reports, machine),
    }


def size_of(machine: Machine) -> str:
    """Size of a shipped machine, the name of any other."""
    known = presets.parts(machine.name)
    return machine.name if known is None else known[2]


def measured(reports: Path, machine: Machine) -> dict[str, Any]:
    """Cycles and latency from an RTL simulation of this machine, or why there are none."""
    mark = machine.fingerprint.hex()
    for path in sorted(reports.glob("*.json")):
        tree = read_json(path)
        same = isinstance(tree, dict) and tree.get("fingerprint") == mark and {*MEASURED} <= {*tree}
        if same and not tree.get("failures"):
            return {name: tree[name] for name in MEASURED} | {"measured_in": path.name}
    command = f"twofold sim --machine {machine.name}"
    return {"not_measured": f"no report of an RTL simulation in {reports}; run `{command}`"}


def write(path: Path, variant: str, figures: dict[str, Any], board: Board | None = None) -> None:
    """Put a variant's figures into a board's report; entries of other variants are kept.

    Each board has its own file, because shares are relative to its regions.
    """
    with locked(path):  # otherwise one of two concurrent updates would be lost
        tree = read_json(path) if path.exists() else {}
        write_json(path, _with(tree, variant, figures, board or default()))


def _with(
    tree: dict[str, Any], variant: str, figures: dict[str, Any], board: Board
) -> dict[str, Any]:
    variants = {**tree.get("variants", {}), variant: figures}
    return {
        "device": f"one SLR of the {board.title}" if board.units > 1 else board.title,
        "slr": board.region.as_dict(),
        "ceilings": dict(zip(NAMES, board.ceilings.values, strict=True)),
        "tool": f"Yosys, {board.family.synthesis}; estimated, nothing is placed or routed",
        "timing_assumptions": library(board.family).assumptions,
        "variants": variants,
    }


def picture(figures: dict[str, Any], title: str, board: Board | None = None) -> str:
    """Shares of a region as an SVG: one bar per resource, in the colours of the engines."""
    board = board or default()
    engines = dict(zip(figures["engines"], cycle(COLOURS)))
    rows: list[str] = []
    for at, (name, size, ceiling) in enumerate(
        zip(NAMES, board.region.values, board.ceilings.values, strict=True)
    ):
        left, y = 90.0, 50 + 34 * at
        rows.append(f'<text x="80" y="{y + 16}" text-anchor="end">{name}</text>')
        for engine, colour in engines.items():
            width = 500 * figures["engines"][engine][name] / size if size else 0.0
            rows.append(
                f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="22" fill="{colour}">'
                f"<title>{engine}: {figures['engines'][engine][name]:,}</title></rect>"
            )
            left += width
        share = 100 * figures["share_of_slr"][name]
        rows.append(f'<text x="{left + 6:.1f}" y="{y + 16}">{share:.1f} %</text>')
        edge = 90 + 500 * ceiling
        rows.append(
            f'<line x1="{edge}" x2="{edge}" y1="{y - 3}" y2="{y + 25}" stroke="black"'
            ' stroke-dasharray="3 2"/>'
        )
    for at, (engine, colour) in enumerate(engines.items()):
        x, y = 90 + 150 * (at % 4), 240 + 20 * (at // 4)
        rows.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        rows.append(f'<text x="{x + 18}" y="{y + 11}">{engine}</text>')
    return "\n".join(
        [
            (
                '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="290"'
                ' font-family="sans-serif" font-size="13">'
            ),
            (
                f'<text x="90" y="28" font-size="15">{title}: shares of {board.region_text},'
                " estimated; dashed: ceilings</text>"
            ),
            *rows,
            "</svg>\n",
        ]
    )


def _length(path: Length | None) -> dict[str, float]:
    path = path or Length()
    return {
        "lut_levels": path.luts,
        "carry_bits": path.carry,
        "delay_ns_estimated": round(path.delay, 2),
    }


def _part(part: Part) -> dict[str, Any]:
    paths = {"deepest": part.levels, "slowest": part.slowest}
    return {
        "name": part.name,
        "engine": part.engine,
        "count": part.count,
        "source": "synthesised" if part.synthesised else "modelled",
        "each": part.each.as_dict(),
        **{name: _length(path) for name, path in paths.items() if path is not None},
    }

"""What the folding solver found, for people and for programs."""

from dataclasses import fields
from typing import Any

from rich.table import Column, Table

from twofold.hw.area.cells import SLR, Resources
from twofold.hw.contract.folding import Plan
from twofold.hw.solve.solver import Solution

NAMES = tuple(field.name for field in fields(Resources))


def utilisation(plan: Plan, cycles: int) -> float:
    """Share of a layer's multipliers that are of use, over the cycles of a sample."""
    return plan.products / (plan.multipliers * cycles)


def of_roofline(solution: Solution) -> float:
    """Share of use of all that the DSPs of a machine can multiply, two products each a cycle."""
    needed = sum(plan.products for plan in solution.plans)
    return needed / (2 * solution.resources.dsp * solution.cycles)


def layer_resources(solution: Solution) -> dict[str, Resources]:
    """What each layer takes; "" is what belongs to none."""
    found: dict[str, Resources] = {}
    for one in solution.components:
        found[one.layer] = found.get(one.layer, Resources()) + one.total
    return found


LEGEND = "folding: tiles, then streams (s), or engines x lanes > channels drained a cycle"


def layer_table(solution: Solution) -> Table:
    """A row for each layer, and their sum; no wider than 80 columns."""
    names = ("mult", "cycles", "used", "LUT", "FF", "BRAM", "URAM", "DSP")
    right = [Column(name, justify="right", no_wrap=True) for name in names]
    left = [Column(name, no_wrap=True) for name in ("layer", "folding")]
    table = Table(*left, *right, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    taken = layer_resources(solution)
    for plan in solution.plans:
        table.add_row(
            plan.stage.name,
            plan.folding.text(),
            f"{plan.multipliers}",
            f"{plan.cycles}",
            f"{100 * utilisation(plan, solution.cycles):.0f} %",
            *_figures(taken[plan.stage.name]),
        )
    table.add_row("other", "", "", f"{solution.input_cycles}", "", *_figures(taken[""]))
    table.add_row("all", "", "", f"{solution.cycles}", "", *_figures(solution.resources))
    table.add_row("of an SLR", "", "", "", "", *_shares(solution.resources))
    return table


def span_table(solution: Solution) -> Table:
    """Where the cycles of a sample go, from its first beat to its result."""
    columns = [Column(name, justify="right") for name in ("from", "to", "cycles")]
    table = Table("part", *columns, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for span in solution.sample.spans:
        table.add_row(span.name, str(span.first), str(span.last), str(span.last - span.first + 1))
    return table


def summary(solution: Solution) -> str:
    """Bottleneck, latency and buffers in a few lines."""
    return (
        f"{LEGEND}\n"
        f"bottleneck: {solution.bottleneck}, {solution.cycles:,} cycles a sample; "
        f"latency {solution.sample.latency:,}\n"
        f"{100 * of_roofline(solution):.1f} % of its DSPs' two products a cycle\n"
        f"{solution.folding.frames} frames, {solution.folding.input_bytes} bytes a cycle; "
        "area is estimated"
    )


def next_step(solution: Solution, faster: Solution) -> str:
    """What the next faster machine costs."""
    before, after = solution.resources, faster.resources
    more = ", ".join(
        f"{late - early:+,.0f} {name}"
        for name, early, late in zip(NAMES, before.values, after.values, strict=True)
        if round(late - early)
    )
    return f"next step: {faster.cycles:,} cycles a sample, {more or 'in the same area'}"


def as_json(solution: Solution, faster: Solution | None) -> dict[str, Any]:
    """Folding and figures."""
    taken = layer_resources(solution)
    return {
        "network": solution.network.name,
        "folding": solution.folding.to_json(),
        "cycles_per_sample": solution.cycles,
        "latency_cycles": solution.sample.latency,
        "spans": {span.name: [span.first, span.last] for span in solution.sample.spans},
        "bottleneck": solution.bottleneck,
        "area": "estimated",
        "resources": solution.resources.as_dict(),
        "share_of_slr": shares(solution.resources),
        "of_roofline": round(of_roofline(solution), 4),
        "layers": {
            plan.stage.name: {
                "multipliers": plan.multipliers,
                "cycles": plan.cycles,
                "utilisation": round(utilisation(plan, solution.cycles), 4),
                **taken[plan.stage.name].as_dict(),
            }
            for plan in solution.plans
        },
        "next_step": None
        if faster is None
        else {"cycles_per_sample": faster.cycles, "resources": faster.resources.as_dict()},
    }


def shares(taken: Resources) -> dict[str, float]:
    """Shares of a super logic region."""
    each = zip(NAMES, taken.values, SLR.values, strict=True)
    return {name: round(value / whole, 4) for name, value, whole in each}


def _figures(taken: Resources) -> list[str]:
    return [
        f"{value:.1f}" if value % 1 and value < 100 else f"{value:.0f}" for value in taken.values
    ]


def _shares(taken: Resources) -> list[str]:
    return [f"{100 * share:.1f} %" for share in shares(taken).values()]

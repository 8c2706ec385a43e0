"""What the folding solver found, as tables and as JSON."""

from typing import Any

from rich.table import Column, Table

from twofold.hw.boards.resources import NAMES, Resources, share
from twofold.hw.contract.folding import Plan
from twofold.hw.solve.solver import Solution


def utilisation(plan: Plan, cycles: int) -> float:
    """Share of a layer's multiplier capacity over a sample's cycles that computes products."""
    return plan.products / (plan.multipliers * cycles)


def of_roofline(solution: Solution) -> float:
    """Share of the DSPs' peak multiplications that the machine uses."""
    needed = sum(plan.products for plan in solution.plans)
    most = solution.board.family.products_per_dsp * solution.resources.dsp
    return needed / (most * solution.cycles)


def layer_resources(solution: Solution) -> dict[str, Resources]:
    """What each layer uses; "" stands for what belongs to none."""
    found: dict[str, Resources] = {}
    for one in solution.components:
        found[one.layer] = found.get(one.layer, Resources()) + one.total
    return found


_PRODUCTS = {1: "one product", 2: "two products"}
LEGEND = "folding: tiles, then streams (s), or engines x lanes > channels drained a cycle"


def layer_table(solution: Solution) -> Table:
    """One row per layer, and the total; at most 80 columns wide."""
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
    table.add_row(f"of {solution.board.region_text}", "", "", "", "", *_shares(solution))
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
    each = solution.board.family.products_per_dsp
    return (
        f"{LEGEND}\n"
        f"bottleneck: {solution.bottleneck}, {solution.cycles:,} cycles a sample; "
        f"latency {solution.sample.latency:,}\n"
        f"{100 * of_roofline(solution):.1f} % of its DSPs' {_PRODUCTS[each]} a cycle\n"
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
    """Folding and figures as JSON values."""
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
        "share_of_slr": shares(solution),
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


def shares(solution: Solution) -> dict[str, float]:
    """Shares of a region of the board."""
    each = zip(NAMES, share(solution.resources, solution.board.region), strict=True)
    return {name: round(part, 4) for name, part in each}


def _figures(taken: Resources) -> list[str]:
    return [
        f"{value:.1f}" if value % 1 and value < 100 else f"{value:.0f}" for value in taken.values
    ]


def _shares(solution: Solution) -> list[str]:
    return [f"{100 * part:.1f} %" for part in shares(solution).values()]

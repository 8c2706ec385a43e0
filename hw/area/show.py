"""Resources of a machine as a table on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Column, Table

from twofold.hw.boards import default
from twofold.hw.boards.board import Board
from twofold.hw.boards.resources import NAMES


def table(figures: dict[str, Any], board: Board | None = None) -> None:
    """Print engines, sum, shares and deepest paths of a variant (see `twofold.hw.area.report`)."""
    rows = Table("engine", *(Column(name, justify="right") for name in NAMES))
    for engine, taken in figures["engines"].items():
        rows.add_row(engine, *(f"{taken[name]:,}" for name in NAMES))
    rows.add_section()
    rows.add_row("all", *(f"{figures[name]:,}" for name in NAMES))
    shares = figures["share_of_slr"]
    rows.add_row(
        f"of {(board or default()).region_text}", *(f"{100 * shares[name]:.1f} %" for name in NAMES)
    )
    console = Console()
    console.print(rows)
    deepest, slowest = figures["deepest"], figures["slowest"]
    console.print(
        f"deepest path: {deepest['lut_levels']} LUT levels, {deepest['carry_bits']} carry bits in "
        f"{deepest['part']}\nslowest path: {slowest['delay_ns_estimated']} ns of "
        f"{figures['clock_ns']} ns in {slowest['part']} (estimated)"
    )
    if figures["modelled_parts"]:
        console.print(f"from the area model: {', '.join(figures['modelled_parts'])}")
    if figures["over_ceiling"]:
        console.print(f"over the ceiling: {', '.join(figures['over_ceiling'])}")

"""``twofold devices``: the cards in this computer, and what else can run a network."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twofold.sw.cli.options import add_json

if TYPE_CHECKING:
    from twofold.sw.xrt.cards import Card

HELP = "list cards with shell, link, temperature and power, and what else can run a network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold devices``."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    from twofold.sw.driver.opening import available
    from twofold.sw.xrt.cards import cards
    from twofold.sw.xrt.library import emulated, library_reason

    found = cards()
    cpu = _cpu()
    missing = library_reason()
    if args.json:
        tree = {
            "cards": [asdict(card) for card in found],
            "cpu": cpu,
            "devices": available(),
            "emulation": emulated(),
            "xrt": missing is None,
        }
        print(json.dumps(tree))
        return 0
    for number, card in enumerate(found):
        print(f"xrt:{number}  {_describe(card)}")
    if not found:
        print("no card: none is on the bus, or XRT's kernel drivers are not loaded")
    if emulated():
        print("xrt:0  emulation of a card, by XRT")
    kernels = f"{cpu['isa']} kernels" if cpu["isa"] else cpu["missing"]
    print(f"cpu    {kernels}, {cpu['threads']} threads")
    print(f"XRT    {missing or 'loads'}")
    return 0


def _cpu() -> dict[str, Any]:
    """The CPU engine: its instruction set, or why the compiled library is missing."""
    import os

    from twofold.hw.contract.errors import ToolError
    from twofold.sw.cpu import available_isas

    cpu = {"isa": None, "missing": None, "threads": len(os.sched_getaffinity(0))}
    try:
        return cpu | {"isa": available_isas()[-1]}
    except ToolError as error:
        return cpu | {"missing": str(error)}


def _describe(card: "Card") -> str:
    """One line about a card; unknown values are left out."""
    parts = [card.address, card.shell or "no shell: program it"]
    if not card.ready:
        parts.append("not ready")
    if card.link_width is not None:
        parts.append(f"PCIe x{card.link_width} of x{card.link_width_max} {card.link_speed}")
    if card.temperature is not None:
        parts.append(f"{card.temperature} °C")
    if card.power is not None:
        parts.append(f"{card.power:.1f} W")
    return ", ".join(parts)

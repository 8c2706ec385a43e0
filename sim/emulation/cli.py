"""``twofold emulate``: samples through the real XRT on an emulated card."""

import argparse
import json
from pathlib import Path

from twofold.hw.contract.options import add_folding, add_network
from twofold.sim.cli import EXIT_MISMATCH, sample_count, shipped
from twofold.sw.data.options import add_data

HELP = "run samples through PYNQ and XRT on an emulated card and compare them with the golden model"
BACKENDS = ("pynq", "xrt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold emulate``."""
    add_network(parser, "tiny")
    add_folding(parser)
    parser.add_argument("--units", type=int, default=1, help="compute units, 1 to 4 (default: 1)")
    parser.add_argument(
        "--samples", type=sample_count, default=10, help="number of samples, or 'all' (default: 10)"
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, action="append", help="only this one (default: both)"
    )
    add_data(parser)
    parser.add_argument(
        "--seconds", type=float, default=1800.0, help="that a back-end may take (default: 1800)"
    )
    parser.add_argument(
        "--bitstreams", type=Path, default=Path("bitstreams"), help="directory of all builds"
    )
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Emulate and report; returns 1 when a sample differs from the golden model.

    Raises ToolError without XRT, and whatever samples, folding and tools raise.
    """
    from rich.console import Console

    from twofold.hw.contract.presets import canonical_variant
    from twofold.hw.verilog.cache import write_atomically
    from twofold.sim.emulation.emulate import Task, emulate
    from twofold.sim.emulation.environment import check
    from twofold.sim.progress import Steps
    from twofold.sim.workloads.samples import choose
    from twofold.sw.artefacts import QuantizedNetwork

    check()
    path = shipped(args.net, canonical_variant(args.variant))
    quantized = QuantizedNetwork.load(path)
    with Steps(Console(stderr=True)) as steps:
        workload = choose(
            quantized.network, samples=args.samples, data=args.data, front=quantized.front_end
        )
        task = Task(
            network=path,
            folding=args.folding,
            inputs=workload.inputs,
            units=args.units,
            backends=tuple(args.backend or BACKENDS),
            seconds=args.seconds,
        )
        found = emulate(task, args.bitstreams, args.build, steps)
    tree = {**found.to_json(), "source": workload.source}
    write_atomically(args.build / "reports" / "emulation.json", json.dumps(tree, indent=1) + "\n")
    if args.json:
        print(json.dumps(tree))
    else:
        _show(tree)
    return 0 if found.passed else EXIT_MISMATCH


def _show(tree: dict) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Column, Table

    columns = [
        Column(name, justify="right") for name in ("samples", "mismatches", "seconds", "whole")
    ]
    table = Table("back-end", *columns, box=SIMPLE, pad_edge=False)
    for one in tree["backends"]:
        seconds = (f"{one['seconds']:.2f}", f"{one['whole_seconds']:.2f}")
        table.add_row(one["backend"], f"{one['samples']:,}", f"{one['mismatches']:,}", *seconds)
    console = Console()
    console.print(table)
    units = f"{tree['units']} unit{'s' * (tree['units'] > 1)}"
    console.print(f"{tree['network']}, folding {tree['folding']}, {units}: {tree['source']}")

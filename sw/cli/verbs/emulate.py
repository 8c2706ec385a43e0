"""``twofold emulate``: run samples through the real XRT on an emulated card."""

import argparse
import json
import sys

from twofold.sw import ranges
from twofold.sw.cli.options import (
    EXIT_MISMATCH,
    add_bitstreams,
    add_build,
    add_json,
    add_machine,
    add_workload,
    machine_for,
    network_file,
    report_subject,
    samples,
)
from twofold.sw.xrt.library import RUNTIMES

HELP = "run samples through PYNQ and XRT on an emulated card and compare them with the golden model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold emulate``."""
    add_machine(parser, "tiny")
    parser.add_argument(
        "--units", type=ranges.UNITS, default=1,
        help="compute units, one a region at most (default: 1)",
    )  # fmt: skip
    add_workload(parser)
    parser.add_argument(
        "--backend", choices=RUNTIMES, action="append", help="only this one (default: both)"
    )
    parser.add_argument(
        "--seconds", type=ranges.SECONDS, default=1800.0,
        help="that a back-end may take (default: 1800)",
    )  # fmt: skip
    add_bitstreams(parser)
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Emulate and report; returns 1 if a sample differs from the golden model.

    Raises ToolError without XRT, BoardError, and what reading samples, folding and tools raise.
    """
    from rich.console import Console

    from twofold.hw.contract.reports import write_report
    from twofold.sim.emulation.emulate import Task, emulate
    from twofold.sim.emulation.environment import check
    from twofold.sim.workloads.samples import choose
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.cli.progress import Steps
    from twofold.sw.inputs import default_data

    check()
    path = network_file(args)
    quantized = QuantizedNetwork.load(path)
    machine = machine_for(args, quantized.network)
    with Steps(Console(stderr=True)) as steps:
        workload = choose(
            quantized,
            samples=samples(args),
            data=args.data if args.input else default_data(quantized, args.data),
            inputs=args.input,
        )
        task = Task(
            network=path,
            machine=machine,
            inputs=workload.inputs,
            units=args.units,
            backends=tuple(args.backend or RUNTIMES),
            seconds=args.seconds,
        )
        found = emulate(task, args.bitstreams, args.build, steps)
    for line in workload.remarks:
        print(f"note: {line}", file=sys.stderr)
    tree = {**found.to_json(), "source": workload.source}
    subject = report_subject(args, machine.name)
    write_report(args.build, "emulation.json", subject, json.dumps(tree, indent=1) + "\n")
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
    console.print(f"{tree['network']} on machine {tree['machine']}, {units}: {tree['source']}")

"""``twofold sim``: run a network through the RTL and compare every layer with the golden model."""

import argparse
import json
import sys
from pathlib import Path

from twofold.sw.cli.options import (
    EXIT_MISMATCH,
    add_build,
    add_json,
    add_machine,
    add_workload,
    machine_for,
    quantized,
    report_subject,
    samples,
)

HELP = "run samples through the machine's RTL and compare every layer with the golden model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold sim``."""
    add_machine(parser)
    add_workload(parser)
    parser.add_argument("--wav", type=Path, help="audio file to take as the sample")
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Simulate and report; returns 1 if anything differs from the golden model.

    Raises any TwofoldError: from the network file, the samples, the folding or the tools.
    """
    from rich.console import Console

    from twofold.hw.contract.presets import parts
    from twofold.hw.contract.reports import write_report
    from twofold.sim.report import as_json, show
    from twofold.sim.simulate import simulate
    from twofold.sim.workloads.samples import choose
    from twofold.sw.bench.accuracy import recorded
    from twofold.sw.cli.progress import Steps
    from twofold.sw.inputs import default_data

    network = quantized(args)
    machine = machine_for(args, network.network)
    with Steps(Console(stderr=True)) as steps:
        named = args.wav or args.input
        given = args.data if named else default_data(network, args.data)
        workload = choose(
            network,
            samples=samples(args),
            data=given,
            wav=args.wav,
            inputs=args.input,
            done=lambda done, total: steps("samples to send", done, total),
        )
        simulation = simulate(network, machine.folding, workload, args.build, report=steps)
    for line in workload.remarks:
        print(f"note: {line}", file=sys.stderr)
    simulation.figures.update(machine=machine.name, fingerprint=machine.fingerprint.hex())
    simulation.figures["network_accuracy"] = recorded(network)
    known = parts(machine.name)
    if known is not None:
        simulation.figures.update(zip(("net", "variant", "folding"), known, strict=True))
    write_report(args.build, "sim.json", report_subject(args, machine.name), as_json(simulation))
    if args.json:
        print(json.dumps(simulation.figures))
    else:
        show(simulation, Console())
    return 0 if simulation.passed else EXIT_MISMATCH

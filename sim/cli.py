"""``twofold sim``: a network through the RTL, every layer compared with the golden model."""

import argparse
import json
import sys
from pathlib import Path

from twofold.hw.contract.options import add_folding, add_network
from twofold.sw.data.options import add_data

HELP = "run samples through the machine's RTL and compare every layer with the golden model"
EXIT_MISMATCH = 1


def sample_count(text: str) -> int | None:
    """Number of samples, None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"samples is {text!r}, needs a number >= 1 or 'all'")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold sim``."""
    add_network(parser)
    parser.add_argument("--network", type=Path, help="quantized network (.npz) to take instead")
    add_folding(parser)
    parser.add_argument(
        "--samples", type=sample_count, default=10, help="number of samples, or 'all' (default: 10)"
    )
    add_data(parser)
    parser.add_argument("--wav", type=Path, help="audio file to take as the sample")
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Simulate and report; returns 1 when anything differs from the golden model.

    Raises any TwofoldError: of the network file, the samples, the folding or the tools.
    """
    from rich.console import Console

    from twofold.hw.contract.files import read_bytes
    from twofold.hw.contract.presets import canonical_variant, folding_for
    from twofold.hw.contract.reports import subject_of, write_report
    from twofold.sim.progress import Steps
    from twofold.sim.report import as_json, show
    from twofold.sim.simulate import simulate
    from twofold.sim.workloads.samples import choose
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.container import FILE_BYTES_MAX
    from twofold.sw.inputs import default_data

    variant = canonical_variant(args.variant)
    path = args.network or shipped(args.net, variant)
    quantized = QuantizedNetwork.load(path)
    folding = folding_for(quantized.network, args.folding)
    with Steps(Console(stderr=True)) as steps:
        given = args.data if args.wav else default_data(quantized, args.data)
        workload = choose(
            quantized,
            samples=args.samples,
            data=given,
            wav=args.wav,
            done=lambda done, total: steps("samples to send", done, total),
        )
        simulation = simulate(quantized, folding, workload, args.build, report=steps)
    for line in workload.remarks:
        print(f"note: {line}", file=sys.stderr)
    name, _, found = quantized.network.name.partition("-")
    simulation.figures.update(net=name, variant=found, folding=args.folding)
    own = b"" if args.network is None else read_bytes(args.network, FILE_BYTES_MAX)
    subject = subject_of(quantized.network.name, args.folding, content=own)
    write_report(args.build, "sim.json", subject, as_json(simulation))
    if args.json:
        print(json.dumps(simulation.figures))
    else:
        show(simulation, Console())
    return 0 if simulation.passed else EXIT_MISMATCH


def shipped(net: str, variant: str) -> Path:
    """File of a shipped network."""
    from twofold.sw.artefacts.shipped import shipped as find

    return find(net, variant)

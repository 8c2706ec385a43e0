"""``twofold sim``: a network through the RTL, every layer compared with the golden model."""

import argparse
import json
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

    from twofold.hw.contract.presets import canonical_variant, folding_for
    from twofold.sim.progress import Steps
    from twofold.sim.report import show, write_report
    from twofold.sim.simulate import simulate
    from twofold.sim.workloads.samples import choose
    from twofold.sw.artefacts import QuantizedNetwork

    variant = canonical_variant(args.variant)
    path = args.network or shipped(args.net, variant)
    quantized = QuantizedNetwork.load(path)
    folding = folding_for(quantized.network, args.folding)
    with Steps(Console(stderr=True)) as steps:
        workload = choose(
            quantized.network,
            samples=args.samples,
            data=args.data,
            wav=args.wav,
            front=quantized.front_end,
            done=lambda done, total: steps("samples to send", done, total),
        )
        simulation = simulate(quantized, folding, workload, args.build, report=steps)
    name, _, found = quantized.network.name.partition("-")
    simulation.figures.update(net=name, variant=found, folding=args.folding)
    # The latest run by a fixed name, and the latest of each machine for the comparison.
    for report in ("sim", f"sim-{name}-{found}-{args.folding}"):
        write_report(simulation, args.build / "reports" / f"{report}.json")
    if args.json:
        print(json.dumps(simulation.figures))
    else:
        show(simulation, Console())
    return 0 if simulation.passed else EXIT_MISMATCH


def shipped(net: str, variant: str) -> Path:
    """File of a shipped network."""
    from twofold.sw.artefacts.shipped import shipped as find

    return find(net, variant)

"""``twofold sim``: a network through the RTL, every layer compared with the golden model."""

import argparse
import json
from pathlib import Path

from hw.contract.options import add_folding, add_network
from sw.data.options import add_data

HELP = "run words through the machine's RTL and compare every layer with the golden model"
EXIT_MISMATCH = 1


def word_count(text: str) -> int | None:
    """Number of words, None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"words is {text!r}, needs a number >= 1 or 'all'")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold sim``."""
    add_network(parser)
    parser.add_argument("--network", type=Path, help="quantized network (.npz) to take instead")
    add_folding(parser)
    parser.add_argument(
        "--words", type=word_count, default=10, help="number of words, or 'all' (default: 10)"
    )
    add_data(parser)
    parser.add_argument("--wav", type=Path, help="audio file to take as the word")
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Simulate and report; returns 1 when anything differs from the golden model.

    Raises any TwofoldError: of the network file, the words, the folding or the tools.
    """
    from rich.console import Console

    from hw.contract.presets import canonical_variant, folding_for
    from sim.progress import Steps
    from sim.report import show, write_report
    from sim.simulate import simulate
    from sim.workloads.words import choose
    from sw.artefacts import QuantizedNetwork

    variant = canonical_variant(args.variant)
    path = args.network or shipped(args.net, variant)
    quantized = QuantizedNetwork.load(path)
    folding = folding_for(quantized.network, args.folding)
    with Steps(Console(stderr=True)) as steps:
        workload = choose(
            quantized.network,
            words=args.words,
            data=args.data,
            wav=args.wav,
            done=lambda done, total: steps("words to send", done, total),
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
    from sw.artefacts.shipped import shipped as find

    return find(net, variant)

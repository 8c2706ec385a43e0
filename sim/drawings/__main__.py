"""Drawings of the documentation: ``python -m twofold.sim.drawings --out docs/pictures``."""

import argparse
import sys
from pathlib import Path

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.shipped import machine
from twofold.sim.drawings import blocks, word
from twofold.sim.workloads.samples import choose
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file


def draw(network: str, folding: str, folder: Path) -> list[Path]:
    """Write ``word.png`` and ``machine.png`` of a shipped network. Raises any TwofoldError."""
    quantized = QuantizedNetwork.load(shipped_file(network))
    chosen = machine(f"{network}-{folding}")
    workload = choose(quantized, samples=1)
    folder.mkdir(parents=True, exist_ok=True)
    spoken = workload.names[0]
    return [
        word.draw(quantized, chosen, workload.inputs[0], spoken, folder / "word.png"),
        blocks.draw(chosen, folder / "machine.png"),
    ]


def main(argv: list[str] | None = None) -> int:
    """Run with ``argv``; an error prints one line to stderr and gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m twofold.sim.drawings", description=__doc__)
    parser.add_argument("--network", default="gsc-fast", help="a shipped network")
    parser.add_argument("--folding", default="full", help="of its shipped machine")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="folder")
    args = parser.parse_args(argv)
    try:
        for path in draw(args.network, args.folding, args.out):
            print(path)
    except TwofoldError as error:
        print(f"drawings: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

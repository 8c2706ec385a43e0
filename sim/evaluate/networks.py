"""Random networks through all that computes them: ``python -m twofold.sim.evaluate.networks``.

Of every network the same samples go through the golden model, PyTorch, ONNX Runtime and the CPU
engine with each instruction set that this processor has; every logit has to be the same.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.sim.evaluate.backends import golden, onnx, pytorch
from twofold.sim.workloads.random_network import random_inputs, random_network, random_quantized
from twofold.sw import ranges
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cpu import CpuEngine, available_isas
from twofold.sw.errors import OnnxError

SAMPLES, COUNT = 24, 1000
EXIT_MISMATCH = 1

Logits = NDArray[np.int32]
Reader = Callable[[QuantizedNetwork, NDArray[np.uint8]], Logits]


@dataclass
class Tally:
    """What was compared with the golden model.

    Attributes
    ----------
    networks, logits: how many.
    mismatches: logits that differ.
    refused: networks that the reader does not take, with one line why.
    seeds: of networks that differ.
    """

    networks: int
    logits: int
    mismatches: int
    refused: int
    seeds: list[int]


def readers() -> dict[str, Reader]:
    """Everything to compare with the golden model, by name."""
    engines = {f"cpu, {isa}": partial(_engine, isa) for isa in available_isas()}
    return {"torch": pytorch, "onnxruntime": onnx, **engines}


def compare(
    seeds: Sequence[int], against: Mapping[str, Reader], samples: int = SAMPLES
) -> dict[str, Tally]:
    """Tallies by reader. Half of the networks are ones that the machine takes, half any others."""
    found = {name: Tally(0, 0, 0, 0, []) for name in against}
    for seed, quantized, inputs in _networks(seeds, samples):
        expected = golden(quantized, inputs)
        for name, reader in against.items():
            tally = found[name]
            try:
                logits = reader(quantized, inputs)
            except OnnxError:
                tally.refused += 1
                continue
            wrong = int(np.count_nonzero(logits != expected))
            tally.networks += 1
            tally.logits += expected.size
            tally.mismatches += wrong
            tally.seeds += [seed] if wrong else []
    return found


def _networks(
    seeds: Sequence[int], samples: int
) -> Iterator[tuple[int, QuantizedNetwork, NDArray[np.uint8]]]:
    for seed in seeds:
        network = random_network(seed, machine=bool(seed % 2))
        yield seed, random_quantized(network, seed), random_inputs(network, samples, seed)


def _engine(isa: str, quantized: QuantizedNetwork, inputs: NDArray[np.uint8]) -> Logits:
    with CpuEngine(quantized, threads=2, isa=isa) as engine:
        return engine.infer(inputs)[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print; returns 1 if a logit differs."""
    parser = argparse.ArgumentParser(
        prog="python -m twofold.sim.evaluate.networks", description=__doc__
    )
    parser.add_argument(
        "--count", type=ranges.SAMPLES, default=COUNT, help="of networks (%(default)s)"
    )
    parser.add_argument(
        "--first", type=ranges.SEED, default=0, help="seed of the first (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    try:
        found = compare(range(args.first, args.first + args.count), readers())
    except TwofoldError as error:
        print(f"networks: {error}", file=sys.stderr)
        return error.exit_code
    if args.json:
        print(json.dumps({name: asdict(tally) for name, tally in found.items()}))
    else:
        for name, one in found.items():
            print(
                f"{name:14} {one.networks:,} networks, {one.logits:,} logits, "
                f"{one.mismatches:,} mismatches, {one.refused:,} not taken {one.seeds or ''}"
            )
    return EXIT_MISMATCH if any(tally.mismatches for tally in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

"""``twofold import``: read a quantized ONNX model into a network for the machine."""

import argparse
from pathlib import Path
from typing import Any

from twofold.sw import ranges
from twofold.sw.cli.options import EXIT_MISMATCH, add_json

STEP, ZERO = ranges.real(1e-30, 1e30), ranges.whole(0, 255)
HELP = "read a quantized ONNX model, find its sparsity, and write a network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold import``."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("model", type=Path, nargs="?", metavar="ONNX", help="model to read")
    source.add_argument("--onnx", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, required=True, help="quantized network to write (.npz)")
    parser.add_argument("--name", help="name of the network (default: the graph's)")
    parser.add_argument(
        "--raw", action="store_true", help="outputs are numbers, not logits of classes: no label"
    )
    parser.add_argument(
        "--input",
        metavar="KIND",
        help="what the network takes: array, picture or audio:FRONT_END "
        "(default: what the model says, else array)",
    )
    parser.add_argument(
        "--scale",
        type=scale,
        metavar="STEP[:ZERO]",
        help="step of the input's bytes, and the byte that stands for 0, for a model that takes "
        "floats and does not quantize them",
    )
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="FILE",
        help="compare with the model in ONNX Runtime on these samples (.npy, .npz): what the model "
        "takes, or uint8",
    )
    add_json(parser)


def scale(text: str) -> Any:
    """A scale as ``STEP`` or ``STEP:ZERO``. Raises ArgumentTypeError."""
    from twofold.sw.errors import OnnxError
    from twofold.sw.onnx.importer.graph import Scale

    step, _, zero = text.partition(":")
    try:
        return Scale(STEP(step), int(ZERO(zero or "0")))
    except OnnxError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def run(args: argparse.Namespace) -> int:
    """Import, and with ``--verify`` compare; returns 1 where labels differ.

    Raises OnnxError naming the nodes that do not fit, ArtefactError, InputError.
    """
    import json

    from twofold.hw.contract.files import read_bytes
    from twofold.sw.artefacts.input import parse_input
    from twofold.sw.onnx.importer.assemble import import_onnx
    from twofold.sw.onnx.importer.graph import BYTES_MAX
    from twofold.sw.onnx.importer.summary import lines, summary, verification_lines

    content = read_bytes(args.model or args.onnx, BYTES_MAX)
    stated = None if args.input is None else parse_input(args.input)
    quantized = import_onnx(content, args.name, raw=args.raw, stated=stated, scale=args.scale)
    quantized.save(args.out)
    found, verified = summary(quantized), None
    if args.verify is not None:
        from twofold.sw.inputs.arrays import load
        from twofold.sw.onnx.importer.verify import verify

        verified = verify(content, quantized, load(args.verify)[0])
        found["verification"] = verified.as_json()
    if args.json:
        print(json.dumps(found))
    else:
        print(f"{args.out}: {quantized.network.name}")
        print("\n".join(lines(found)))
        if verified is not None:
            print("\n".join(verification_lines(verified)))
    return 0 if verified is None or verified.labels == 1 else EXIT_MISMATCH

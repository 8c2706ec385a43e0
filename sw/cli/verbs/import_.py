"""``twofold import``: read a quantized ONNX model into a network for the machine."""

import argparse
from pathlib import Path

HELP = "read a quantized ONNX model (QDQ), find its sparsity, and write a network"


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
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Import. Raises OnnxError, naming the node that does not fit, or ArtefactError."""
    import json

    from twofold.hw.contract.files import read_bytes
    from twofold.sw.onnx.importer.assemble import import_onnx
    from twofold.sw.onnx.importer.graph import BYTES_MAX
    from twofold.sw.onnx.importer.summary import lines, summary

    quantized = import_onnx(read_bytes(args.model or args.onnx, BYTES_MAX), args.name, raw=args.raw)
    quantized.save(args.out)
    found = summary(quantized)
    if args.json:
        print(json.dumps(found))
    else:
        print(f"{args.out}: {quantized.network.name}")
        print("\n".join(lines(found)))
    return 0

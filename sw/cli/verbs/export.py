"""``twofold export``: write a network as standard ONNX."""

import argparse
import json
from pathlib import Path

from twofold.sw.cli.options import add_json, add_network, quantized

HELP = "export a quantized network to standard ONNX (QDQ) that gives the same integers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold export``."""
    add_network(parser, machine=False)
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Export. Raises ArtefactError or OnnxError."""
    from twofold.sw.onnx.export.graph import OPSET
    from twofold.sw.onnx.export.onnx import save

    found = quantized(args)
    length = save(found, args.out)
    name = found.network.name
    if args.json:
        tree = {"file": str(args.out), "network": name, "opset": OPSET, "bytes": length}
        print(json.dumps(tree))
        return 0
    print(f"{args.out}: {name}, ONNX opset {OPSET}, {length} bytes, checked")
    return 0

"""``twofold export``: write a network as standard ONNX."""

import argparse
from pathlib import Path

HELP = "export a quantized network to standard ONNX (QDQ) that gives the same integers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold export``."""
    parser.add_argument("--network", type=Path, required=True, help="quantized network (.npz)")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")


def run(args: argparse.Namespace) -> int:
    """Export. Raises ArtefactError or OnnxError."""
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.onnx.export.graph import OPSET
    from twofold.sw.onnx.export.onnx import save

    quantized = QuantizedNetwork.load(args.network)
    length = save(quantized, args.out)
    print(f"{args.out}: {quantized.network.name}, ONNX opset {OPSET}, {length} bytes, checked")
    return 0

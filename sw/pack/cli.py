"""``twofold pack``: write the image that loads a network into the machine."""

import argparse
import json
import zlib
from pathlib import Path

from twofold.hw.contract.options import add_folding

HELP = "pack a quantized network into the image that is loaded into the machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold pack``."""
    parser.add_argument("--network", type=Path, required=True, help="quantized network (.npz)")
    add_folding(parser)
    parser.add_argument("--out", type=Path, required=True, help="image to write")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Pack; prints a summary. Raises ArtefactError, FoldingError or ParameterError."""
    from twofold.hw.contract.files import write_bytes
    from twofold.hw.contract.fingerprint import fingerprint
    from twofold.hw.contract.presets import folding_for
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.pack.packer import pack

    quantized = QuantizedNetwork.load(args.network)
    folding = folding_for(quantized.network, args.folding)
    content = pack(quantized, folding)
    write_bytes(args.out, content)
    summary = {
        "image": str(args.out),
        "network": quantized.network.name,
        "folding": args.folding,
        "bytes": len(content),
        "weights": sum(stage.weights for stage in quantized.network.stages),
        "crc32": f"{zlib.crc32(content[:-4]):08x}",
        "fingerprint": fingerprint(quantized.network, folding).hex(),
    }
    if args.json:
        print(json.dumps(summary))
    else:
        print(
            f"{args.out}: {quantized.network.name} for the {args.folding} machine "
            f"{summary['fingerprint'][:12]}, {len(content)} bytes, CRC-32 {summary['crc32']}"
        )
    return 0

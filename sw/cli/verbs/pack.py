"""``twofold pack``: write the parameter image that loads a network into the machine."""

import argparse
import json
import zlib
from pathlib import Path

from twofold.sw.cli.options import add_json, add_machine, machine_for, quantized

HELP = "pack a quantized network into the image that is loaded into the machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold pack``."""
    add_machine(parser)
    parser.add_argument("--out", type=Path, required=True, help="image to write")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Pack and print a summary. Raises ArtefactError, FoldingError or ParameterError."""
    from twofold.hw.contract.files import write_bytes
    from twofold.sw.pack.packer import pack

    found = quantized(args)
    machine = machine_for(args, found.network)
    content = pack(found, machine.folding)
    write_bytes(args.out, content)
    summary = {
        "image": str(args.out),
        "network": found.network.name,
        "machine": machine.name,
        "bytes": len(content),
        "weights": sum(stage.weights for stage in found.network.stages),
        "crc32": f"{zlib.crc32(content[:-4]):08x}",
        "fingerprint": machine.fingerprint.hex(),
    }
    if args.json:
        print(json.dumps(summary))
    else:
        print(
            f"{args.out}: {found.network.name} for the machine {machine.name}, "
            f"{summary['fingerprint'][:12]}, {len(content)} bytes, CRC-32 {summary['crc32']}"
        )
    return 0

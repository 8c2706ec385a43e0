"""``twofold infer``: classify files."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import quantized

HELP = "classify recordings, pictures or arrays on a card, or on the processor where there is none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold infer``."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE",
        help="arrays (.npy, .npz); recordings or pictures for a network that takes them",
    )  # fmt: skip
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Classify and print one line per sample; files that cannot be read do not stop the others.

    Returns the exit code of the first such file, else 0. Raises their error if no file can be read,
    and what the device raises.
    """
    from twofold.sw.driver.classify import classify
    from twofold.sw.inputs import read_inputs

    network = quantized(args)
    inputs = read_inputs(network, args.files)
    if not inputs.names:
        inputs.complete()
    with opened(args, network) as (accelerator, reason):
        rows = classify(accelerator, network, inputs)
        names = ", ".join(device.name for device in accelerator.devices)
    for line in inputs.remarks:
        print(f"note: {line}", file=sys.stderr)
    if args.json:
        tree = {"device": names, "network": network.network.name, "files": rows}
        print(json.dumps(tree | {"remarks": list(inputs.remarks)}))
    else:
        print(f"{network.network.name} on {names}: {reason}", file=sys.stderr)
        _show(rows)
    return inputs.exit_code


def _show(rows: list[dict[str, Any]]) -> None:
    width = max(len(row["file"]) for row in rows)
    for row in rows:
        if "error" in row:
            print(f"{row['file']:{width}}  not read: {row['error']}", file=sys.stderr)
        elif "label" not in row:
            print(f"{row['file']:{width}}  {' '.join(map(str, row['logits']))}")
        else:
            print(f"{row['file']:{width}}  {row['label']:8}  {100 * row['score']:5.1f} %")

"""``twofold infer``: classify files."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twofold.sw.cli.cluster import add_cluster, cluster, plan_for, scale_of
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import network_file, quantized

HELP = "classify recordings, pictures or arrays on a card, or on the processor where there is none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold infer``."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE",
        help="arrays (.npy, .npz); recordings or pictures for a network that takes them; "
        "with --ray also folders of recordings",
    )  # fmt: skip
    add_cluster(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Classify and print one line per sample; files that cannot be read do not stop the others.

    Returns the exit code of the first such file, else 0. Raises their error if no file can be read,
    and what the device raises.
    """
    if args.ray:
        return _on_cluster(args)
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


def _on_cluster(args: argparse.Namespace) -> int:
    """The same through a cluster of Ray, whose nodes read the files themselves; folders are
    searched for recordings.
    """
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.live.sources import audio_files
    from twofold.sw.rack.offline import infer_files

    file = network_file(args)
    network = QuantizedNetwork.load(file)
    files = [one for path in args.files for one in (audio_files(path) if path.is_dir() else [path])]
    plan = plan_for(args, network, file)
    with cluster(args) as ray:
        rows = infer_files(ray, plan, files, scale_of(args))
    codes = [row.pop("code") for row in rows if "code" in row]
    if args.json:
        tree = {"device": "cluster", "network": network.network.name, "files": rows}
        print(json.dumps(tree | {"remarks": []}))
    else:
        print(f"{network.network.name} on a cluster", file=sys.stderr)
        _show(rows)
    return codes[0] if codes else 0


def _show(rows: list[dict[str, Any]]) -> None:
    width = max(len(row["file"]) for row in rows)
    for row in rows:
        if "error" in row:
            print(f"{row['file']:{width}}  not read: {row['error']}", file=sys.stderr)
        elif "label" not in row:
            print(f"{row['file']:{width}}  {' '.join(map(str, row['logits']))}")
        else:
            print(f"{row['file']:{width}}  {row['label']:8}  {100 * row['score']:5.1f} %")

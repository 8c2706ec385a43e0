"""``twofold infer``: what is said in audio files."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw.driver.cli.options import add_device, opened, quantized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twofold.sw.artefacts import QuantizedNetwork

HELP = "classify audio files on a card, or on the processor where there is none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold infer``."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="audio, mono")
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Classify and print a line for each file. Raises AudioError and what the device raises."""
    network = quantized(args)
    inputs = _read(args.files, network)
    with opened(args, network) as (accelerator, reason):
        logits, labels = accelerator.infer(inputs)
        names = ", ".join(device.name for device in accelerator.devices)
    rows = _rows(args.files, network, logits, labels)
    if args.json:
        print(json.dumps({"device": names, "network": network.network.name, "files": rows}))
        return 0
    print(f"{network.network.name} on {names}: {reason}", file=sys.stderr)
    width = max(len(row["file"]) for row in rows)
    for row in rows:
        print(f"{row['file']:{width}}  {row['label']:8}  {100 * row['score']:5.1f} %")
    return 0


def _read(files: list[Path], network: "QuantizedNetwork") -> "NDArray[np.uint8]":
    import numpy as np

    from twofold.hw.contract.errors import NetworkError
    from twofold.sw.data.audio import read_clip
    from twofold.sw.data.features import BANDS, FRAMES
    from twofold.sw.data.frontend import front_end

    shape = network.network.input_shape
    if shape != (1, FRAMES, BANDS):
        raise NetworkError(
            f"{network.network.name} takes {list(shape)}, audio gives [1, {FRAMES}, {BANDS}]; "
            "choose a network for speech"
        )
    make = front_end(network.front_end)
    return make(np.stack([read_clip(path) for path in files]))


def _rows(
    files: list[Path],
    network: "QuantizedNetwork",
    logits: "NDArray[np.int32]",
    labels: "NDArray[np.int32]",
) -> list[dict[str, Any]]:
    scores = network.probabilities(logits)
    return [
        {
            "file": str(path),
            "label": network.network.labels[int(label)],
            "score": round(float(score[int(label)]), 4),
            "logits": [int(one) for one in row],
        }
        for path, label, score, row in zip(files, labels, scores, logits, strict=True)
    ]

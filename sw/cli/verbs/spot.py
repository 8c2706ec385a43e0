"""``twofold spot``: hits, misses and false alarms in a long recording."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.deciding import add_decision, decision
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import VARIANT_CHOICES, add_data, named_network, quantized
from twofold.sw.data.options import DATA_VARIABLE, data_folder
from twofold.sw.errors import DatasetError, InputError

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.decision import Decision
    from twofold.sw.driver import Accelerator
    from twofold.sw.evaluate.recording import Recording
    from twofold.sw.evaluate.spotting import Point
    from twofold.sw.live.decide import Candidate

HELP = "find words in a long recording: hits, misses, false alarms an hour over the threshold"
SNRS = (20.0, 10.0, 5.0)
MINUTES, ALARMS = 20.0, 10.0
PIECE = 8 * 16_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold spot``."""
    add_data(parser, otherwise="")
    parser.add_argument("--split", default="test", help="clips to lay into noise (%(default)s)")
    parser.add_argument(
        "--minutes", type=ranges.real(0.1, 600), default=MINUTES,
        help="length of a recording (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--snr", type=ranges.real(-20, 60), action="append", metavar="DB",
        help="signal-to-noise ratio of a recording; may be repeated (default: 20, 10, 5)",
    )  # fmt: skip
    parser.add_argument("--seed", type=ranges.SEED, default=0, help="of clips, places and noise")
    parser.add_argument(
        "--beside", choices=VARIANT_CHOICES, action="append", default=[], metavar="VARIANT",
        help="another shipped variant on the same recordings; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--alarms", type=ranges.real(0, 1_000_000), default=ALARMS, metavar="N",
        help="choose the threshold with the fewest misses for N false alarms an hour (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--picture", type=Path, metavar="FILE", help="the curves (.png)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="write the network with this decision and the chosen threshold",
    )  # fmt: skip
    add_decision(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print. Raises DatasetError and InputError, and what the device raises."""
    from twofold.sw.artefacts import QuantizedNetwork

    args.snr = list(dict.fromkeys(args.snr or SNRS))
    networks = [quantized(args)]
    net = args.net or args.default_net
    networks += [QuantizedNetwork.load(named_network(f"{net}-{one}")) for one in args.beside]
    recordings = _recordings(args, networks[0])
    found = {one.network.name: _measure(args, one, recordings) for one in networks}
    if args.picture:
        from twofold.sw.evaluate.curves import draw_curves

        panels = {
            f"{snr:g} dB": {name: one["curves"][snr] for name, one in found.items()}
            for snr in recordings
        }
        draw_curves(panels, args.picture, f"{args.minutes:g} minutes, {args.split} split")
    if args.out:
        name = networks[0].network.name
        replace(
            networks[0],
            input={**networks[0].input, "decision": found[name]["chosen"].to_json()},
        ).save(args.out)
    tree = {"split": args.split, "minutes": args.minutes, "seed": args.seed}
    if args.json:
        print(json.dumps(tree | {"networks": {name: _json(one) for name, one in found.items()}}))
    else:
        _show(found, args)
    return 0


def _recordings(args: argparse.Namespace, network: "QuantizedNetwork") -> dict[float, "Recording"]:
    """A recording for each signal-to-noise ratio, of the same words in the same places."""
    import numpy as np

    from twofold.sw.data.gsc import noise_recordings, sound
    from twofold.sw.evaluate.recording import long_recording
    from twofold.sw.inputs.folders import NOT_WORDS, speech_clips

    if network.front_end is None:
        raise InputError(f"{network.network.name}: takes no audio, which words are found in")
    root = data_folder(args.data)
    if root is None:
        raise DatasetError(
            f"no data: give --data DIR or set {DATA_VARIABLE} to a folder of Google Speech Commands"
        )
    clips, _ = speech_clips(network, root, args.split)
    spoken = [clip for clip in clips if clip.word not in NOT_WORDS]
    samples = np.concatenate(list(sound(spoken)))
    noises, words = noise_recordings(root), [clip.word for clip in spoken]
    return {
        snr: long_recording(
            samples, words, noises, seconds=60 * args.minutes, snr=snr, seed=args.seed
        )
        for snr in args.snr
    }


def _measure(
    args: argparse.Namespace, network: "QuantizedNetwork", recordings: dict[float, "Recording"]
) -> dict[str, Any]:
    """Curves of a network by ratio, the decision with the chosen threshold, and counts."""
    from twofold.sw.evaluate.spotting import chosen, curve, pooled
    from twofold.sw.live.decide import NOT_WORDS

    how = decision(args, network)
    words = [name for name in network.network.labels if name not in NOT_WORDS]
    curves: dict[float, list[Point]] = {}
    counts: dict[float, dict[str, Any]] = {}
    with opened(args, network) as (accelerator, reason):
        for snr, recording in recordings.items():
            print(f"{network.network.name} at {snr:g} dB: {reason}", file=sys.stderr)
            candidates, counts[snr] = _listen(accelerator, network, how, recording)
            counts[snr]["words"] = sum(one.word in words for one in recording.words)
            counts[snr]["other_words"] = len(recording.words) - counts[snr]["words"]
            curves[snr] = curve(recording, candidates, words, how.refractory / 1000)
    together = pooled(list(curves.values()))
    best = replace(how, threshold=chosen(together, args.alarms).threshold)
    return {"curves": curves, "pooled": together, "chosen": best, "counts": counts}


def _listen(
    accelerator: "Accelerator",
    network: "QuantizedNetwork",
    how: "Decision",
    recording: "Recording",
) -> tuple[list["Candidate"], dict[str, Any]]:
    """The likeliest word of every window of a recording that is heard as a stream."""
    import numpy as np

    from twofold.sw.data.features import HOP, log_power
    from twofold.sw.data.frontend import GRID, stream
    from twofold.sw.live import Streams
    from twofold.sw.live.decide import Smoother
    from twofold.sw.live.feed import feeding
    from twofold.sw.live.sharing import sharing

    smoother = Smoother(network, how.windows)
    every = how.hop // 64 * GRID
    with Streams(accelerator, network, every=every, gate=how.gate) as streams:
        heard = streams.open("recording")
        pieces = np.array_split(recording.samples, len(recording.samples) // PIECE + 1)
        with feeding(heard, pieces):
            candidates = [smoother.push(window) for window in heard]
        counts = {
            "windows": len(candidates), "computed": streams.computed,
            "repeated": streams.repeated, "gated": streams.gated,
        }  # fmt: skip
    images = stream(log_power(recording.samples[None], HOP)[0], network.input["front_end"])
    return candidates, counts | {"sharing": asdict(sharing(network, images[:: every // GRID]))}


def _json(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "chosen": found["chosen"].to_json(),
        "pooled": [point.to_json() for point in found["pooled"]],
        "recordings": [
            {"snr": snr, **found["counts"][snr], "points": [point.to_json() for point in points]}
            for snr, points in found["curves"].items()
        ],
    }


def _show(found: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from twofold.sw.evaluate.spotting import chosen

    table = Table(
        "network", "SNR, dB", "words", "threshold", "hits", "misses", "missed, %",
        "false alarms", "an hour",
        title=f"{args.minutes:g} minutes of the {args.split} split in noise, at the threshold for "
        f"{args.alarms:g} false alarms an hour",
    )  # fmt: skip
    for name, one in found.items():
        rows = {f"{snr:g}": points for snr, points in one["curves"].items()}
        for snr, points in (rows | {"all": one["pooled"]}).items():
            best = chosen(one["pooled"], args.alarms)
            point = next(point for point in points if point.threshold == best.threshold)
            table.add_row(
                name, snr, str(point.hits + point.misses), f"{point.threshold:g}",
                str(point.hits), str(point.misses), f"{100 * point.miss_rate:.1f}",
                str(point.false_alarms), f"{point.alarm_rate:.1f}",
            )  # fmt: skip
    Console().print(table)

"""``twofold listen``: words of running audio, as they are spoken."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.deciding import add_decision, decision
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import quantized
from twofold.sw.cli.unused import refuse
from twofold.sw.data.options import RATE, RATES

if TYPE_CHECKING:
    from twofold.sw.live.decide import Word
    from twofold.sw.live.listen import Ended, Source

MICROPHONES = ranges.whole(0, 9999)
HELP = "find words in running audio: a microphone, recordings of any length, standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold listen``."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE",
        help="recordings, folders of them, or - for standard input (WAV, or raw 16 bit at --rate); "
        "default: the microphone",
    )  # fmt: skip
    parser.add_argument(
        "--microphone", metavar="NAME", help="name or number of an input (default: the system's)"
    )
    parser.add_argument(
        "--rate", type=ranges.whole(*RATES), metavar="HZ",
        help=f"samples a second of raw standard input (default: {RATE})",
    )  # fmt: skip
    parser.add_argument(
        "--pace", action="store_true", help="hear recordings no faster than they were spoken"
    )
    add_decision(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each word as it is found, until the sources end or Ctrl-C.

    Sources that fail do not stop the others. Returns the exit code of the first one that failed,
    else 0. Raises what the network and the device raise.
    """
    from twofold.sw.data.frontend import GRID
    from twofold.sw.live import Streams
    from twofold.sw.live.decide import Word
    from twofold.sw.live.listen import listen

    network = quantized(args)
    how, sources = decision(args, network), _sources(args)
    named, code, ends = len(sources) > 1, 0, []
    with opened(args, network) as (accelerator, reason):
        print(f"{network.network.name} listens: {reason}", file=sys.stderr)
        every = how.hop // 64 * GRID
        with Streams(accelerator, network, every=every, gate=how.gate) as streams:
            for source, what in listen(streams, sources, how):
                if isinstance(what, Word):
                    print(_line(source.name, what, args.json, named), flush=True)
                    continue
                ends.append(what)
                if what.error is not None:
                    print(f"twofold: {what.error}", file=sys.stderr)
                    code = code or what.error.exit_code
    _show_delays(ends)
    return code


def _sources(args: argparse.Namespace) -> "list[Source]":
    """Raises InputError, AudioError, and UsageError for options of other sources."""
    from twofold.sw.inputs import shown
    from twofold.sw.live.listen import Source
    from twofold.sw.live.sources import (
        at_pace,
        audio_files,
        byte_pieces,
        file_pieces,
        microphone_pieces,
    )

    def paced(pieces: Callable[[], Iterable[Any]]) -> Callable[[], Iterable[Any]]:
        return (lambda: at_pace(pieces())) if args.pace else pieces

    if "-" not in args.files:
        refuse(args, "rate", why="is for raw standard input (-)")
    if not any(name != "-" for name in args.files):
        refuse(args, "pace", why="is for recordings; other sources come at their own")
    if args.files:
        refuse(args, "microphone", why="is heard where no files are named; leave them out")
    else:
        name = args.microphone
        number = None if name is None else MICROPHONES.read(name)
        device = name if number is None else int(number)
        return [Source("microphone", partial(microphone_pieces, device))]
    found: list[Source] = []
    for name in args.files:
        if name == "-":
            pieces = partial(byte_pieces, sys.stdin.buffer, args.rate or RATE)
            found.append(Source("standard input", pieces))
            continue
        path = Path(name)
        for file in audio_files(path) if path.is_dir() else [path]:
            found.append(Source(shown(file), paced(partial(file_pieces, file))))
    return found


def _line(source: str, word: "Word", as_json: bool, named: bool) -> str:
    if as_json:
        return json.dumps({
            "source": source, "word": word.label, "time": round(word.time, 3),
            "found": round(word.found, 3), "score": round(word.score, 4),
            "delay_ms": round(1000 * word.delay, 3),
        })  # fmt: skip
    before = f"{source}  " if named else ""
    return (
        f"{before}{word.time:8.2f} s  {word.label:8}  {100 * word.score:5.1f} %  "
        f"after {1000 * word.delay:.1f} ms"
    )


def _show_delays(ends: "list[Ended]") -> None:
    import numpy as np

    delays = [1000 * delay for end in ends for delay in end.delays]
    if delays:
        middle, high = np.percentile(delays, (50, 99))
        print(
            f"{sum(end.seconds for end in ends):.1f} s heard, {len(delays)} windows; from the last "
            f"sample of a window to its result: {middle:.1f} ms (median), {high:.1f} ms (99 %)",
            file=sys.stderr,
        )

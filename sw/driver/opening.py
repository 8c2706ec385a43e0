"""From ``--device`` to devices: what can be opened, and what ``auto`` picks.

Software devices that are not part of the driver register a function under the entry point group
``twofold.devices``; it takes a `Wish` and returns a device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from twofold.hw.contract.errors import ParameterError, ToolError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.presets import SIZES, folding_for
from twofold.hw.xclbin import xclbin
from twofold.hw.xclbin.xclbin import Mode
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.driver.device import Device
from twofold.sw.errors import NoCardError
from twofold.sw.xrt.cards import Card, cards, check_card
from twofold.sw.xrt.library import emulated

GROUP = "twofold.devices"
RUNTIMES = ("xrt", "pynq")


@dataclass(frozen=True)
class Wish:
    """What a device is wanted for.

    Attributes
    ----------
    network, folding: the machine that a device in software plays.
    xclbin: bitstream for a card; None looks for one in ``bitstreams``.
    bitstreams: folder with a folder for each build.
    build: directory of everything built for simulation.
    """

    network: Network
    folding: Folding
    xclbin: Path | None = None
    bitstreams: Path = Path("bitstreams")
    build: Path = Path("build")


@dataclass(frozen=True)
class Choice:
    """Devices, and why these.

    Attributes
    ----------
    devices: to give to `twofold.sw.driver.Accelerator`.
    reason: for people.
    """

    devices: tuple[Device, ...]
    reason: str


def available() -> tuple[str, ...]:
    """Names of devices, those on PCIe without their number."""
    return ("auto", "cpu", *sorted({point.name for point in _plugins()}), *RUNTIMES)


def open_devices(text: str, wish: Wish) -> Choice:
    """Open what ``--device`` asks for: a name of `available`, or ``xrt:n`` and ``pynq:n``.

    ``xrt`` and ``pynq`` without a number take every card that is ready. Raises ToolError for
    another name, and whatever opening raises.
    """
    name, colon, number = text.partition(":")
    if name not in available() or (colon and (name not in RUNTIMES or not number.isdecimal())):
        raise ToolError(
            f"--device is {text!r}, choose one of {', '.join(available())} (xrt:n and pynq:n for "
            "card n)"
        )
    if name == "auto":
        return _pick(wish)
    if name in RUNTIMES:
        indices = [int(number)] if colon else _every_card()
        devices = _on_cards(name, indices, wish)
        return Choice(devices, f"{name}: {len(devices)} card{'s' * (len(devices) > 1)}")
    if name == "cpu":
        return Choice((open_cpu(wish.network, wish.folding),), "the CPU engine")
    point = next(point for point in _plugins() if point.name == name)
    open_plugin: Callable[[Wish], Device] = point.load()
    return Choice((open_plugin(wish),), f"the device {name!r}")


def find_bitstream(wish: Wish) -> Path:
    """A bitstream for the network, built for where this process would run it.

    Raises ParameterError when there is none.
    """
    if wish.xclbin is not None:
        return wish.xclbin
    machines = {fingerprint(wish.network, folding_for(wish.network, size)) for size in SIZES}
    machines.add(fingerprint(wish.network, wish.folding))
    for path in sorted(wish.bitstreams.glob("*/*.xclbin")):
        try:
            found = xclbin.decode(path.read_bytes())
        except (ParameterError, OSError):
            continue
        fits = (found.mode == Mode.HW_EMU) == emulated()
        if fits and found.identity and found.identity.fingerprint in machines:
            return path
    raise ParameterError(
        f"no bitstream for {wish.network.name} in {wish.bitstreams}; give --xclbin FILE, or build "
        f"one with `twofold bitstream{' --target hw_emu' if emulated() else ''}`"
    )


def _pick(wish: Wish) -> Choice:
    ready = _ready()
    if emulated() or ready:
        indices = list(range(len(ready))) or [0]
        where = "emulation" if emulated() else f"{len(ready)} cards"
        return Choice(_on_cards("xrt", indices, wish), f"{where} through XRT")
    return Choice(
        (open_cpu(wish.network, wish.folding),), "no card found, so the CPU engine computes"
    )


def _ready() -> list[Card]:
    return [card for card in cards() if card.ready]


def _every_card() -> list[int]:
    if emulated():
        return [0]
    ready = _ready()
    if not ready:
        check_card(0, "")
        raise NoCardError("no card is ready")
    return list(range(len(ready)))


def _on_cards(runtime: str, indices: list[int], wish: Wish) -> tuple[Device, ...]:
    from twofold.sw.xrt.bitstream import read_bitstream
    from twofold.sw.xrt.device import XrtDevice
    from twofold.sw.xrt.overlay import PynqDevice

    bitstream = read_bitstream(find_bitstream(wish))
    opened: list[Device] = []
    try:
        for index in indices:
            if not emulated():
                check_card(index, bitstream.xclbin.platform)
            opened.append((XrtDevice if runtime == "xrt" else PynqDevice)(index, bitstream))
    except BaseException:
        for device in opened:
            device.close()
        raise
    return tuple(opened)


def _plugins():
    return entry_points(group=GROUP)

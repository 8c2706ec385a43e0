"""Open the devices that ``--device`` names, and choose them for ``auto``.

Software devices outside the driver register a function in the entry point group
``twofold.devices``; it takes a `DeviceRequest` and returns a device.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from twofold.hw.contract.errors import FileError, ParameterError, ToolError
from twofold.hw.contract.files import read_bytes
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.shipped import machines_for
from twofold.hw.xclbin import xclbin
from twofold.hw.xclbin.xclbin import LARGEST, Mode
from twofold.sw.driver.cpu import open_cpu
from twofold.sw.driver.device import Device
from twofold.sw.errors import DeviceError, NoCardError
from twofold.sw.ranges import whole
from twofold.sw.xrt.bitstream import Bitstream, read_bitstream
from twofold.sw.xrt.cards import Card, cards, check_card
from twofold.sw.xrt.library import RUNTIMES, emulated

GROUP = "twofold.devices"
SERIAL = "serial"
"""A board on a serial line, as in ``serial:/dev/ttyUSB0``."""
CARDS, RATES = whole(0, 999), whole(1, 100_000_000)
"""Numbers of cards, and baud of a line."""


@dataclass(frozen=True)
class DeviceRequest:
    """What a device is opened for.

    Attributes
    ----------
    network, folding: the machine that a software device implements.
    xclbin: bitstream for a card; None looks for one in ``bitstreams``.
    bitstreams: folder with one subfolder per build.
    build: directory for everything built for simulation.
    """

    network: Network
    folding: Folding
    xclbin: Path | None = None
    bitstreams: Path = Path("bitstreams")
    build: Path = Path("build")


@dataclass(frozen=True)
class Selection:
    """The chosen devices and the reason for the choice.

    Attributes
    ----------
    devices: to pass to `twofold.sw.driver.Accelerator`.
    reason: text for the user.
    """

    devices: tuple[Device, ...]
    reason: str


def available() -> tuple[str, ...]:
    """Names that ``--device`` takes; cards without their number."""
    return ("auto", "cpu", *sorted({point.name for point in _plugins()}), *RUNTIMES, SERIAL)


def open_devices(text: str, request: DeviceRequest) -> Selection:
    """Open what ``--device`` asks for: a name from `available`, ``xrt:n``, ``pynq:n``, or
    ``serial:PORT`` with, behind an ``@``, the rate of the line if it is another than usual.

    ``xrt`` and ``pynq`` without a number take every card that is ready, and fail if one of them
    does not match. ``auto`` takes the cards that match, else the CPU, and says why. Raises
    ToolError for any other name, and whatever opening raises.
    """
    name, colon, number = text.partition(":")
    if name == SERIAL and number:
        return Selection((_on_line(number, request),), f"the board at {number}")
    numbered = name in RUNTIMES and CARDS.read(number) is not None
    if name not in available() or name == SERIAL or (colon and not numbered):
        raise ToolError(
            f"--device is {text!r}, choose one of {', '.join(available())} (xrt:n and pynq:n for "
            "card n, serial:PORT for a board)"
        )
    if name == "auto":
        return _pick(request)
    if name in RUNTIMES:
        indices = [int(number)] if colon else _every_card()
        devices = _on_cards(name, indices, request)
        return Selection(devices, f"{name}: {len(devices)} card{'s' * (len(devices) > 1)}")
    if name == "cpu":
        return Selection((open_cpu(request.network, request.folding),), "the CPU engine")
    point = next(point for point in _plugins() if point.name == name)
    open_plugin: Callable[[DeviceRequest], Device] = point.load()
    return Selection((open_plugin(request),), f"the device {name!r}")


def simulated(devices: Iterable[Device]) -> bool:
    """Whether one of the devices only stands in for a card, at a speed of its own: a simulation or
    an emulation. The CPU engine is none: it computes for itself.
    """
    models = {point.name for point in _plugins()}
    names = {device.name.partition(":")[0] for device in devices}
    return bool(names & models) or (emulated() and bool(names & {*RUNTIMES}))


def find_bitstream(request: DeviceRequest) -> Path:
    """A bitstream for the network, built for hardware or for emulation, as this process runs.

    Raises ParameterError if there is none.
    """
    if request.xclbin is not None:
        return request.xclbin
    machines = {machine.fingerprint for machine in machines_for(request.network)}
    machines.add(fingerprint(request.network, request.folding))
    for path in sorted(request.bitstreams.glob("*/*.xclbin")):
        try:
            found = xclbin.decode(read_bytes(path, LARGEST))
        except (ParameterError, FileError):
            continue
        fits = (found.mode == Mode.HW_EMU) == emulated()
        if fits and found.identity and found.identity.fingerprint in machines:
            return path
    raise ParameterError(
        f"no bitstream for {request.network.name} in {request.bitstreams}; give --xclbin FILE, or "
        f"build one with `twofold bitstream{' --target hw_emu' if emulated() else ''}`"
    )


def _pick(request: DeviceRequest) -> Selection:
    """The cards that match, and why the others do not; the CPU if none does.

    A bitstream that the user named must be valid: raises what reading it raises.
    """
    indices = [0] if emulated() else list(range(len(_ready())))
    if not indices:
        return _on_cpu(request, "no card is ready" if cards() else "no card found")
    try:
        bitstream = read_bitstream(find_bitstream(request))
    except (ParameterError, DeviceError) as error:
        if request.xclbin is not None:
            raise
        return _on_cpu(request, str(error))
    fitting: list[Device] = []
    others: list[str] = []
    try:
        for index in indices:
            try:
                fitting.append(_open_card("xrt", index, bitstream))
            except DeviceError as error:
                others.append(str(error))
    except BaseException:
        _close(fitting)
        raise
    if not fitting:
        return _on_cpu(request, "; ".join(others))
    count = f"{len(fitting)} cards" if not others else f"{len(fitting)} of {len(indices)} cards"
    reason = f"{'emulation' if emulated() else count} through XRT"
    if others:
        reason += f"; not on the others: {'; '.join(others)}"
    return Selection(tuple(fitting), reason)


def _on_cpu(request: DeviceRequest, why: str) -> Selection:
    return Selection(
        (open_cpu(request.network, request.folding),), f"{why}, so the CPU engine computes"
    )


def _ready() -> list[Card]:
    return [card for card in cards() if card.ready]


def _every_card() -> list[int]:
    if emulated():
        return [0]
    ready = _ready()
    if not ready:
        check_card(0)
        raise NoCardError("no card is ready")
    return list(range(len(ready)))


def _on_cards(runtime: str, indices: list[int], request: DeviceRequest) -> tuple[Device, ...]:
    bitstream = read_bitstream(find_bitstream(request))
    opened: list[Device] = []
    try:
        for index in indices:
            opened.append(_open_card(runtime, index, bitstream))
    except BaseException:
        _close(opened)
        raise
    return tuple(opened)


def _open_card(runtime: str, index: int, bitstream: Bitstream) -> Device:
    from twofold.sw.xrt.device import XrtDevice
    from twofold.sw.xrt.overlay import PynqDevice

    if not emulated():
        check_card(index)
    return (XrtDevice if runtime == "xrt" else PynqDevice)(index, bitstream)


def _on_line(text: str, request: DeviceRequest) -> Device:
    from twofold.sw.link.device import BAUD, open_serial

    port, at, rate = text.partition("@")
    if at and RATES.read(rate) is None:
        raise ToolError(f"--device: the rate of a line is {rate!r}, needs {RATES} (baud)")
    baud = int(rate) if at else BAUD
    return open_serial(port, request.network, request.folding, baud=baud)


def _close(devices: Iterable[Device]) -> None:
    for device in devices:
        device.close()


def _plugins():
    return entry_points(group=GROUP)

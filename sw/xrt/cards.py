"""Cards on the PCIe bus, as XRT's kernel drivers report them. Needs no XRT library."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twofold.sw.errors import DeviceBusyError, NoCardError, WrongPlatformError

BUS = Path("/sys/bus/pci/devices")
USER_DRIVER, MANAGEMENT_DRIVER = "xocl", "xclmgmt"
_claimed: set[int] = set()
PROGRAM = "program it with `xbmgmt program --base`, then cold-boot the machine"


@dataclass(frozen=True)
class Card:
    """A card.

    Attributes
    ----------
    address: PCIe address, as in ``0000:3b:00.1``.
    shell: platform that is programmed; None without one.
    ready: whether XRT would open it.
    link_width, link_width_max: PCIe lanes in use, and available.
    link_speed: per lane, as in ``8.0 GT/s PCIe``.
    temperature: of the chip in degrees Celsius.
    power: of the whole card in W.

    What the drivers do not report is None.
    """

    address: str
    shell: str | None
    ready: bool
    link_width: int | None = None
    link_width_max: int | None = None
    link_speed: str | None = None
    temperature: int | None = None
    power: float | None = None


def cards(bus: Path = BUS) -> tuple[Card, ...]:
    """Every card bound to an XRT driver, ready ones first."""
    users = [_card(path) for path in _bound(bus, USER_DRIVER)]
    seen = {card.address.rpartition(".")[0] for card in users}
    bare = [
        Card(path.name, None, False)
        for path in _bound(bus, MANAGEMENT_DRIVER)
        if path.name.rpartition(".")[0] not in seen
    ]
    return tuple(sorted([*users, *bare], key=lambda card: (not card.ready, card.address)))


def check_card(index: int, bus: Path = BUS) -> None:
    """Check that XRT has a card ``index``: it numbers the ready ones, in an order of its own.

    Raises NoCardError if there is no such card or its shell is not programmed.
    """
    found = cards(bus)
    if index >= len(found):
        raise NoCardError(
            f"no card {index}: {len(found)} found; is it seated, and is XRT's driver xocl loaded? "
            "Otherwise use --device cpu"
        )
    card = found[index]
    if not card.ready or card.shell is None:
        raise NoCardError(f"card {index} ({card.address}): its shell is not programmed; {PROGRAM}")


def card_at(address: str | None, bus: Path = BUS) -> Card | None:
    """The card at a PCIe address; None if the drivers do not report one."""
    return next((card for card in cards(bus) if card.address == address), None)


def check_platform(address: str | None, platform: str, bus: Path = BUS) -> None:
    """Check that the card at a PCIe address runs ``platform``, as far as the drivers report it.

    Raises WrongPlatformError if it runs another one.
    """
    card = card_at(address, bus)
    if card is not None and card.shell not in (None, platform):
        raise WrongPlatformError(
            f"card {card.address} runs {card.shell}, the bitstream is for {platform}; build the "
            "bitstream for that platform, or program the card with the other one"
        )


def claim(index: int) -> None:
    """Claim a card for one device of this process. Raises DeviceBusyError if already claimed."""
    if index in _claimed:
        raise DeviceBusyError(
            f"card {index} is opened already in this process; close it first. While a run hangs on "
            "it, it does not close: end the process, and reset the card"
        )
    _claimed.add(index)


def release(index: int) -> None:
    """Release a card; idempotent."""
    _claimed.discard(index)


def power(address: str, bus: Path = BUS) -> float | None:
    """Power that the card at a PCIe address draws, in W; None if the drivers do not report it."""
    card = card_at(address, bus)
    return None if card is None else card.power


def _bound(bus: Path, driver: str) -> Iterator[Path]:
    """PCIe functions bound to a driver."""
    if not bus.is_dir():
        return
    for path in sorted(bus.iterdir()):
        link = path / "driver"
        if link.exists() and link.resolve().name == driver:
            yield path


def _card(path: Path) -> Card:
    shell = _text(path, "rom*/VBNV")
    microwatts = _number(path, "xmc*/xmc_power")
    return Card(
        address=path.name,
        shell=shell or None,
        ready=_text(path, "ready") in ("1", "0x1"),
        link_width=_number(path, "current_link_width"),
        link_width_max=_number(path, "max_link_width"),
        link_speed=_text(path, "current_link_speed"),
        temperature=_number(path, "xmc*/xmc_fpga_temp"),
        power=microwatts / 1e6 if microwatts else None,
    )


def _text(path: Path, pattern: str) -> str | None:
    """First line of the first matching file that can be read."""
    for file in sorted(path.glob(pattern)):
        try:
            return file.read_text(errors="replace").split("\n", 1)[0].strip()
        except OSError:
            continue
    return None


def _number(path: Path, pattern: str) -> int | None:
    text = _text(path, pattern)
    return int(text) if text and text.isdecimal() else None

"""What ``auto`` opens: the cards that fit, else the CPU, and why. The bus here is a list."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twofold.hw.contract.errors import ParameterError
from twofold.sw.driver import opening
from twofold.sw.driver.opening import DeviceRequest, open_devices
from twofold.sw.errors import DeviceBusyError, DeviceError, MissingRuntimeError, WrongPlatformError
from twofold.sw.xrt.cards import Card
from twofold.sw.xrt.library import EMULATION_VARIABLE

READY = Card("0000:3b:00.1", "shell", True)
OTHER = Card("0000:5e:00.1", "another", True)
BARE = Card("0000:86:00.0", None, False)


@dataclass
class Opened:
    """A device, as far as opening uses it."""

    name: str
    closed: list[str] = field(default_factory=list)

    def close(self) -> None:
        self.closed.append(self.name)


@pytest.fixture
def wanted(quantized, folding) -> DeviceRequest:
    return DeviceRequest(quantized.network, folding)


@pytest.fixture
def bus(monkeypatch):
    """Puts cards on the bus; ``errors`` are what opening them raises, by their number."""

    def put(*cards: Card, errors: dict[int, BaseException] | None = None) -> list[str]:
        closed: list[str] = []

        def open_card(runtime: str, index: int, bitstream: Any) -> Opened:
            assert bitstream.path == Path("fitting.xclbin")
            if errors and index in errors:
                raise errors[index]
            return Opened(f"{runtime}:{index}", closed)

        found = SimpleNamespace(path=Path("fitting.xclbin"))
        monkeypatch.setattr(opening, "cards", lambda: cards)
        monkeypatch.setattr(opening, "_open_card", open_card)
        monkeypatch.setattr(opening, "find_bitstream", lambda _: found.path)
        monkeypatch.setattr(opening, "read_bitstream", lambda _: found)
        monkeypatch.delenv(EMULATION_VARIABLE, raising=False)
        return closed

    return put


def names(choice: opening.Selection) -> list[str]:
    return [device.name for device in choice.devices]


def test_all_cards_fit(bus, wanted):
    bus(READY, OTHER)
    choice = open_devices("auto", wanted)
    assert names(choice) == ["xrt:0", "xrt:1"] and choice.reason == "2 cards through XRT"


def test_cards_that_do_not_fit_are_left_out(bus, wanted):
    bus(READY, OTHER, READY, errors={0: DeviceBusyError("card 0 is busy"),
                                     1: WrongPlatformError("card 1 runs another")})  # fmt: skip
    choice = open_devices("auto", wanted)
    assert names(choice) == ["xrt:2"]
    assert choice.reason == (
        "1 of 3 cards through XRT; not on the others: card 0 is busy; card 1 runs another"
    )


def test_no_card_fits(bus, wanted):
    bus(READY, errors={0: MissingRuntimeError("XRT is not installed")})
    choice = open_devices("auto", wanted)
    assert names(choice) == ["cpu"]
    assert choice.reason == "XRT is not installed, so the CPU engine computes"


def test_no_card_is_ready(bus, wanted):
    bus(BARE)
    assert open_devices("auto", wanted).reason == "no card is ready, so the CPU engine computes"
    bus()
    assert open_devices("auto", wanted).reason == "no card found, so the CPU engine computes"


def test_no_bitstream_for_the_network(bus, wanted, tmp_path, monkeypatch):
    find = opening.find_bitstream
    bus(READY)
    monkeypatch.setattr(opening, "find_bitstream", find)
    empty = DeviceRequest(wanted.network, wanted.folding, bitstreams=tmp_path)
    choice = open_devices("auto", empty)
    assert names(choice) == ["cpu"] and "no bitstream for tiny-fast" in choice.reason


def test_a_bitstream_that_the_user_named_has_to_be_right(bus, wanted, monkeypatch):
    def refuse(_: object):
        raise ParameterError("mine.xclbin: damaged")

    bus(READY)
    monkeypatch.setattr(opening, "read_bitstream", refuse)
    with pytest.raises(ParameterError, match="damaged"):
        open_devices(
            "auto", DeviceRequest(wanted.network, wanted.folding, xclbin=Path("mine.xclbin"))
        )
    assert names(open_devices("auto", wanted)) == ["cpu"]


@pytest.mark.parametrize("name", ["auto", "xrt"])
def test_cards_are_closed_when_opening_ends_badly(bus, wanted, name):
    closed = bus(READY, READY, errors={1: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        open_devices(name, wanted)
    assert closed == [f"xrt:{0}"]


def test_cards_that_were_asked_for_have_to_fit(bus, wanted):
    closed = bus(READY, READY, errors={1: DeviceError("card 1 is gone")})
    with pytest.raises(DeviceError, match="card 1 is gone"):
        open_devices("xrt", wanted)
    assert closed == ["xrt:0"]

"""Cards as they show up in a tree of the kernel's files."""

from pathlib import Path

import pytest

from twofold.hw.boards import default
from twofold.sw.errors import NoCardError, WrongPlatformError
from twofold.sw.xrt.cards import Card, cards, check_card, check_platform, power

SHELL = default().platform.platform


def function(bus: Path, address: str, driver: str, files: dict[str, str]) -> None:
    """A function of a card, with its driver and attributes."""
    (bus.parent / "drivers" / driver).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = bus / address / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (bus / address).mkdir(parents=True, exist_ok=True)
    (bus / address / "driver").symlink_to(bus.parent / "drivers" / driver)


@pytest.fixture
def bus(tmp_path) -> Path:
    """One card without a shell, one that is not ready, one that is; and a disk."""
    bus = tmp_path / "devices"
    bus.mkdir()
    function(bus, "0000:01:00.0", "nvme", {"current_link_width": "4"})
    function(bus, "0000:17:00.0", "xclmgmt", {})
    function(bus, "0000:3b:00.0", "xclmgmt", {})
    function(bus, "0000:3b:00.1", "xocl", {"ready": "0x0"})
    function(
        bus,
        "0000:af:00.1",
        "xocl",
        {
            "ready": "0x1",
            "rom.u.2097152/VBNV": SHELL,
            "xmc.u.2098176/xmc_power": "31250000",
            "xmc.u.2098176/xmc_fpga_temp": "47",
            "current_link_width": "8",
            "max_link_width": "16",
            "current_link_speed": "8.0 GT/s PCIe",
        },
    )
    return bus


def test_cards(bus):
    assert cards(bus) == (
        Card("0000:af:00.1", SHELL, True, 8, 16, "8.0 GT/s PCIe", 47, 31.25),
        Card("0000:17:00.0", None, False),
        Card("0000:3b:00.1", None, False),
    )
    assert power("0000:af:00.1", bus) == 31.25
    assert power("0000:3b:00.1", bus) is None
    assert power("0000:ff:00.1", bus) is None


def test_sensors_are_those_of_the_address_whatever_the_order(bus):
    for address, watts in (("0000:02:00.1", 20), ("0000:c1:00.1", 60)):
        files = {"ready": "0x1", "rom.u.1/VBNV": "other", "xmc.u.1/xmc_power": f"{watts}000000"}
        function(bus, address, "xocl", files)
    found = ("0000:c1:00.1", "0000:02:00.1", "0000:af:00.1")
    assert [power(address, bus) for address in found] == [60, 20, 31.25]


def test_no_bus(tmp_path):
    assert cards(tmp_path / "none") == ()


def test_what_the_drivers_tell_decides(bus):
    check_card(0, bus)
    check_platform("0000:af:00.1", SHELL, bus)
    with pytest.raises(WrongPlatformError, match=f"runs {SHELL}, the bitstream is for other"):
        check_platform("0000:af:00.1", "other", bus)
    for untold in ("0000:17:00.0", "0000:ff:00.1", None):
        check_platform(untold, "other", bus)
    for index in (1, 2):
        with pytest.raises(NoCardError, match="shell is not programmed; program it with"):
            check_card(index, bus)
    with pytest.raises(NoCardError, match="no card 3: 3 found"):
        check_card(3, bus)


def test_files_that_say_nonsense(bus):
    (bus / "0000:af:00.1/xmc.u.2098176/xmc_power").write_text("")
    (bus / "0000:af:00.1/xmc.u.2098176/xmc_fpga_temp").write_text("hot\n")
    (bus / "0000:af:00.1/current_link_width").write_bytes(b"\xff\xfe")
    found = cards(bus)[0]
    assert (found.power, found.temperature, found.link_width) == (None, None, None)

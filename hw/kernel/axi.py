"""AXI as signatures, and the one place that knows the flat port names.

Members are named like the AXI signals, in lower case; a port of a Vitis kernel is the interface
name, an underscore and the signal: ``s_axi_control_awvalid``, ``m_axi_gmem_araddr``. Signatures are
written from the master's side.
"""

from enum import IntEnum
from typing import Any

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

BURST_BEATS = 64
"""Beats of the longest burst: 4 KiB of 64-byte beats; no burst may cross a 4 KiB boundary."""

ID_BITS = 2
"""Width of transaction ids: see `twofold.hw.kernel.epoch.Epoch`."""

INCR = 1
MODIFIABLE_BUFFERABLE = 0b0011


class Response(IntEnum):
    """RRESP and BRESP."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class AxiLite(wiring.Signature):
    """AXI4-Lite with 32 data bits.

    Parameters
    ----------
    address_bits: width of both addresses.
    """

    def __init__(self, address_bits: int) -> None:
        super().__init__(
            {
                **_handshake("aw", {"awaddr": address_bits}),
                **_handshake("w", {"wdata": 32, "wstrb": 4}),
                **_back("b", {"bresp": 2}),
                **_handshake("ar", {"araddr": address_bits}),
                **_back("r", {"rdata": 32, "rresp": 2}),
            }
        )


class AxiRead(wiring.Signature):
    """Read channels of AXI4: 64 address bits, 512 data bits."""

    def __init__(self) -> None:
        super().__init__(
            {
                **_handshake("ar", _address("ar")),
                **_back("r", {"rid": ID_BITS, "rdata": 512, "rresp": 2, "rlast": 1}),
            }
        )


class AxiWrite(wiring.Signature):
    """Write channels of AXI4: 64 address bits, 512 data bits."""

    def __init__(self) -> None:
        super().__init__(
            {
                **_handshake("aw", _address("aw")),
                **_handshake("w", {"wdata": 512, "wstrb": 64, "wlast": 1}),
                **_back("b", {"bid": ID_BITS, "bresp": 2}),
            }
        )


class Axi4(wiring.Signature):
    """AXI4: `AxiRead` and `AxiWrite` side by side."""

    def __init__(self) -> None:
        super().__init__({**dict(AxiWrite().members), **dict(AxiRead().members)})


def _address(prefix: str) -> dict[str, int]:
    widths = {"id": ID_BITS, "addr": 64, "len": 8, "size": 3, "burst": 2, "cache": 4, "prot": 3}
    return {f"{prefix}{name}": width for name, width in widths.items()}


def _handshake(channel: str, payload: dict[str, int]) -> dict[str, wiring.Member]:
    members = {name: Out(width) for name, width in payload.items()}
    return members | {f"{channel}valid": Out(1), f"{channel}ready": In(1)}


def _back(channel: str, payload: dict[str, int]) -> dict[str, wiring.Member]:
    return {name: member.flip() for name, member in _handshake(channel, payload).items()}


def forward(m: Module, outer: Any, inner: Any) -> None:
    """Drive the channels of master ``outer`` from master ``inner``, which may have fewer."""
    for name, member in inner.signature.members.items():
        if member.flow == Out:
            m.d.comb += getattr(outer, name).eq(getattr(inner, name))
        else:
            m.d.comb += getattr(inner, name).eq(getattr(outer, name))


def port_name(interface: str, signal: str) -> str:
    """Flat name of a kernel port."""
    return f"{interface}_{signal}"


def linear_burst(port: Any, channel: str) -> list:
    """Constants of an address channel (``"ar"`` or ``"aw"``): whole 64-byte beats, ascending."""
    constants = {"size": 6, "burst": INCR, "cache": MODIFIABLE_BUFFERABLE, "prot": 0}
    return [getattr(port, channel + name).eq(value) for name, value in constants.items()]

"""Property of every stream: once valid, an offer stays valid and unchanged until accepted."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Offer(NamedTuple):
    """The signals of a stream or of an AXI channel."""

    valid: Value
    ready: Value
    payload: Value


def offer(stream: Any) -> Offer:
    """The offer of a stream of `amaranth.lib.stream`."""
    return Offer(stream.valid, stream.ready, Value.cast(stream.payload))


def axi_offer(port: Any, channel: str, *payload: str) -> Offer:
    """The offer of a channel of an AXI port, as in ``axi_offer(port, "ar", "addr", "len")``."""
    names = ("valid", "ready", *payload)
    valid, ready, *rest = (getattr(port, f"{channel}{name}") for name in names)
    return Offer(valid, ready, Cat(*rest))


class StreamHarness(wiring.Component):
    """Offers that are not accepted are held stable, whatever the inputs of a component do.

    Parameters
    ----------
    dut: component to prove; all its inputs are free.
    offers: offers it makes; proven to be stable.
    given: offers made to it; assumed to be stable.
    rule: constraint on the inputs, assumed to hold in every cycle.
    """

    def __init__(
        self,
        dut: Any,
        offers: Sequence[Offer],
        given: Sequence[Offer] = (),
        rule: Value | None = None,
    ) -> None:
        self.dut, self.offers, self.given = dut, offers, given
        self.rule = Const(1) if rule is None else rule
        super().__init__({name: In(len(port)) for name, port in _inputs(dut)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = self.dut
        m.d.comb += [Value.cast(port).eq(getattr(self, name)) for name, port in _inputs(self.dut)]
        m.d.comb += [Assume(~ResetSignal(), "no reset"), Assume(self.rule, "rule of the inputs")]
        for one in self.given:
            m.d.comb += Assume(self._stays(m, one), "offers to it are stable")
        for one in self.offers:
            m.d.comb += Assert(self._stays(m, one), "offer withdrawn or changed")
        return m

    def _stays(self, m: Module, one: Offer) -> Value:
        waited, payload = Signal(), Signal(len(one.payload))
        m.d.sync += [waited.eq(one.valid & ~one.ready), payload.eq(one.payload)]
        return ~waited | (one.valid & (one.payload == payload))


def _inputs(dut: Any) -> Iterator[tuple[str, Value]]:
    """Names and signals of all inputs."""
    for path, member, port in dut.signature.flatten(dut):
        if member.flow == In:
            yield "__".join(map(str, path)), Value.cast(port)

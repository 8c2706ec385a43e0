"""Requantisation: from an accumulator to a uint8 activation."""

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, MUL_BITS, SHIFT_MAX

SHIFT_BITS = SHIFT_MAX.bit_length()
FINE_BITS = 3
"""Low bits of the shift, applied in the last stage; the stage before it shifts by whole bytes."""


class Requantise(wiring.Component):
    """``clamp((acc * mul + add) >> shift, 0, 255)``, bit-exact, one value per cycle.

    The shift is split: whole bytes first (a 4:1 multiplexer, one LUT per bit), the rest afterwards.
    Bits that can only saturate the result are reduced to one flag, so at most 15 bits go through
    the second shifter.

    Parameters
    ----------
    acc_bits: width of the signed accumulator.
    add_bits: width of the signed additive constant.
    multiplier: whether there is a factor per channel; without one, it is 1 and has no port.

    Members
    -------
    acc, add, mul, shift: operands of one value, all in the same cycle.
    o: the activation, `latency` cycles later.

    Latency: `LATENCY`, plus one cycle with a multiplier; `latency` is the sum. There is no
    handshake: don't-care values may pass through. No register is reset.

    Raises ValueError for widths below 1.
    """

    LATENCY = 3

    acc: Signal
    add: Signal
    mul: Signal
    shift: Signal
    o: Signal

    def __init__(self, acc_bits: int, add_bits: int, *, multiplier: bool = False) -> None:
        if min(acc_bits, add_bits) < 1:
            raise ValueError(f"requantise: widths are {acc_bits} and {add_bits}, need >= 1")
        self.multiplier = multiplier
        self.latency = self.LATENCY + multiplier
        factor = {"mul": In(MUL_BITS)} if multiplier else {}
        super().__init__(
            {
                "acc": In(signed(acc_bits)),
                "add": In(signed(add_bits)),
                **factor,
                "shift": In(SHIFT_BITS),
                "o": Out(ACT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc, add, shift = self.acc, self.add, self.shift
        if self.multiplier:
            product = self.acc * self.mul
            acc, add, shift = (
                Signal(value.shape(), name=name, reset_less=True)
                for name, value in (("product", product), ("add1", add), ("shift1", shift))
            )
            m.d.sync += [acc.eq(product), add.eq(self.add), shift.eq(self.shift)]

        total = Signal((acc + add).shape(), reset_less=True)
        shift_total = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += [total.eq(acc + add), shift_total.eq(shift)]

        near_bits = ACT_BITS + (1 << FINE_BITS) - 1
        near = Signal(near_bits, reset_less=True)
        far = Signal(reset_less=True)
        negative = Signal(reset_less=True)
        fine = Signal(FINE_BITS, reset_less=True)
        magnitude = total[:-1]
        # Whether the shift leaves each bit above the activation, decoded ahead of the saturation.
        stays = Signal(near_bits - ACT_BITS, reset_less=True)
        m.d.sync += [negative.eq(total[-1]), fine.eq(shift_total[:FINE_BITS])]
        m.d.sync += [bit.eq(shift_total[:FINE_BITS] <= at) for at, bit in enumerate(stays)]
        with m.Switch(shift_total[FINE_BITS:]):
            for coarse in range(1 << SHIFT_BITS - FINE_BITS):
                rest = magnitude[coarse << FINE_BITS :]
                with m.Case(coarse):
                    m.d.sync += [near.eq(rest), far.eq(rest[near_bits:].any())]

        shifted = Signal(near_bits)
        m.d.comb += shifted.eq(near >> fine)
        # In parallel with the shifter, not behind it: the bits that are left above the activation.
        large = far | (near[ACT_BITS:] & stays).any()
        with m.If(negative):
            m.d.sync += self.o.eq(0)
        with m.Elif(large):
            m.d.sync += self.o.eq(-1)
        with m.Else():
            m.d.sync += self.o.eq(shifted)
        return m

"""CRC-32 as `zlib.crc32` computes it: of words, in two short pipeline stages, and of bytes."""

import zlib

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WORD_BITS = 32
ONES = (1 << WORD_BITS) - 1
RESIDUE = zlib.crc32(zlib.crc32(b"").to_bytes(WORD_BITS // 8, "little")) ^ ONES
"""Content of the register after any message that ends with its own checksum."""


def advanced(register: int, zeros: int = WORD_BITS // 8) -> int:
    """The checksum register after ``zeros`` bytes of 0, a word by default; linear over XOR."""
    return zlib.crc32(bytes(zeros), register ^ ONES) ^ ONES


def with_byte(register: Value, byte: Value) -> Value:
    """The checksum register after a byte."""
    return _advance(register ^ byte, zeros=1)


class WordChecksum(wiring.Component):
    """Checks whether a message of 32-bit words ends with its CRC-32 (ISO-HDLC).

    A word is XORed into the register, and the register advances by a linear map. So each word can
    be advanced on its own, one cycle earlier, and the feedback loop of the register contains only
    the map of the register itself.

    Members
    -------
    start: restart the checksum; neither with ``valid`` nor in the cycle after it.
    valid, data: a word, little-endian.
    good: the last word since ``start`` was the checksum of the others; `LATENCY` cycles after that
        word.
    """

    LATENCY = 3

    start: Signal
    valid: Signal
    data: Signal
    good: Signal

    def __init__(self) -> None:
        super().__init__({"start": In(1), "valid": In(1), "data": In(WORD_BITS), "good": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid, word = Signal(), Signal(WORD_BITS, reset_less=True)
        register = Signal(WORD_BITS, init=ONES)
        m.d.sync += [valid.eq(self.valid), word.eq(_advance(self.data))]
        with m.If(self.start):
            m.d.sync += register.eq(ONES)
        with m.Elif(valid):
            m.d.sync += register.eq(_advance(register) ^ word)
        m.d.sync += self.good.eq(register == RESIDUE)
        return m


def _advance(register: Value, zeros: int = WORD_BITS // 8) -> Value:
    columns = [advanced(1 << bit, zeros) for bit in range(WORD_BITS)]
    return Cat(
        Cat(register[at] for at in range(WORD_BITS) if columns[at] >> bit & 1).xor()
        for bit in range(WORD_BITS)
    )

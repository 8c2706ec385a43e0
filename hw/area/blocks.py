"""What the engines' building blocks use, as a function of their sizes."""

from twofold.hw.boards.resources import Resources
from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.engines.winners.count import GROUP, LEVELS_A_STAGE, PopCount
from twofold.hw.primitives.memory import SHARED_DEPTH, URAM_DEPTH
from twofold.hw.primitives.update_ram import UPDATE_DEPTH, update_cells

RAMB36_SHAPES = ((1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
RAMB18_SHAPES = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Depth and width of a block memory with two independent ports."""
SIMPLE_SHAPE = 512, 72
"""The same for one write port and one read port."""
URAM_BYTES = 9


def mux_luts(inputs: int) -> int:
    """LUTs of a one-bit multiplexer; each LUT takes four inputs."""
    luts = 0
    while inputs > 1:
        inputs = -(-inputs // 4)
        luts += inputs
    return luts


def lut_ram_luts(depth: int, bits: int) -> int:
    """LUTs per read port of a memory in LUTs: eight LUTs give 32 x 14 or 64 x 7 bits.

    Deeper memories use as many of those as needed, with a multiplexer after them.
    """
    if depth <= 32:
        return min(8 * -(-bits // 14), 2 * bits)
    blocks = -(-depth // 64)
    return blocks * min(8 * -(-bits // 7), 2 * bits) + bits * mux_luts(blocks)


def shared_ram_luts(depth: int, bits: int, reads: int) -> int:
    """LUTs of memories that are written together and read at ``reads`` addresses in total.

    Up to a depth of 32, eight LUTs give two bits to each of seven addresses (see
    `twofold.hw.primitives.memory.SharedRam`).
    """
    if depth > SHARED_DEPTH:
        return reads * lut_ram_luts(depth, bits)
    return 8 * -(-(reads * -(-bits // 2)) // 7)


def update_ram_luts(depth: int, bits: int) -> int:
    """LUTs of a memory that is read at its write address (see
    `twofold.hw.primitives.update_ram.UpdateRam`).
    """
    if depth > UPDATE_DEPTH:
        return lut_ram_luts(depth, bits)
    return sum(len(cell.ports) for cell in update_cells(bits))


def pop_count(width: int) -> Resources:
    """Population count of ``width`` bits (see `twofold.hw.engines.winners.count.PopCount`)."""
    terms, bits = -(-width // GROUP), 3
    found = Resources(lut=bits * terms, ff=bits * terms)
    while terms > 1:
        parts = -(-terms // PopCount.FAN_IN)
        adders = (terms - parts) * (bits + 1)
        bits = min(bits + LEVELS_A_STAGE, width.bit_length())
        found += Resources(lut=adders, ff=parts * bits)
        terms = parts
    return found


def block_rams(depth: int, bits: int, lanes: int, reads: int) -> float:
    """Block RAMs, in units of 36 Kbit, of ``lanes`` memories that are ``bits`` wide.

    With a single read port lanes may share a block RAM; with two, every lane has its own.
    """
    shapes = [(1.0, *shape) for shape in RAMB36_SHAPES]
    shapes += [(0.5, *shape) for shape in RAMB18_SHAPES]
    if reads == 1:
        shapes.append((1.0, *SIMPLE_SHAPE))
    shared = min(
        size * -(-depth // rows) * -(-(lanes * bits) // wide) for size, rows, wide in shapes
    )
    alone = min(size * -(-depth // rows) * -(-bits // wide) for size, rows, wide in shapes)
    return shared if lanes == 1 or reads == 1 else lanes * alone


def ultra_rams(depth: int, bits: int, lanes: int) -> int:
    """URAMs of a memory whose lanes occupy separate bytes."""
    lanes_each = max(1, URAM_BYTES // -(-bits // 8))
    return -(-depth // URAM_DEPTH) * -(-lanes // lanes_each)


def requantise(acc_bits: int, add_bits: int, *, multiplier: bool) -> Resources:
    """Requantisation of one value per cycle."""
    width = max(acc_bits, add_bits)
    return Resources(lut=width + 2.5 * width, ff=width + 35, dsp=multiplier * -(-acc_bits // 27))


def insertion_list(channels: int, k: int) -> Resources:
    """Selection of the winners of one pixel."""
    entry = ACT_BITS + max(1, (channels - 1).bit_length())
    if k == channels:
        return Resources(ff=entry + 1)
    return Resources(lut=k * (entry + 10), ff=k * (entry + 1))

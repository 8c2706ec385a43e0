"""Cells of the ECP5 with their registers: multipliers and block memories.

Left to itself, Yosys maps products and memories to these cells without a register inside; a memory
then takes 5.8 ns to give its word. LUT memories are the exception: what it maps them to
(TRELLIS_DPR16X4, 16 words of 4 bits) has no registers to use.
"""

from collections.abc import Sequence

from amaranth.hdl import *

MULTIPLIER_BITS = 18
PRODUCT_LATENCY = 2
"""Cycles from the factors to their product: one register before the multiplier, one behind."""
BLOCK_ADDRESS_BITS = 14
BLOCK_WIDTHS = (18, 9, 4, 2, 1)
"""Widths of a word of a block memory; halving it doubles the words."""
BLOCK_DEPTHS = tuple(1 << BLOCK_ADDRESS_BITS - low for low in (4, 3, 2, 1, 0))
"""Words of these widths."""


def product(m: Module, name: str, value: Value, weight: Value) -> Value:
    """``value``, unsigned, times ``weight``, signed, `PRODUCT_LATENCY` cycles later.

    Both have at most 18 bits. The weight fills the upper bits of its port, so that no sign has to
    be extended.
    """
    spare = MULTIPLIER_BITS - len(weight)
    result = Signal(2 * MULTIPLIER_BITS, name=f"product_{name}")
    wide = Signal(MULTIPLIER_BITS, name=f"wide_{name}")
    m.d.comb += wide.eq(value)
    pins: dict[str, object] = {
        **_pins("i_A", wide),
        **_pins("i_B", Cat(C(0, spare), weight)),
        **_pins("i_C", C(0, MULTIPLIER_BITS)),
        **_pins("o_P", result),
        **{f"i_{pin}": C(0) for pin in ("SIGNEDA", "SOURCEA", "SOURCEB", "RST0")},
        "i_SIGNEDB": C(1),
        "i_CLK0": ClockSignal(),
        "i_CE0": C(1),
    }
    registers = ("REG_INPUTA_CLK", "REG_INPUTB_CLK", "REG_OUTPUT_CLK")
    used = {f"p_{register}": "CLK0" for register in registers}
    m.submodules[f"multiplier_{name}"] = Instance("MULT18X18D", **pins, **used)
    return result[spare : spare + len(value) + len(weight)].as_signed()


def block_width(depth: int) -> int | None:
    """Width of the widest block memory of ``depth`` words; None if there is none so deep."""
    fitting = (
        width for width, most in zip(BLOCK_WIDTHS, BLOCK_DEPTHS, strict=True) if most >= depth
    )
    return next(fitting, None)


def block_rams(bits: int, depth: int, lanes: int) -> int | None:
    """Block memories for ``lanes`` parts of ``bits`` bits each, that are written separately; None
    if they are too deep.
    """
    width = block_width(depth)
    return None if width is None else lanes * -(-bits // width)


def block_ram(
    m: Module,
    name: str,
    addresses: Sequence[Value],
    write: tuple[Value, Value, Value],
    depth: int,
    *,
    registered: bool = True,
) -> list[Value]:
    """A memory as block memories side by side, with output registers unless not ``registered``.

    Parameters
    ----------
    addresses: of the read ports, 1 or 2; with 2, the first is also the write address while the
        write enable is set.
    write: enable, address and data.
    depth: words, at most the deepest of `BLOCK_DEPTHS`.

    Returns the words that were at the addresses two cycles earlier, or one cycle without output
    registers; during a write with two read ports, that of the first is undefined, and so is a word
    that is written while it is read.
    """
    enable, write_address, data = write
    width = block_width(depth)
    if width is None:
        raise ValueError(f"memory: {depth} words, a block memory has at most {BLOCK_DEPTHS[-1]}")
    first = write_address if len(addresses) == 1 else addresses[0]
    words = [Signal(len(data), name=f"{name}_word{port}") for port in range(len(addresses))]
    for low in range(0, len(data), width):
        part = data[low : low + width]
        outputs = [Signal(len(part), name=f"{name}_{low}_out{port}") for port in range(2)]
        pins: dict[str, object] = {
            **_port("A", _address(first, width), outputs[0], width, registered),
            **_port("B", _address(addresses[-1], width), outputs[1], width, registered),
            **_pins("i_DIA", part),
            "i_WEA": enable,
            "i_WEB": C(0),
        }
        m.submodules[f"{name}_{low}"] = Instance("DP16KD", **pins)
        for word, out in zip(words, outputs[-len(words) :], strict=True):
            m.d.comb += word[low : low + width].eq(out)
    return list(words)


def _address(address: Value, width: int) -> Value:
    """Pins of an address: words begin at a pin of their own; with words of 18 bits the two lowest
    pins enable the bytes of a write.
    """
    low = BLOCK_WIDTHS.index(width)
    below = C(3, 4) if width == BLOCK_WIDTHS[0] else C(0, len(BLOCK_WIDTHS) - 1 - low)
    whole = Cat(below, address)
    return Cat(whole, C(0, BLOCK_ADDRESS_BITS - len(whole)))


def _port(
    port: str, address: Value, output: Signal, width: int, registered: bool
) -> dict[str, object]:
    return {
        f"p_DATA_WIDTH_{port}": width,
        f"p_REGMODE_{port}": "OUTREG" if registered else "NOREG",
        f"p_WRITEMODE_{port}": "NORMAL",
        f"p_CSDECODE_{port}": "0b000",
        "p_RESETMODE": "SYNC",
        **_pins(f"i_AD{port}", address),
        **_pins(f"i_CS{port}", C(0, 3)),
        **_pins(f"o_DO{port}", output),
        f"i_CLK{port}": ClockSignal(),
        f"i_CE{port}": C(1),
        f"i_OCE{port}": C(1),
        f"i_RST{port}": C(0),
    }


def _pins(prefix: str, value: Value) -> dict[str, Value]:
    """One pin for each bit."""
    return {f"{prefix}{at}": value[at] for at in range(len(value))}

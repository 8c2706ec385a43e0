"""Two products in one DSP48E2, or in two multipliers of the ECP5 that behave like it.

Two operands are packed 18 bits apart in the wide factor, so their products with the shared factor
are 18 bits apart in the result. The lower product may be negative and would borrow from the upper
one. A constant of 2**17, added by the DSP itself, keeps the lower half from ever being negative:
both results come straight out of the DSP, without any logic behind it. The factors of an ECP5's
multiplier are too narrow for that: there, each product has one of its own, and sums are logic.
"""

from abc import abstractmethod

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.arith import ACT_BITS, WEIGHT_BITS
from twofold.hw.contract.target import Target
from twofold.hw.primitives.ecp5 import product
from twofold.hw.primitives.tile import target_of

SPACING = 18
BIAS = 1 << SPACING - 1
P_BITS = 48
OPMODE_START = 0b10_000_0101
"""W = RND (the bias), Z = 0, X and Y = the product: a new sum."""
OPMODE_ADD = 0b00_010_0101
"""W = 0, Z = P, X and Y = the product: add one product."""
OPMODE_START_C = 0b10_011_0101
"""W = RND, Z = C, X and Y = the product: a new sum that starts from a constant."""
OPMODE_ADD_BIAS = 0b10_010_0101
"""W = RND, Z = P, X and Y = the product: add one product and the bias."""
INMODE_A = 0b00000
"""The multiplier takes A2 and B2; the pre-adder is not used."""
INMODE_A_PLUS_D = 0b00100
"""The multiplier takes D + A2 and B2."""

_REGISTERS = {
    "ACASCREG": 1,
    "ADREG": 1,
    "ALUMODEREG": 0,
    "AREG": 1,
    "BCASCREG": 1,
    "BREG": 1,
    "CARRYINREG": 0,
    "CARRYINSELREG": 0,
    "CREG": 1,
    "DREG": 1,
    "INMODEREG": 0,
    "MREG": 1,
    "OPMODEREG": 1,
    "PREG": 1,
}
_SHARED = ("ALUMODE", "C", "CTRL", "D", "INMODE", "M", "P")
_ENABLES = ("A1", "A2", "AD", "B1", "B2", "CARRYIN", *_SHARED)
_RESETS = ("A", "B", "ALLCARRYIN", *_SHARED)


def _dsp48e2(parameters: dict[str, object], ports: dict[str, Value]) -> Instance:
    """A DSP48E2 with its registers enabled and never reset, unless ``parameters`` override it."""
    inputs = {
        "A": C(0, 30),
        "ACIN": C(0, 30),
        "ALUMODE": C(0, 4),
        "B": C(0, 18),
        "BCIN": C(0, 18),
        "C": C(0, 48),
        "CARRYCASCIN": C(0, 1),
        "CARRYIN": C(0, 1),
        "CARRYINSEL": C(0, 3),
        "D": C(0, 27),
        "INMODE": C(0, 5),
        "MULTSIGNIN": C(0, 1),
        "OPMODE": C(0, 9),
        "PCIN": C(0, 48),
        "CLK": ClockSignal(),
    }
    inputs |= {f"CE{name}": C(1) for name in _ENABLES}
    inputs |= {f"RST{name}": C(0) for name in _RESETS}
    output = {"o_P": ports.pop("P")}
    parameters = _REGISTERS | {"USE_MULT": "MULTIPLY", "RND": C(BIAS, P_BITS)} | parameters
    return Instance(
        "DSP48E2",
        **{f"p_{name}": value for name, value in parameters.items()},
        **{f"i_{name}": value for name, value in (inputs | ports).items()},
        **output,
    )


class PackedDsp(wiring.Component):
    """Base class of the packed multipliers: device cells, or a simulation model of them."""

    LATENCY: int

    def elaborate(self, platform: object) -> Module:
        m = Module()
        p = Signal(P_BITS)
        build = {Target.MODEL: self._model, Target.XCUP: self._cell, Target.ECP5: self._pair}
        build[target_of(platform)](m, p)
        self._split(m, p)
        return m

    @abstractmethod
    def _cell(self, m: Module, p: Signal) -> None:
        """Drive ``p`` from a DSP48E2."""

    @abstractmethod
    def _model(self, m: Module, p: Signal) -> None:
        """Drive ``p`` from plain registers, cycle-accurate to the DSP48E2."""

    @abstractmethod
    def _pair(self, m: Module, p: Signal) -> None:
        """Drive ``p`` from two MULT18X18D, cycle-accurate to the DSP48E2."""

    @abstractmethod
    def _split(self, m: Module, p: Signal) -> None:
        """Drive the outputs from ``p``."""


class PackedMac(PackedDsp):
    """Sums of products of two activations with one weight per cycle.

    Members
    -------
    high_i, low_i: activations, uint8.
    weight: shared by both, int8.
    first: this product starts a new sum.
    valid: there is a product; otherwise the sums hold.
    high, low: sums of 1..4 products, signed 18 bits; more than 4 products overflow.

    Latency: `LATENCY` cycles from a product to the sums that include it; one product per cycle.
    """

    LATENCY = 3

    high_i: Signal
    low_i: Signal
    weight: Signal
    first: Signal
    valid: Signal
    high: Signal
    low: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "high_i": In(ACT_BITS),
                "low_i": In(ACT_BITS),
                "weight": In(signed(WEIGHT_BITS)),
                "first": In(1),
                "valid": In(1),
                "high": Out(signed(SPACING)),
                "low": Out(signed(SPACING)),
            }
        )

    def _split(self, m: Module, p: Signal) -> None:
        m.d.comb += [
            self.low.eq(Cat(p[: SPACING - 1], ~p[SPACING - 1])),
            self.high.eq(p[SPACING : 2 * SPACING]),
        ]

    def _wide(self) -> Value:
        return Cat(self.low_i, C(0, SPACING - ACT_BITS), self.high_i)

    def _control(self, m: Module) -> tuple[Signal, Signal]:
        """``first`` delayed by one cycle and ``valid`` by two."""
        first, valid1, valid2 = Signal(), Signal(), Signal()
        m.d.sync += [first.eq(self.first), valid1.eq(self.valid), valid2.eq(valid1)]
        return first, valid2

    def _cell(self, m: Module, p: Signal) -> None:
        first, valid = self._control(m)
        m.submodules.dsp = _dsp48e2(
            {"AMULTSEL": "A", "BMULTSEL": "B", "ADREG": 0, "DREG": 0},
            {
                "A": Cat(self._wide(), C(0, 30 - len(self._wide()))),
                "B": Cat(self.weight, self.weight[-1].replicate(18 - WEIGHT_BITS)),
                "INMODE": C(INMODE_A, 5),
                "OPMODE": Mux(first, C(OPMODE_START, 9), C(OPMODE_ADD, 9)),
                "CEP": valid,
                "P": p,
            },
        )

    def _model(self, m: Module, p: Signal) -> None:
        first, valid = self._control(m)
        a = Signal(SPACING + ACT_BITS, reset_less=True)
        b = Signal(signed(WEIGHT_BITS), reset_less=True)
        whole = Signal(signed(P_BITS), name="product", reset_less=True)
        start = Signal(reset_less=True)
        m.d.sync += [
            a.eq(self._wide()),
            b.eq(self.weight),
            whole.eq(a * b),
            start.eq(first),
        ]
        with m.If(valid):
            m.d.sync += p.eq(Mux(start, BIAS, p) + whole)

    def _pair(self, m: Module, p: Signal) -> None:
        first, valid = self._control(m)
        start = Signal(reset_less=True)
        m.d.sync += start.eq(first)
        for half, value, bias in ((0, self.low_i, BIAS), (1, self.high_i, 0)):
            part = p[half * SPACING : (half + 1) * SPACING]
            term = product(m, f"{half}", value, self.weight)
            with m.If(valid):
                m.d.sync += part.eq(Mux(start, bias, part) + term)


class PackedMultiply(PackedDsp):
    """Products of two weights with one activation.

    Members
    -------
    high_i, low_i: weights, int8.
    value: shared by both, uint8.
    high, low: the products, signed 17 bits.

    Latency: `LATENCY` cycles; one pair of products per cycle.
    """

    LATENCY = 4

    high_i: Signal
    low_i: Signal
    value: Signal
    high: Signal
    low: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "high_i": In(signed(WEIGHT_BITS)),
                "low_i": In(signed(WEIGHT_BITS)),
                "value": In(ACT_BITS),
                "high": Out(signed(SPACING - 1)),
                "low": Out(signed(SPACING - 1)),
            }
        )

    def _split(self, m: Module, p: Signal) -> None:
        m.d.comb += [
            self.low.eq(p[: SPACING - 1]),
            self.high.eq(p[SPACING : 2 * SPACING - 1]),
        ]

    def _cell(self, m: Module, p: Signal) -> None:
        sign = self.high_i[-1].replicate(30 - SPACING - WEIGHT_BITS)
        m.submodules.dsp = _dsp48e2(
            {"AMULTSEL": "AD", "BMULTSEL": "B", "BREG": 2, "BCASCREG": 2},
            {
                "A": Cat(C(0, SPACING), self.high_i, sign),
                "B": Cat(self.value, C(0, 18 - ACT_BITS)),
                "D": Cat(self.low_i, self.low_i[-1].replicate(27 - WEIGHT_BITS)),
                "INMODE": C(INMODE_A_PLUS_D, 5),
                "OPMODE": C(OPMODE_START, 9),
                "P": p,
            },
        )

    def _model(self, m: Module, p: Signal) -> None:
        m.d.sync += p.eq(_weights_times_value(m, self.high_i, self.low_i, self.value) + BIAS)

    def _pair(self, m: Module, p: Signal) -> None:
        for half, term in enumerate(_products(m, self.low_i, self.high_i, self.value)):
            m.d.sync += p[half * SPACING : (half + 1) * SPACING].eq(term)


class PackedSum(PackedDsp):
    """Sums of any number of products of two weights with one activation per cycle.

    Both sums share the output register: the lower one overflows into the upper one, and logic that
    watches its top bit can count how often. A bias added with every product keeps the lower sum
    from ever decreasing, so a falling top bit is an overflow; the sum starts lower by the total
    bias.

    Parameters
    ----------
    products: products per sum, >= 1.

    Members
    -------
    high_i, low_i: weights, int8.
    value: shared by both, uint8.
    start: this product is the first of a sum; `START_DELAY` cycles after its operands.
    p: ``(high << SPACING) + low``, exact once all products are in; until then low is smaller by
        the bias that is still missing.

    Latency: `LATENCY` cycles from operands to ``p``; one pair of products per cycle.

    Raises ValueError for ``products`` below 1.
    """

    LATENCY = 4
    START_DELAY = 2
    BIAS_BITS = 15

    high_i: Signal
    low_i: Signal
    value: Signal
    start: Signal
    p: Signal

    def __init__(self, products: int) -> None:
        if products < 1:
            raise ValueError(f"packed sum: {products} products, needs >= 1")
        self.initial = -(products << self.BIAS_BITS)
        super().__init__(
            {
                "high_i": In(signed(WEIGHT_BITS)),
                "low_i": In(signed(WEIGHT_BITS)),
                "value": In(ACT_BITS),
                "start": In(1),
                "p": Out(P_BITS),
            }
        )

    def _split(self, m: Module, p: Signal) -> None:
        m.d.comb += self.p.eq(p)

    def _cell(self, m: Module, p: Signal) -> None:
        sign = self.high_i[-1].replicate(30 - SPACING - WEIGHT_BITS)
        m.submodules.dsp = _dsp48e2(
            {
                "AMULTSEL": "AD",
                "BMULTSEL": "B",
                "BREG": 2,
                "BCASCREG": 2,
                "RND": C(1 << self.BIAS_BITS, P_BITS),
            },
            {
                "A": Cat(C(0, SPACING), self.high_i, sign),
                "B": Cat(self.value, C(0, 18 - ACT_BITS)),
                "C": C(self.initial & (1 << P_BITS) - 1, P_BITS),
                "D": Cat(self.low_i, self.low_i[-1].replicate(27 - WEIGHT_BITS)),
                "INMODE": C(INMODE_A_PLUS_D, 5),
                "OPMODE": Mux(self.start, C(OPMODE_START_C, 9), C(OPMODE_ADD_BIAS, 9)),
                "P": p,
            },
        )

    def _model(self, m: Module, p: Signal) -> None:
        start = Signal(reset_less=True)
        m.d.sync += start.eq(self.start)
        whole = _weights_times_value(m, self.high_i, self.low_i, self.value)
        m.d.sync += p.eq(Mux(start, self.initial, p.as_signed()) + whole + (1 << self.BIAS_BITS))

    def _pair(self, m: Module, p: Signal) -> None:
        start = Signal(reset_less=True)
        m.d.sync += start.eq(self.start)
        low, high = _products(m, self.low_i, self.high_i, self.value)
        raised = Signal(SPACING)  # never negative, thanks to the bias
        m.d.comb += raised.eq(low + (1 << self.BIAS_BITS))
        whole = Cat(raised, high).as_signed()
        m.d.sync += p.eq(Mux(start, self.initial, p.as_signed()) + whole)


def _weights_times_value(m: Module, high: Value, low: Value, value: Value) -> Value:
    """Pipeline registers of a DSP48E2, up to the product of two weights with one activation."""
    a = Signal(signed(WEIGHT_BITS), reset_less=True)
    d = Signal(signed(WEIGHT_BITS), reset_less=True)
    ad = Signal(signed(SPACING + WEIGHT_BITS + 1), reset_less=True)
    b1 = Signal(ACT_BITS, reset_less=True)
    b2 = Signal(ACT_BITS, reset_less=True)
    whole = Signal(signed(P_BITS), name="product", reset_less=True)
    m.d.sync += [
        a.eq(high),
        d.eq(low),
        b1.eq(value),
        b2.eq(b1),
        ad.eq((a << SPACING) + d),
        whole.eq(ad * b2),
    ]
    return whole


def _products(m: Module, low: Value, high: Value, value: Value) -> list[Value]:
    """Both products, three cycles later, from multipliers of their own."""
    value_in = Signal(ACT_BITS, reset_less=True)
    m.d.sync += value_in.eq(value)
    found: list[Value] = []
    for name, weight in (("low", low), ("high", high)):
        weight_in = Signal(signed(WEIGHT_BITS), name=f"{name}_in", reset_less=True)
        m.d.sync += weight_in.eq(weight)
        found.append(product(m, name, value_in, weight_in))
    return found

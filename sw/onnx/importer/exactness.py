"""Whether a layer's integers provably equal what ONNX computes.

ONNX computes in float32, or in float64 after a Cast, and rounds halves to even; the machine
computes in integers and rounds halves up. The two agree on every input if

- scales are powers of two and every sum, in any order of addition, is a whole number of steps that
  the float type can represent, so that no float operation rounds;
- the machine's factor, shift and constant are exact, not the nearest;
- a bias is a whole number of steps of the sums, because integer kernels round it to one;
- no accumulator that the weights allow is a half above an even number.

All of this is decided here in exact fractions, from the integers and from what the graph does to a
layer's sums. What cannot be decided counts as not exact.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor, gcd

import numpy as np

from twofold.hw.contract.arith import ACT_MAX
from twofold.hw.contract.network import Stage
from twofold.sw.artefacts import QuantizedLayer
from twofold.sw.onnx.export.exact import reach
from twofold.sw.onnx.importer.layers import RawLayer

FLOAT_BITS, DOUBLE_BITS = 24, 53
SMALLEST, LARGEST = Fraction(1, 1 << 126), Fraction(1 << 127)


def doubt(stage: Stage, integers: QuantizedLayer, layer: RawLayer, zero_point: int) -> str:
    """Why the integers of a layer may differ from ONNX; empty if they provably do not.

    ``layer`` is the layer as read, with its kernels in the order of ``integers``.
    """
    if not all(map(_is_power, np.unique(layer.unit))):
        return "scales are not powers of two, so that float32 rounds where integers do not"
    if layer.step is not None and not _is_power(layer.step):
        return "the output's scale is not a power of two, so that float32 rounds"
    whole = reach(stage, integers, zero_point, slice(None))
    parts = [reach(stage, integers, zero_point, slice(*run)) for run in layer.parts] or [whole]
    if max(int(part.max()) for part in parts) >= 1 << FLOAT_BITS:
        return f"sums reach 2**{FLOAT_BITS} steps, which float32 rounds"
    for kernel in range(stage.channels):
        why = _kernel(stage, integers, layer, zero_point, kernel, int(whole[kernel]))
        if why:
            return f"kernel {kernel}: {why}"
    return ""


def _is_power(value: float) -> bool:
    return float(np.frexp(value)[0]) == 0.5


@dataclass
class _Line:
    """What the graph computes from an accumulator: ``gain * acc + offset``, without rounding.

    ``grid``: all values are multiples of it; ``most``: bound on their magnitude.
    """

    gain: Fraction
    offset: Fraction
    grid: Fraction
    most: Fraction
    bits: int = FLOAT_BITS

    def add(self, value: float) -> None:
        term = self._operand(value)
        self.offset += term
        self.most += abs(term)
        self.grid = min(self.grid, _low_bit(term)) if term else self.grid
        self.check()

    def multiply(self, value: float) -> None:
        factor = self._operand(value)
        self.gain *= factor
        self.offset *= factor
        self.most *= factor
        self.grid *= _low_bit(factor) if factor else 1
        self.check()

    def add_up(self, positions: float) -> None:
        """Accumulators of ``positions`` positions are added; ``gain`` then applies to their sum."""
        self.offset *= int(positions)
        self.most *= int(positions)
        self.check()

    def _operand(self, value: float) -> Fraction:
        if self.bits == FLOAT_BITS and float(np.float32(value)) != value:
            raise _RoundsError("a constant is no float32")
        return Fraction(value)

    def check(self) -> None:
        if self.most > self.grid * (1 << self.bits):
            raise _RoundsError(f"its sums need more than {self.bits} bits of a float")
        if self.grid < SMALLEST or self.most > LARGEST:
            raise _RoundsError("its sums leave the range of float32")


class _RoundsError(Exception):
    """A float operation that rounds, or may."""


def _low_bit(value: Fraction) -> Fraction:
    """Largest power of two that divides a float, that is, the value of its lowest set bit."""
    top = abs(value.numerator)
    return Fraction(top & -top, value.denominator)


def _kernel(
    stage: Stage, integers: QuantizedLayer, layer: RawLayer, zero_point: int, kernel: int, most: int
) -> str:
    unit = Fraction(float(layer.unit[kernel]))
    line = _Line(unit, Fraction(0), unit, most // stage.terms * unit)
    try:
        line.check()
        if layer.biased and Fraction(float(layer.trace[0][1][kernel])) % unit:
            return "its bias is no whole number of steps, which optimised runtimes round"
        for operation, values in layer.trace:
            _OPERATIONS[operation](line, float(values[kernel]))
    except _RoundsError as error:
        return str(error)
    weights = integers.weight[kernel].reshape(-1, len(stage.zeros)).astype(np.int64)
    mul = 1 if integers.mul is None else int(integers.mul[kernel])
    step = line.gain if stage.last else Fraction(float(layer.step or 0))
    if not step or line.gain * (1 << integers.shift) != mul * step:
        return "its factor is the nearest of 15 bits"
    shift = integers.shift
    zeros = np.array((zero_point, *stage.zeros[1:]), dtype=np.int64)
    centre = stage.terms * int((weights * zeros).sum())
    constant = line.offset / step * (1 << shift) - mul * centre
    if stage.last:
        return "" if constant == int(integers.add[kernel]) else "its bias is no whole step"
    half = Fraction(0 if layer.floors else 1 << shift, 2)
    zero = 0 if layer.floors else layer.zero << shift
    if floor(constant + half) + zero != int(integers.add[kernel]):
        return "its constant is rounded"
    return (
        ""
        if layer.floors
        else _tie(weights.reshape(-1), stage.terms, mul, constant, shift, layer.zero)
    )


def _tie(
    weights: np.ndarray, terms: int, mul: int, constant: Fraction, shift: int, zero: int
) -> str:
    """Why rounding may differ: some accumulator is halfway above an even output in 0..254,
    or, where ``zero`` stands for 0, in -zero..254 - zero.

    That is the case if ``2 * (acc * mul + constant) == 2**shift * (4 * j + 1)`` for some j in
    0..127, or that range. Accumulators are multiples ``n`` of the weights' common divisor, between
    the sums of the negative and of the positive weights alone over ``terms`` positions; the
    equation has one ``n`` in each ``period``, or none. Empty if no accumulator is.
    """
    twice = 2 * constant
    if twice.denominator != 1:
        return ""
    common = int(np.gcd.reduce(weights)) or 1
    low = terms * ACT_MAX * int(np.minimum(weights, 0).sum()) // common
    high = terms * ACT_MAX * int(np.maximum(weights, 0).sum()) // common
    factor, period, rest = 2 * mul * common, 4 << shift, (1 << shift) - int(twice)
    divisor = gcd(factor, period)
    if rest % divisor:
        return ""
    period //= divisor
    first = rest // divisor * pow(factor // divisor, -1, period) % period
    if factor:
        low = max(low, -(((2 * zero << shift) - rest) // factor))
        high = min(high, (rest + (2 * (ACT_MAX - 1 - zero) << shift)) // factor)
    if first + -(-(low - first) // period) * period > high:
        return ""
    return "its sums can lie halfway: ONNX rounds halves to even, the machine up"


def _double(line: _Line, value: float) -> None:
    del value
    line.bits = DOUBLE_BITS


def _single(line: _Line, value: float) -> None:
    del value
    line.bits = FLOAT_BITS
    line.check()


_OPERATIONS = {
    "add": _Line.add, "multiply": _Line.multiply, "sum": _Line.add_up, "double": _double,
    "single": _single,
}  # fmt: skip

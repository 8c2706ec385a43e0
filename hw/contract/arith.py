"""The arithmetic specification, in plain Python integers.

Every implementation (PyTorch export, ONNX, golden model, RTL, card) must produce exactly these
numbers; the functions here are the scalar reference that the fast implementations are tested
against.

Activations are uint8, weights int8. A layer's accumulator is an exact sum of products, wide enough
never to overflow. Hidden layers requantise it to uint8; the last layer adds its bias and returns
the sum (int32) as logits.
"""

from collections.abc import Sequence

ACT_BITS = 8
ACT_MAX = 255
WEIGHT_BITS = 8
WEIGHT_MIN = -128
WEIGHT_MAX = 127
ADD_BITS = 32
MUL_BITS = 15
SHIFT_MAX = 31
LOGIT_BITS = 32


def accumulator_bits(products: int) -> int:
    """Width of a signed accumulator that holds any sum of ``products`` uint8 x int8 products.

    The worst case is ``products * 255 * -128``; a ``b``-bit two's complement number goes down to
    ``-2**(b - 1)``.
    """
    if products < 1:
        raise ValueError(f"an accumulator holds at least 1 product, not {products}")
    return (products * ACT_MAX * -WEIGHT_MIN - 1).bit_length() + 1


def add_bits(products: int, multiplier: bool = False) -> int:
    """Width of the signed additive constant that goes with an accumulator of ``products`` products.

    One bit more than the accumulator (or than its product with a multiplier), at most 32: enough to
    drive any accumulator to either clamp.
    """
    return min(accumulator_bits(products) + (MUL_BITS if multiplier else 0) + 1, ADD_BITS)


def requantise(acc: int, add: int, shift: int, mul: int = 1) -> int:
    """Scale an accumulator to uint8: ``clamp((acc * mul + add) >> shift, 0, 255)``.

    ``add`` is the bias plus half a step (``1 << (shift - 1)``), so the shift rounds half up; the
    shift is arithmetic (towards minus infinity); the lower clamp is the ReLU. ``mul`` is 1, or an
    unsigned 15-bit factor per channel.
    """
    return min(max((acc * mul + add) >> shift, 0), ACT_MAX)


def winners(values: Sequence[int], k: int) -> list[int]:
    """Indices of the ``k`` winners, ascending: highest values first, ties to the lower index."""
    order = sorted(range(len(values)), key=lambda index: (-values[index], index))
    return sorted(order[:k])


def argmax(logits: Sequence[int]) -> int:
    """Index of the largest logit; ties go to the lower index."""
    return max(range(len(logits)), key=lambda index: (logits[index], -index))

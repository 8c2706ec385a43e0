"""The law of arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.hw.contract.arith import (
    ADD_BITS,
    MUL_BITS,
    accumulator_bits,
    add_bits,
    argmax,
    requantise,
    winners,
)

accumulators = st.integers(-(1 << 31), (1 << 31) - 1)


@given(st.integers(1, 1 << 16))
def test_accumulators_hold_the_extremes_and_no_more(products):
    bits = accumulator_bits(products)
    low, high = products * 255 * -128, products * 255 * 127
    assert -(1 << (bits - 1)) <= low and high < 1 << (bits - 1)
    assert low < -(1 << (bits - 2))


@pytest.mark.parametrize("products", [0, -1])
def test_an_accumulator_without_products_is_refused(products):
    with pytest.raises(ValueError, match="at least 1 product"):
        accumulator_bits(products)


@given(st.integers(1, 1 << 12), st.booleans())
def test_constants_reach_both_clamps(products, multiplier):
    bits = add_bits(products, multiplier)
    factor = (1 << MUL_BITS) - 1 if multiplier else 1
    if bits < ADD_BITS:
        top = (1 << (bits - 1)) - 1
        assert requantise(products * 255 * -128, top, 0, factor) == 255
        assert requantise(products * 255 * 127, -top - 1, 0, factor) == 0


@given(accumulators, accumulators, st.integers(1, 31), st.integers(0, (1 << MUL_BITS) - 1))
def test_requantise_rounds_half_up_and_clamps(acc, bias, shift, mul):
    exact = Fraction(acc * mul + bias, 1 << shift)
    rounded = (exact + Fraction(1, 2)).__floor__()
    half = 1 << (shift - 1)
    assert requantise(acc, bias + half, shift, mul) == min(max(rounded, 0), 255)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.data())
def test_winners_are_the_k_largest_with_ties_to_the_lower_index(values, data):
    k = data.draw(st.integers(1, len(values)))
    kept = winners(values, k)
    assert kept == sorted(set(kept)) and len(kept) == k
    for loser in set(range(len(values))) - set(kept):
        for winner in kept:
            assert (values[winner], loser) > (values[loser], winner)


@given(st.lists(st.integers(-3, 3), min_size=1))
def test_argmax_takes_the_first_of_the_largest(logits):
    assert argmax(logits) == logits.index(max(logits))

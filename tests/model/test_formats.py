"""Integer formats against rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmgate.model.formats import (
    DesignError,
    check_integer,
    from_wire,
    full_scale,
    is_symmetric,
    quantise_symmetric,
    round_shift,
    saturate,
    signed_range,
    symmetric_codes,
    to_wire,
)


@pytest.mark.parametrize("bits", range(1, 17))
def test_symmetric_codes_and_their_wires(bits):
    codes = symmetric_codes(bits)
    assert codes.tolist() == ([-1, 1] if bits == 1 else list(range(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1))))
    assert full_scale(bits) == codes.max()
    patterns = to_wire(codes, bits)
    assert ((patterns >= 0) & (patterns < 2**bits)).all()
    assert len(set(patterns.tolist())) == len(codes)
    assert np.array_equal(from_wire(patterns, bits), codes)
    assert np.array_equal(patterns >> (bits - 1), (codes < 0).astype(int)), "the top wire is the sign"


@pytest.mark.parametrize("bits", range(1, 9))
def test_is_symmetric_over_all_integers_near(bits):
    legal = set(symmetric_codes(bits).tolist())
    around = np.arange(-300, 301)
    assert is_symmetric(around, bits).tolist() == [v in legal for v in around.tolist()]


@given(st.integers(-(2**50), 2**50), st.integers(-8, 50))
def test_round_shift_rounds_half_up(value, shift):
    assert round_shift(value, shift) == math.floor(Fraction(value) / Fraction(2) ** shift + Fraction(1, 2))


@pytest.mark.parametrize("bits", range(1, 9))
def test_saturate(bits):
    low, high = signed_range(bits)
    assert (low, high) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    around = np.arange(-300, 301)
    assert saturate(around, bits).tolist() == [min(max(v, low), high) for v in around.tolist()]


@given(st.floats(-2, 2), st.integers(2, 16))
def test_quantise_rounds_half_up_and_clips(value, bits):
    top = 2 ** (bits - 1) - 1
    exact = math.floor(Fraction(value * top) + Fraction(1, 2))
    assert quantise_symmetric(value, bits) == min(max(exact, -top), top)


def test_one_bit_takes_the_sign_with_zero_as_plus():
    assert quantise_symmetric([-0.1, -0.0, 0.0, 0.1], 1).tolist() == [-1, 1, 1, 1]


def test_nan_is_refused():
    with pytest.raises(DesignError, match="^inputs must be numbers, but some are NaN$"):
        quantise_symmetric([0.0, math.nan], 4)


@pytest.mark.parametrize("value", ["x", 0, 17, 4.0, True, None])
def test_an_integer_out_of_its_range_is_named(value):
    with pytest.raises(DesignError) as error:
        check_integer("ADC bits", value, 1, 16)
    assert str(error.value) == f"ADC bits must be an integer from 1 to 16, not {value!r}"

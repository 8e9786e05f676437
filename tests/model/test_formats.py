"""Integer formats against rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmgate.model.formats import (
    DesignError,
    check_boolean,
    check_choice,
    check_integer,
    check_number,
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


def test_an_integer_of_numpy_becomes_pythons():
    assert [check_integer("n", value, 1, 16) for value in (1, 16, np.int64(5))] == [1, 16, 5]
    assert type(check_integer("n", np.uint8(5), 1, 16)) is int


@pytest.mark.parametrize("value", ["x", -0.01, 1.01, math.nan, True, None, np.float32(2), np.True_, np.ones(1)])
def test_a_number_out_of_its_range_is_named(value):
    for legal in (0, 0.0, 1, 1.0, np.float32(0.5), np.uint8(1)):
        found = check_number("share", legal, 0.0, 1.0)
        assert (type(found), found) == (float, float(legal))
    with pytest.raises(DesignError) as error:
        check_number("share", value, 0.0, 1.0)
    assert str(error.value) == f"share must be a number from 0 to 1, not {value!r}"


def test_what_is_no_boolean_or_no_choice_is_named():
    for legal in (True, False):
        check_boolean("switch", legal)
    for value in (1, 0, None, "true"):
        with pytest.raises(DesignError) as error:
            check_boolean("switch", value)
        assert str(error.value) == f"switch must be true or false, not {value!r}"
    check_choice("kind", "b", ("a", "b"))
    with pytest.raises(DesignError, match="^kind must be one of a, b, not 'c'$"):
        check_choice("kind", "c", ("a", "b"))

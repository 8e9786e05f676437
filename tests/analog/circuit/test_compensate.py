"""Conductances that make an array with wires compute what it would without."""

from functools import partial

import numpy as np
import pytest

from ohmgate.analog.circuit.compensate import compensate_pair, pair_error
from ohmgate.analog.circuit.wires import WireConfig, approximate_matrix, effective_matrix
from ohmgate.model.formats import DesignError

ONE_OHM = WireConfig(row_segment=1.0, column_segment=1.0)
BOTH_ENDS = WireConfig(row_segment=1.0, column_segment=1.0, driver_ends=2)
CELL = np.full((2, 3), 1e-6)


@pytest.mark.parametrize("wires", [ONE_OHM, BOTH_ENDS])
def test_compensated_pair_computes_the_difference(wires):
    low, high = 1e-6, 1e-4  # 10 kohm cells: without the cure entries are wrong by more than a tenth
    codes = np.random.default_rng(5).integers(-7, 8, (48, 96))
    positive, negative = (low + (high - low) * np.maximum(sign * codes, 0) / 7 for sign in (1, -1))
    difference = positive - negative
    _, before = pair_error(difference, effective_matrix(positive, wires) - effective_matrix(negative, wires))
    cured = compensate_pair(positive, negative, wires, low, high)
    sensed = effective_matrix(cured.positive, wires) - effective_matrix(cured.negative, wires)
    scale, after = pair_error(difference, sensed)
    assert before > 0.04
    assert after < 1e-4
    assert cured.error < 1e-4
    assert scale == pytest.approx(cured.scale, rel=1e-4)
    assert 0.5 < cured.scale < 1
    for plane in (cured.positive, cured.negative):
        assert plane.min() >= low
        assert plane.max() <= high
    assert max(cured.positive.max(), cured.negative.max()) > 0.999 * high  # the range is used up


def test_compensation_by_the_approximate_matrix():
    low, high = 1e-8, 1e-6
    positive = np.random.default_rng(6).uniform(low, high, (64, 128))
    solve = partial(approximate_matrix, error=1e-6)
    cured = compensate_pair(positive, np.full_like(positive, low), ONE_OHM, low, high, steps=3, solve=solve)
    sensed = effective_matrix(cured.positive, ONE_OHM) - effective_matrix(cured.negative, ONE_OHM)
    assert pair_error(positive - low, sensed)[1] < 1e-5


def test_compensation_of_a_pair_without_difference():
    plane = np.full((3, 4), 2e-6)
    cured = compensate_pair(plane, plane, ONE_OHM, 1e-6, 2e-6)
    assert (cured.positive == 1e-6).all()
    assert (cured.negative == 1e-6).all()
    assert cured.error == 0


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: pair_error(CELL * 0, CELL), "differences of a pair must not all be zero"),
        (lambda: compensate_pair(CELL, CELL[:1], ONE_OHM, 1e-7, 1e-6), "both arrays of a pair must have one shape"),
        (lambda: compensate_pair(CELL, CELL, ONE_OHM, 1e-6, 1e-6), "lowest conductance must be below the highest"),
        (lambda: compensate_pair(CELL, CELL, ONE_OHM, 0.0, 1e-6), "lowest conductance in siemens must be a number"),
        (lambda: compensate_pair(CELL, CELL, ONE_OHM, 1e-7, -1.0), "highest conductance in siemens must be a number"),
        (lambda: compensate_pair(3 * CELL, CELL, ONE_OHM, 1e-7, 1e-6), "differences of a pair must be within"),
        (lambda: compensate_pair(CELL, CELL, ONE_OHM, 1e-7, 1e-6, steps=0), "compensation steps must be an integer"),
    ],
)
def test_error_sentences(call, sentence):
    with pytest.raises(DesignError, match=sentence):
        call()

"""Gains that the registers hold, against all of them."""

import numpy as np
from hypothesis import given

from ohmgate.model.gain import nearest_gain
from tests.designs import seeds


@given(seeds)
def test_nearest_gain_is_the_nearest(seed):
    rng = np.random.default_rng(seed)
    gain = float(2.0 ** rng.uniform(-50, 7.9))
    mult, shift = nearest_gain(gain)
    assert 1 <= mult <= 255
    assert 0 <= shift <= 63
    legal = np.arange(1, 256)[:, None] * 2.0 ** -np.arange(64)
    assert abs(mult * 2.0**-shift - gain) == np.abs(legal - gain).min()


def test_gains_out_of_range_are_the_outermost():
    assert nearest_gain(1e9) == (255, 0)
    assert nearest_gain(1e-30) == (1, 63)

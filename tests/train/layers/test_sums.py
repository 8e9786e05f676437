"""Sums of weights with noise: the grid that makes them exact, and what it does to the noise."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from scipy import stats

from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import PAPER_ADC, Noise
from tests.designs import seeds


@given(seeds)
def test_the_grid_is_the_finest_that_holds_the_largest_sum(seed):
    """By fractions, of the largest weight and all rows at full scale: below 2^24 units, each weight below 2^15."""
    rng = np.random.default_rng(seed)
    dac, weight = (int(v) for v in rng.integers(2, 6, 2))
    beta, drop = float(rng.choice([0.02, 0.1])), float(rng.choice([0, 0.1]))
    drive, wider = int(rng.choice([1, 3])), int(rng.choice([0, 2]))
    layer = LstmArray(int(rng.integers(1, 300)), int(rng.integers(1, 300)), QuantConfig(
        dac_bits=dac, weight_bits=weight, input_drive=drive, input_dac_bits=dac + wider))  # fmt: skip
    layer.train_noise = Noise(weight=beta, drop=drop)
    gain = float(rng.uniform(1e-3, 1))
    unit = layer._unit(gain)
    top, full = 2 ** (weight - 1) - 1, 2 ** (dac - 1) - 1
    largest = (top + 2 * top * beta * math.sqrt(48 * math.log(2))) * gain / (1 - drop)  # of 2^-24, the smallest
    inputs = Fraction(drive * (2 ** (dac + wider - 1) - 1), 2**wider)  # at full scale, in hidden codes
    total = Fraction(largest) * max(inputs, full) * layer.cells.shape[0] * 2**wider  # in the finest code's units
    if unit:
        assert math.frexp(unit)[0] == 0.5
        assert total / Fraction(unit) < 2**24
        assert largest / unit < 2**15
        assert total / Fraction(unit / 2) > 0.99 * 2**24 or largest / (unit / 2) > 0.99 * 2**15
        assert largest >= 2**9 * unit
    else:
        assert total / Fraction(largest / 2**10) > 2**24


def test_no_grid_where_sums_are_whole_anyway_or_can_never_be():
    for noise, fields, found in (
        (Noise(weight=0.1), {}, True),
        (Noise(drop=0.1), {}, True),
        (Noise(adc=0.3), {}, False),
        (Noise(weight=0.1, redraw="per_step"), {}, False),
        (Noise(weight=0.1), {"weight_bits": 32}, False),
        (Noise(weight=0.1), {"dac_bits": 32}, False),
        (Noise(weight=0.1), {"adc_bits": 32}, False),
        (Noise(weight=0.1), {"dac_bits": 16}, False),
    ):
        layer = LstmArray(32, 32, QuantConfig(**fields))
        layer.train_noise = noise
        assert (layer._unit(0.1) > 0) is found
    layer = LstmArray(32, 32, QuantConfig())
    layer.train_noise, layer.curve = Noise(weight=0.1), 1.0
    assert layer._unit(0.1) == 0.0


@pytest.mark.parametrize("redraw", ["per_batch", "per_sequence"])
def test_weights_on_the_grid_have_the_noise_that_was_asked_for(redraw):
    """Codes plus N(0, 0.1 * 14): their mean, deviation and shape; and they lie on the grid."""
    torch.manual_seed(0)
    layer = LstmArray(300, 300, QuantConfig())
    layer.train_noise = Noise(adc=PAPER_ADC, weight=0.1, redraw=redraw)
    with torch.no_grad():
        array = layer.prepare(2)
        codes = layer.weight_codes(layer.alpha())
    assert torch.equal(array.weights, torch.round(array.weights / array.unit) * array.unit)
    noise = ((array.weights / array.gain - codes) / 1.4).double().flatten().numpy()
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(1, abs=4 / np.sqrt(2 * noise.size))
    assert stats.kstest(noise, "norm").pvalue > 0.001


def test_wide_arrays_are_multiplied_as_bytes_where_what_float32_rounds_clips():
    """2,049 rows: 255 times the largest sum is above 2^24, but the converter's range ends far below that."""
    layer = LstmArray(1024, 1024, QuantConfig())
    array = layer.prepare(1)
    assert not layer.bytes_hold(4)
    assert layer.bytes_hold(4, 1.0, array)
    narrow = LstmArray(1024, 1024, QuantConfig())
    with torch.no_grad():
        narrow.cells *= 1e-4
    assert not narrow.bytes_hold(4, 1.0, narrow.prepare(1))
    sums = 65793 * float(array.gain.amin())  # the first that 24 bits may not hold with a gain of 8 bits
    assert 255 * 65793 == 2**24 - 1
    assert sums > 2 * 8

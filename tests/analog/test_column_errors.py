"""Readouts of columns: drawn once for each, and what they make of a level by the formula; noise of DACs."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.column_errors import ColumnBank, ColumnErrors
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import DacErrors
from ohmgate.analog.fast import FastReader
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer

LAYER = DenseLayer(inputs=9, outputs=4000, adcs=40, adc_bits=6)


def test_every_column_has_readouts_of_its_own():
    """... also those that share an ADC; deviations within 4 standard errors of 4,000 columns."""
    errors = ColumnErrors(offset_sigma=0.5, gain_sigma=0.05, s_shape=0.2, s_shape_sigma=0.1)
    bank = ColumnBank(LAYER, errors, np.random.default_rng(0))
    for found, mean, sigma in ((bank.offset, 0, 0.5), (bank.gain, 1, 0.05), (bank.shape * 32, 0.2, 0.02)):
        assert found.mean() == pytest.approx(mean, abs=4 * sigma / np.sqrt(4000))
        assert found.std() == pytest.approx(sigma, rel=4 / np.sqrt(8000))
        assert len(set(found[:100].tolist())) == 100


def test_the_s_shape_takes_its_share_at_the_converters_end():
    """1 / (1 + n) of 32 LSB at n = 1/4 is 25.6, of 16 LSB 16 / (1 + 1/8); odd."""
    bank = ColumnBank(LAYER, ColumnErrors(s_shape=0.25), np.random.default_rng(0))
    level = np.array([[32.0], [16.0], [-16.0], [0.0]])
    assert bank.read(level, np.array([7]))[:, 0] == pytest.approx([25.6, 16 / 1.125, -16 / 1.125, 0.0])


def test_an_array_reads_through_them_and_only_if_it_has_them():
    rng = np.random.default_rng(1)
    levels, drive = rng.integers(-7, 8, (LAYER.rows, LAYER.columns)), rng.integers(-7, 8, (20, LAYER.rows))
    plain, none, bent = (
        Array(LAYER, ArrayConfig(columns=errors), 3)
        for errors in (None, ColumnErrors(), ColumnErrors(offset_sigma=1.0, gain_sigma=0.1, s_shape=0.3))
    )
    for array in (plain, none, bent):
        array.program(levels)
        array.set_gain(0, 5, 4)
    sums = drive @ levels * 5 / 16
    assert np.array_equal(none.analog(drive), sums)
    assert np.array_equal(plain.convert_all(drive), none.convert_all(drive))
    moved = sums * bent.readouts.gain + bent.readouts.offset
    expected = moved / (1 + 0.3 * np.abs(moved) / 32)
    assert bent.analog(drive) == pytest.approx(expected, rel=1e-12)
    step = np.arange(5, LAYER.columns, LAYER.conversions)
    assert np.array_equal(bent.convert_step(drive[0], 5), np.clip(np.floor(expected[0, step]), -32, 31))


def test_fast_reads_are_refused():
    array = Array(LAYER, ArrayConfig(columns=ColumnErrors(s_shape=0.1)))
    with pytest.raises(DesignError, match="^fast reads are not for an array with errors of its columns' readouts$"):
        FastReader(array)


def test_noise_of_dacs_is_new_in_every_reading_and_shared_by_the_columns():
    """Columns of like weights err alike; a deviation of 0.3 on 8 of 10 driven rows of weight 5; grounded rows have none."""
    array = Array(replace(LAYER, outputs=40, adcs=40), ArrayConfig(dac=DacErrors(noise_sigma=0.3)), 2)
    array.program(np.full((10, 40), 5))
    drive = np.repeat([[3] * 8 + [0] * 2], 20000, axis=0)
    error = array.analog(drive) - 3 * 8 * 5
    assert (error == error[:, :1]).all()
    assert error[:, 0].std() == pytest.approx(0.3 * 5 * np.sqrt(8), rel=4 / np.sqrt(40000))
    assert np.corrcoef(error[1:, 0], error[:-1, 0])[0, 1] == pytest.approx(0, abs=4 / np.sqrt(20000))
    assert (array.analog(np.zeros((5, 10), dtype=int)) == 0).all()

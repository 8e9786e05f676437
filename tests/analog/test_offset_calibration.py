"""Offsets of sense amplifiers taken out again: by bias rows, and by the trims of converters."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import AdcErrors
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.offset_calibration import absorb_offsets, column_offsets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from tests.analog.arrays import IDEAL

LAYER = DenseLayer(inputs=30, outputs=12, adcs=4, adc_bits=16, bias_rows=2)


def chip(layer=LAYER, bias=0, adc=None, **device):
    cells = Cells(device=replace(IDEAL, **device), amplifiers=Amplifiers(offset_sigma=5e-3))
    array = Array(layer, ArrayConfig(cells=cells, adc=adc), 3)
    levels = np.random.default_rng(1).integers(-7, 8, (layer.rows, 12))
    levels[30:] = bias
    array.program(levels)
    array.set_gain(0, 1, 4)
    return array


def driven(array: Array) -> np.ndarray:
    """Reading (LSB) of the bias rows alone, which are at full scale."""
    drive = np.zeros((1, array.layer.rows), dtype=int)
    drive[:, 30:] = 7
    return array.analog(drive)[0]


def test_bias_rows_leave_half_a_step():
    """A code of a bias row is 7 in the column sum, 7/16 LSB; programming them moves offsets by 0.1 LSB at most."""
    array = chip()
    before = column_offsets(array)
    assert np.abs(before).max() > 1
    assert driven(array) == pytest.approx(before, abs=1e-6)
    (left,) = absorb_offsets([array])
    assert np.abs(left).max() <= 7 / 16 / 2 + 1e-9
    assert driven(array) == pytest.approx(left, abs=0.1)
    assert (array.writes[:30] == 1).all()
    assert ((array.writes[30:] == 2) == (array.levels[30:] != 0)).all()


def test_what_does_not_fit_into_the_bias_rows_stays():
    array = chip(bias=7)
    held, before = array.levels.copy(), column_offsets(array)
    (left,) = absorb_offsets([array])
    full = before < -7 / 16 / 2
    assert full.any()
    assert left[full] == pytest.approx(before[full])
    assert (array.levels <= 7).all()
    assert np.array_equal(array.levels[:, full], held[:, full])
    assert np.abs(left[~full]).max() <= 7 / 16 / 2 + 1e-9


def test_a_second_row_takes_the_rest():
    """Offsets of 5 and more codes and bias rows at 4 and 0."""
    array = chip(g_max=11e-6)
    array.program(np.where(np.arange(32)[:, None] == 30, 4, np.where(np.arange(32)[:, None] == 31, 0, array.levels)))
    wanted = -np.round(column_offsets(array) * 16 / 7)
    assert (wanted > 3).any()
    absorb_offsets([array])
    assert array.levels[30] == pytest.approx(np.clip(4 + wanted, -7, 7))
    assert array.levels[30:].sum(axis=0) == pytest.approx(np.clip(4 + wanted, -14, 14))


def test_trims_take_the_mean_of_a_converters_columns():
    array = chip(adc=AdcErrors(gain_sigma=0.05))
    before = column_offsets(array).reshape(4, 3)
    (left,) = absorb_offsets([array], "trims")
    assert array.adcs is not None
    trims = -np.round(before.mean(axis=1) * array.adcs.gain / 0.125) * 0.125
    assert array.adcs.offset_trim == pytest.approx(trims)
    assert left.reshape(4, 3) == pytest.approx(before + (trims / array.adcs.gain)[:, None])
    drive = np.random.default_rng(4).integers(-7, 8, (3000, 32))
    plain = chip(adc=AdcErrors(gain_sigma=0.05))
    moved = (array.convert_all(drive) - plain.convert_all(drive)).mean(axis=0)
    assert moved == pytest.approx(np.repeat(trims, 3), abs=0.06)


def test_nonlinear_cells_are_measured_at_rest():
    array = chip(sinh_voltage=0.1)
    assert array.analog(np.zeros((1, 32), dtype=int))[0] == pytest.approx(column_offsets(array), rel=1e-3)


def test_an_array_of_true_grounds_has_none():
    array = Array(LAYER, ArrayConfig(cells=Cells(device=IDEAL)))
    assert not column_offsets(array).any()
    assert not absorb_offsets([array])[0].any()


@pytest.mark.parametrize(
    "layer, by, sentence",
    [
        (LAYER, "gains", "cure of offsets must be one of bias_rows, trims, not 'gains'"),
        (LAYER, "trims", "offsets go into trims of converters that have errors, but these are ideal"),
        (replace(LAYER, bias_rows=0), "bias_rows", "offsets go into bias rows of weights of at least 2 bits, but the "
         "array has 0 bias rows of 4-bit weights"),
    ],
)  # fmt: skip
def test_error_sentences(layer, by, sentence):
    array = Array(layer, ArrayConfig(cells=Cells(device=IDEAL)))
    with pytest.raises(DesignError) as error:
        absorb_offsets([array], by)
    assert str(error.value) == sentence

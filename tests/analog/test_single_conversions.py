"""Diagnostic conversions, which draw noise for the cells that they read alone: the codes and the law of whole readings."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import pcm, reram
from ohmgate.analog.memory.noise import Flicker, FlickerProcess, Telegraph, TelegraphProcess
from ohmgate.model.diagnostic_registers import ADJUST_SPARE
from ohmgate.model.formats import DesignError
from tests.analog.test_adjustments import DENSE, LSTM, PARTS, copy_to_spare, drives, programmed


@pytest.mark.parametrize("config", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("layer", [LSTM, DENSE])
def test_without_noise_a_conversion_is_a_slice_of_a_reading(config, layer):
    array = programmed(layer, config)
    for adc, step in ((0, 1), (2, 0), (layer.adcs - 1, 2)):
        copy_to_spare(array, adc, step, 0)
        array.program_cell(0, layer.columns + adc * layer.spares, 7)
        array.adjust(adc, ADJUST_SPARE, step)
    array.adjust(1, 0, 9)
    for drive in drives(layer):
        whole = array.convert_all(drive)
        for step in range(layer.conversions):
            assert np.array_equal(array.convert_step(drive, step), whole[step :: layer.conversions])


TRAPS = Telegraph(amplitude=0.4, tau_high=20e-6, tau_low=10e-6, fraction=0.5)
CELLS = Cells(device=replace(reram(), flicker=Flicker(density=3e-3, low=1e2, high=1e6)), thermal=True, shot=True)
NOISY = {
    "per step": ArrayConfig(weight_noise=0.05, redraw="per_step", adc_noise="paper"),
    "per sequence": ArrayConfig(weight_noise=0.05, redraw="per_sequence"),
    "reram": ArrayConfig(cells=CELLS),
    "traps": ArrayConfig(cells=Cells(device=replace(reram(), flicker=None, telegraph=TRAPS))),
    "reram by a reference column": ArrayConfig(cells=replace(CELLS, scheme="offset", slices=2)),
    "pcm": ArrayConfig(cells=Cells(device=replace(pcm(), read_sigma=0.05), seconds=60.0)),
    "pcm by a reference column": ArrayConfig(cells=Cells(device=replace(pcm(), read_sigma=0.05), scheme="offset")),
}


@pytest.mark.parametrize("config", NOISY.values(), ids=NOISY)
def test_the_noise_of_a_conversion_is_that_of_a_reading(config):
    """Covariance of the columns of one step over many sequences, in steps of the converter."""
    if config.cells and config.cells.scheme == "offset":
        config = replace(config, cells=replace(config.cells, slices=2, seconds=60.0))
    layer = replace(LSTM, hidden=4)
    array, [drive] = programmed(layer, config), drives(layer, 1)
    drive[layer.inputs + 1] = 0
    columns, count = np.arange(1, layer.columns, layer.conversions), 1500
    whole = np.empty((count, len(columns)))
    single = whole.copy()
    for index in range(count):
        array.new_sequence()
        whole[index] = array.analog(drive[None])[0, columns]
        array.new_sequence()
        single[index] = array.analog(drive[None], columns)[0]
    sigma = whole.std(axis=0)
    assert (sigma > 0.01).all()
    assert single.std(axis=0) / sigma == pytest.approx(1, abs=0.12)
    assert (single.mean(axis=0) - whole.mean(axis=0)) / sigma == pytest.approx(0, abs=0.15)
    correlation = np.corrcoef(whole.T) - np.corrcoef(single.T)
    assert np.abs(correlation).max() < 0.2


def test_flicker_of_cells_that_are_seldom_read_has_the_law_of_all():
    law = Flicker(density=1e-2, low=1e2, high=1e5)
    process = FlickerProcess(law, (40, 1000), 2e-5, np.random.default_rng(1))
    process.begin(np.array([True]))
    rows, some, rest = np.arange(40), np.arange(0, 1000, 2), np.arange(1, 1000, 2)
    first = process.sample_some(np.ix_(rows, some))
    for _ in range(9):
        process.sample_some(np.ix_(rows, rest))
    later = process.sample_some(np.ix_(rows, some))
    rates = np.sqrt(np.geomspace(1e2, 1e5, 7)[1:] * np.geomspace(1e2, 1e5, 7)[:-1])
    lag = {steps: np.exp(-2 * np.pi * rates * 2e-5 * steps).mean() for steps in (1, 10)}
    for value in (first, later):
        assert value.var() == pytest.approx(law.variance, rel=0.03)
    assert np.mean(first * later) / law.variance == pytest.approx(lag[10], abs=0.02)
    whole = process.sample()[0]
    assert whole.var() == pytest.approx(law.variance, rel=0.03)
    assert np.mean(later * whole[:, some]) / law.variance == pytest.approx(lag[1], abs=0.02)
    assert np.mean(first * whole[:, rest]) / law.variance == pytest.approx(0, abs=0.02)
    after = process.sample()[0]
    assert np.mean(whole * after) / law.variance == pytest.approx(lag[1], abs=0.02)


def test_traps_that_are_seldom_read_have_the_law_of_all():
    law = Telegraph(amplitude=1.0, tau_high=30e-6, tau_low=10e-6)
    process = TelegraphProcess(law, 80_000, 1e-6, np.random.default_rng(1))
    process.begin(np.array([True]))
    some, rest = np.arange(0, 80_000, 2), np.arange(1, 80_000, 2)
    first = process.sample_some(some)
    for _ in range(4):
        process.sample_some(rest)
    later = process.sample_some(some)
    lag = {steps: np.exp(-steps * 1e-6 * (1 / 30e-6 + 1 / 10e-6)) for steps in (1, 5)}
    variance = 0.25 * 0.75
    for value in (first, later):
        assert value.var() == pytest.approx(variance, rel=0.03)
        assert value.mean() == pytest.approx(0, abs=0.01)
    assert np.mean(first * later) / variance == pytest.approx(lag[5], abs=0.02)
    whole = process.sample()[0]
    assert np.mean(later * whole[some]) / variance == pytest.approx(lag[1], abs=0.02)
    assert np.mean(whole * process.sample()[0]) / variance == pytest.approx(lag[1], abs=0.02)


def test_a_sequence_begins_anew_after_single_conversions():
    array, other = (programmed(LSTM, preset("reram")) for _ in range(2))
    for each in (array, other):
        each.convert_step(drives(LSTM)[0], 2)
    array.new_sequence(np.ones(5, dtype=bool))
    assert array.convert_all(drives(LSTM)[:5]).shape == (5, LSTM.columns)
    assert not array.slow_noise._cells._flicker._clock.differs
    assert other.slow_noise._cells._flicker._clock.differs


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_conversions_give_the_same_codes(name):
    array, other = (programmed(LSTM, preset(name)) for _ in range(2))
    for step, drive in enumerate(drives(LSTM)):
        assert np.array_equal(array.convert_step(drive, step % 3), other.convert_step(drive, step % 3))


def test_a_step_is_one_of_the_layers():
    with pytest.raises(DesignError, match="^step must be an integer from 0 to 2, not 3$"):
        Array(LSTM).convert_step(drives(LSTM)[0], 3)

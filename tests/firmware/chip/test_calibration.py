"""Calibration finds the offsets and gains that the model has drawn, and takes them away."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import AdcErrors
from ohmgate.firmware.chip.calibration import Trims, calibrate, fit, measure, set_trims
from ohmgate.firmware.chip.diagnosis import TrimSteps
from ohmgate.firmware.loader import stop
from ohmgate.firmware.transactions import run
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order
from tests.firmware.chip.chips import loaded, network_of, stopped

LAYER = LstmLayer(inputs=12, hidden=32, adcs=16, diagnostics=True)
ERRORS = AdcErrors(kind="ideal", offset_sigma=1.0, gain_sigma=0.04, calibrate=False)


def prepared(layer, errors=ERRORS, seed=3):
    """A loaded chip whose rows a host has, its layer, and the weights in physical order."""
    network = network_of(Design("x", (layer,)))
    chip = loaded(network, ArrayConfig(adc=errors) if errors else None, seed)
    run(stop(network.design), chip)
    _, [part] = stopped(network.design)
    run(part.begin(), chip)
    return chip, part, np.asarray(network.layers[0].weights)[:, physical_order(layer)]


@pytest.mark.parametrize("adc_bits, gain_error", [(3, 0.03), (4, 0.015), (6, 0.004), (8, 0.002)])
def test_offsets_and_gains_are_those_that_were_drawn(adc_bits, gain_error):
    errors = replace(ERRORS, offset_sigma=min(1.0, 0.1 * 2 ** (adc_bits - 1)))
    chip, part, holds = prepared(replace(LAYER, adc_bits=adc_bits), errors)
    adcs = chip.arrays[0].adcs
    _, before, after = run(calibrate(part, holds, np.random.default_rng(1), 128, 2), chip)
    assert np.abs(before.offset - adcs.offset).max() < 0.06
    assert np.abs(before.gain - adcs.gain).max() < gain_error
    left = chip.arrays[0].adjustments
    gain = 1 + left.gain * errors.gain_trim
    assert np.abs(adcs.gain * gain - 1).max() < gain_error + errors.gain_trim / 2
    assert (
        np.abs((adcs.offset + left.offset * errors.offset_trim) * gain).max() < 0.06 + errors.offset_trim / 2 + 0.02
    )
    assert np.abs(after.offset).max() < 0.15
    assert np.abs(after.gain - 1).max() < 2 * gain_error + errors.gain_trim / 2


def test_a_chip_without_errors_is_left_alone():
    chip, part, holds = prepared(replace(LAYER, adc_bits=6), None)
    trims, before, after = run(calibrate(part, holds, np.random.default_rng(1), 64, 2), chip)
    assert np.abs(trims.offset).max() <= 1
    assert np.abs(trims.gain).max() <= 1
    for report in (before, after):
        assert report.rest == pytest.approx(np.full(16, 12**-0.5), abs=0.03)  # of a converter's rounding


@pytest.mark.parametrize("steps", [TrimSteps(0.5, 0.02), TrimSteps(0.03, 0.001)])
def test_trims_of_other_steps_take_up_as_much(steps):
    errors = replace(ERRORS, offset_trim=steps.offset, gain_trim=steps.gain)
    chip, part, holds = prepared(LAYER, errors)
    part.trim_steps = steps
    run(calibrate(part, holds, np.random.default_rng(1), 128, 2), chip)
    adcs, trims = chip.arrays[0].adcs, chip.arrays[0].adjustments
    assert np.abs(adcs.offset + trims.offset * steps.offset).max() < 0.08 + steps.offset / 2
    assert np.abs(adcs.gain * (1 + trims.gain * steps.gain) - 1).max() < 0.02 + steps.gain / 2


def test_a_second_calibration_gives_the_same():
    chip, part, holds = prepared(LAYER)
    first, *_ = run(calibrate(part, holds, np.random.default_rng(1), 64, 2), chip)
    second, *_ = run(calibrate(part, holds, np.random.default_rng(1), 64, 2), chip)
    assert np.array_equal(first.offset, second.offset)
    assert np.array_equal(first.gain, second.gain)
    assert first.offset.any()


def test_trims_that_do_not_reach_stay_at_their_limits():
    chip, part, holds = prepared(replace(LAYER, adc_bits=8), replace(ERRORS, offset_sigma=12.0))
    trims, before, after = run(calibrate(part, holds, np.random.default_rng(1), 64, 2), chip)
    offset = chip.arrays[0].adcs.offset
    far = np.abs(offset) > 18
    assert 0 < far.sum() < 16
    assert np.array_equal(trims.offset[far], np.where(offset[far] > 0, -128, 127))
    assert (np.abs(after.offset[far]) > 1).all()
    assert (np.abs(after.offset[far]) < np.abs(before.offset[far])).all()


def test_a_converter_of_one_bit_keeps_its_gain():
    chip, part, holds = prepared(replace(LAYER, adc_bits=1), replace(ERRORS, offset_sigma=0.15))
    trims, before, _ = run(calibrate(part, holds, np.random.default_rng(1), 128, 2), chip)
    assert not trims.gain.any()
    assert (before.gain == 1).all()
    offset = chip.arrays[0].adcs.offset
    assert np.abs(offset + trims.offset / 8).max() < 0.1
    assert np.abs(offset).max() > 0.2


def test_a_line_is_fitted_to_what_cannot_clip():
    layer = DenseLayer(inputs=1, outputs=2, adcs=2, adc_bits=4)
    levels = np.linspace(-20, 20, 401)[:, None] * np.ones(2)
    codes = np.clip(np.floor(1.1 * levels + [0.7, -1.2]), -8, 7)
    report = fit(layer, levels, codes)
    assert report.offset == pytest.approx([0.7, -1.2], abs=0.05)
    assert report.gain == pytest.approx([1.1, 1.1], abs=0.02)


def test_an_adc_that_says_nothing_has_no_gain():
    layer = DenseLayer(inputs=1, outputs=2, adcs=2)
    dead = fit(layer, np.array([[1.0, -1.0], [-1.0, 1.0]]), np.full((2, 2), 3))
    assert dead.gain.tolist() == [1, 1]
    assert dead.offset.tolist() == [3.5, 3.5]
    unread = fit(layer, np.zeros((2, 2)), np.zeros((2, 2)))
    assert unread.gain.tolist() == [1, 1]


def test_all_zero_weights_are_no_division_by_zero():
    chip, part, holds = prepared(LAYER)
    report = run(measure(part, 0 * holds, np.random.default_rng(1), 4), chip)
    assert np.isfinite(report.offset).all()


def test_trims_are_set_and_progress_is_told():
    chip, part, holds = prepared(LAYER)
    run(set_trims(part, Trims(np.arange(16) - 8, 7 - np.arange(16))), chip)
    assert chip.arrays[0].adjustments.offset.tolist() == list(range(-8, 8))
    assert chip.arrays[0].adjustments.gain.tolist() == list(range(7, -9, -1))
    told = []
    run(calibrate(part, holds, np.random.default_rng(1), 3, 2, progress=lambda *at: told.append(at)), chip)
    assert told == [(k, 9) for k in range(1, 10)]

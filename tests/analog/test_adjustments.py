"""What a host sets in a macro: trims, spare columns; and cells that grow older one by one."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.converters import AdcErrors, DacErrors
from ohmgate.analog.fast import why_not
from ohmgate.analog.memory import devices
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.model.diagnostic_registers import ADJUST_GAIN, ADJUST_OFFSET, ADJUST_SPARE, NO_STEP
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer

LSTM = LstmLayer(inputs=5, hidden=6, adcs=8, adc_bits=6, diagnostics=True, spares=2, input_drive=2, input_dac_bits=3)
DENSE = DenseLayer(inputs=9, outputs=12, adcs=4, adc_bits=8, diagnostics=True, spares=1)
IDEAL_CELLS = Cells(device=devices.Device(name="x", g_min=1e-6, g_max=50e-6, levels=16, read_voltage=0.2))
YEAR = 3e7  #: s
MULTS = 150, 100, 220, 190


def programmed(layer, config=None, seed=3):
    array = Array(layer, config, seed)
    array.program(np.random.default_rng(1).integers(-7, 8, (layer.rows, layer.columns)))
    for gate in range(layer.gates):
        array.set_gain(gate, MULTS[gate], 10)
    return array


def drives(layer, count=20):
    drive = np.random.default_rng(2).integers(-3, 4, (count, layer.rows))
    drive[: count // 2, -layer.bias_rows :] = 0  # as diagnostics may have them
    return drive


def copy_to_spare(array, adc, step, spare):
    """Program a spare as one of its ADC's own columns; returns the physical number of that column."""
    layer, column = array.layer, adc * array.layer.conversions + step
    for row in range(layer.rows):
        array.program_cell(row, layer.columns + adc * layer.spares + spare, int(array.levels[row, column]))
    return column


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("layer", [LSTM, DENSE])
def test_diagnostics_and_spares_change_no_draw(name, layer):
    with_spares, plain = (
        programmed(each, preset(name)) for each in (layer, replace(layer, diagnostics=False, spares=0))
    )
    copy_to_spare(with_spares, 1, 0, 0)
    for _ in range(2):
        with_spares.new_sequence()
        plain.new_sequence()
        for drive in drives(layer, 4):
            assert np.array_equal(with_spares.convert_all(drive), plain.convert_all(drive))


@pytest.mark.parametrize("offset, gain", [(-128, 0), (5, 0), (0, -77), (0, 127), (-3, 20), (127, -128)])
def test_trims_of_ideal_converters(offset, gain):
    array = programmed(DENSE)
    array.adjust(2, ADJUST_OFFSET, offset & 0xFF)
    array.adjust(2, ADJUST_GAIN, 0xAB00 | gain & 0xFF)  # its low 8 bits count
    for drive, codes in zip(drives(DENSE), array.convert_all(drives(DENSE))):
        for column in range(DENSE.columns):
            exact = Fraction(int(drive @ array.levels[:, column]) * MULTS[0], 1024)
            if column // DENSE.conversions == 2:
                exact = (exact + Fraction(offset, 8)) * (1 + Fraction(gain, 256))
            assert codes[column] == min(max(floor(exact), -128), 127)
    array.reset_adjustments()
    assert np.array_equal(array.convert_all(drives(DENSE)), programmed(DENSE).convert_all(drives(DENSE)))


@pytest.mark.parametrize("kind", ["ideal", "flash", "sar"])
def test_a_host_can_set_what_the_factory_would(kind):
    errors = AdcErrors(kind=kind, offset_sigma=2.0, gain_sigma=0.05, mismatch=0.05, offset_trim=0.25, gain_trim=0.01)
    factory = programmed(DENSE, ArrayConfig(adc=replace(errors, calibrate=True)))
    array = programmed(DENSE, ArrayConfig(adc=errors))
    for adc in range(DENSE.adcs):
        array.adjust(adc, ADJUST_OFFSET, round(float(factory.adcs.offset_trim[adc]) / 0.25))
        array.adjust(adc, ADJUST_GAIN, round((float(factory.adcs.gain_trim[adc]) - 1) / 0.01))
    assert array.adjustments.offset.any()
    assert array.adjustments.gain.any()
    assert np.array_equal(array.convert_all(drives(DENSE)), factory.convert_all(drives(DENSE)))
    factory.adjust(1, ADJUST_OFFSET, 4)  # adds to what the factory did
    factory.reset_adjustments()
    assert np.array_equal(array.convert_all(drives(DENSE)), factory.convert_all(drives(DENSE)))


PARTS = {
    "ideal": ArrayConfig(),
    "converters": ArrayConfig(
        adc=AdcErrors(kind="flash", offset_sigma=1.0, gain_sigma=0.1, mismatch=0.1),
        dac=DacErrors(offset_sigma=0.1, gain_sigma=0.05, bow_sigma=0.1),
    ),
    "cells": ArrayConfig(cells=IDEAL_CELLS),
    "amplifiers": ArrayConfig(cells=replace(IDEAL_CELLS, amplifiers=Amplifiers(offset_sigma=0.01))),
    "reference column": ArrayConfig(cells=replace(IDEAL_CELLS, scheme="offset", slices=2)),
}


@pytest.mark.parametrize("config", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("layer", [LSTM, DENSE])
def test_a_spare_like_the_column_that_it_replaces_gives_its_codes(config, layer):
    """Gain, DACs, amplifier and ADC are those of the column."""
    array = programmed(layer, config)
    before = array.convert_all(drives(layer))
    adc, spare = layer.adcs - 1, layer.spares - 1
    column = copy_to_spare(array, adc, 1, spare)
    array.adjust(adc, ADJUST_SPARE + spare, 1)
    assert np.array_equal(array.convert_all(drives(layer)), before)
    for row in range(layer.rows):
        array.program_cell(row, layer.columns + adc * layer.spares + spare, -int(array.levels[row, column]))
    other = array.convert_all(drives(layer))
    assert (other != before)[:, column].mean() > 0.5
    assert np.array_equal(np.delete(other, column, axis=1), np.delete(before, column, axis=1))


def test_the_spare_of_the_highest_number_is_read_in_one_step_alone():
    array, column = programmed(LSTM), 3 * LSTM.conversions + 2
    own, drive = array.convert_all(drives(LSTM)), drives(LSTM)
    for spare, level in ((0, 7), (1, -7)):
        for row in range(LSTM.rows):
            array.program_cell(row, LSTM.columns + 3 * LSTM.spares + spare, level)

    def read(spares):
        for spare, step in enumerate(spares):
            array.adjust(3, ADJUST_SPARE + spare, step)
        codes = array.convert_all(drive)
        assert np.array_equal(
            np.delete(codes, [column - 2, column], axis=1), np.delete(own, [column - 2, column], axis=1)
        )
        return codes[:, [column - 2, column]]

    signed = drive.copy()
    signed[:, : LSTM.inputs] *= 4  # twice the voltage, and a bit less of its codes
    full = np.clip(np.floor(signed.sum(axis=1) * 7 * 100 / 1024), -32, 31)  # ADC 3 is of gate i
    empty = np.clip(np.floor(-signed.sum(axis=1) * 7 * 100 / 1024), -32, 31)
    assert np.array_equal(read([2, NO_STEP])[:, 1], full)
    assert np.array_equal(read([2, 2])[:, 1], empty)
    assert np.array_equal(read([2, 0]), np.stack([empty, full], axis=1))
    assert np.array_equal(read([NO_STEP, LSTM.conversions]), own[:, [column - 2, column]])
    read([2, 0])
    array.reset_adjustments()
    assert np.array_equal(array.convert_all(drive), own)


def test_spares_have_faults_and_errors_of_their_own():
    config = ArrayConfig(cells=Cells(device=devices.reram(), stuck_on=0.1, stuck_off=0.1))
    array = programmed(LSTM, config)
    stuck = array.spares.cell_array.stuck
    assert stuck.shape == (2, LSTM.rows, 16)
    assert 0.1 < (stuck != 0).mean() < 0.3
    before = array.effective().copy()
    column = copy_to_spare(array, 2, 0, 1)
    assert np.array_equal(array.effective(), before), "programming a spare writes no other cell"
    held = array.spares.effective()[:, 2 * LSTM.spares + 1]
    assert (held != before[:, column]).all()
    assert np.abs(held - array.levels[:, column])[(stuck[:, :, 5] == 0).all(axis=0)].max() < 2
    assert (array.spares.writes.sum(axis=0) == LSTM.rows * (np.arange(16) == 5)).all()


def test_fast_reads_know_no_adjustments():
    array = programmed(DENSE)
    assert why_not(array) == ""
    for what in (ADJUST_OFFSET, ADJUST_GAIN, ADJUST_SPARE):
        array.adjust(0, what, 1)
        assert why_not(array) == "trims or spare columns that a host has set"
        array.reset_adjustments()


@pytest.mark.parametrize("name, seconds, kelvin", [("pcm", 0.0, 300.0), ("pcm", 60.0, 330.0), ("reram", 10.0, 400.0)])
def test_time_that_passes_is_time_since_programming(name, seconds, kelvin):
    def config(seconds):
        return replace(preset(name), cells=replace(preset(name).cells, seconds=seconds, kelvin=kelvin))

    array, old = programmed(LSTM, config(seconds)), programmed(LSTM, config(seconds + YEAR))
    young = array.effective().copy()
    array.pass_time(YEAR / 2)
    array.pass_time(YEAR / 2)
    assert np.array_equal(array.effective(), old.effective())
    assert np.abs(array.effective() - young).max() > 0.1
    assert bool(array.slow_noise)
    assert bool(old.slow_noise)
    for drive in drives(LSTM):
        assert np.array_equal(array.convert_all(drive), old.convert_all(drive))


def test_a_cell_that_is_written_again_is_young():
    array, twice = (programmed(LSTM, preset("pcm")) for _ in range(2))
    array.pass_time(YEAR)
    aged = array.effective().copy()
    for made in (array, twice):
        made.program_cell(4, 7, int(made.levels[4, 7]))
    assert array.effective()[4, 7] == twice.effective()[4, 7]
    assert (array.effective() != aged).sum() == 1
    array.pass_time(5.0)
    assert array.ages[4, 7] == 65.0
    assert array.ages[0, 0] == 65.0 + YEAR
    array.program(array.levels.copy())
    assert (array.ages == 60.0).all()
    assert (array.spares.ages == 65.0 + YEAR).all()


def test_ages_may_differ_from_cell_to_cell():
    device = devices.pcm()
    programmed_to, ages = np.array([5e-6, 5e-6, 20e-6]), np.array([1.0, 1e6, 1e8])
    each = [float(device.aged(g, 0.5, age, 310.0)) for g, age in zip(programmed_to, ages)]
    assert device.aged(programmed_to, 0.5, ages, 310.0) == pytest.approx(each, rel=1e-14)
    fading = replace(device, retention=1e7, retention_sigma=0.5)
    each = [float(fading.aged(g, 0.5, age, 310.0, 0.3)) for g, age in zip(programmed_to, ages)]
    assert fading.aged(programmed_to, 0.5, ages, 310.0, np.full(3, 0.3)) == pytest.approx(each, rel=1e-14)
    plain = replace(device, retention=1e7)
    each = [float(plain.aged(g, 0.5, age, 310.0)) for g, age in zip(programmed_to, ages)]
    assert plain.aged(programmed_to, 0.5, ages, 310.0) == pytest.approx(each, rel=1e-14)


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda a: a.adjust(4, 0, 1), "ADC to adjust must be an integer from 0 to 3, not 4"),
        (lambda a: a.adjust(0, 3, 1), "what to adjust must be an integer from 0 to 2, not 3"),
        (lambda a: a.adjust(0, 0, 65536), "value of an adjustment must be an integer from -128 to 65535, not 65536"),
        (lambda a: a.program_cell(0, 16, 1), "column must be an integer from 0 to 15, not 16"),
        (lambda a: a.program_cell(0, 13, 8), "level at (0, 13) must be a symmetric 4-bit code, not 8"),
        (lambda a: a.pass_time(-1), "seconds that pass must be a number from 0 to 1e+12, not -1"),
    ],
)
def test_sentences(act, sentence):
    with pytest.raises(DesignError) as error:
        act(Array(DENSE))
    assert str(error.value) == sentence


def test_a_layer_without_diagnostics_takes_no_adjustments():
    with pytest.raises(DesignError, match="^trims and spare columns need a layer with diagnostics = true$"):
        Array(replace(DENSE, diagnostics=False, spares=0)).adjust(0, 0, 1)

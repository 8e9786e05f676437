"""Nonlinear cells in an array: readings against the law cell by cell, and against solved circuits."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.nonlinear import nonlinear_ir_drop
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import DacErrors
from ohmgate.analog.fast import FastReader, why_not
from ohmgate.analog.memory.cells import Cells
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import row_drive
from tests.analog.arrays import IDEAL, LAYER, programmed

BENT = replace(IDEAL, sinh_voltage=0.1)  # half of the read voltage


def law(array, codes):
    """What the columns of ``array`` take for codes (B, rows), in weight codes, cell by cell."""
    mapping, device = array.cell_array.mapping, array.cell_array.cells.device
    volts = codes * row_drive(array.layer) * mapping.code_voltage
    bent = (
        device.read_voltage
        * np.sinh(volts / device.sinh_voltage)
        / np.sinh(device.read_voltage / device.sinh_voltage)
    )
    positive, negative = array.conductances
    return bent @ (positive - negative) / mapping.unit_current


@pytest.mark.parametrize("drive", [1, 4])
def test_a_reading_is_the_sum_of_its_cells(drive):
    """The levels' grid, 2^-12 of a code, is all that is lost."""
    layer = LstmLayer(inputs=9, hidden=8, adcs=8, adc_bits=12, input_drive=drive)
    array = programmed(BENT, layer)
    codes = np.random.default_rng(0).integers(-7, 8, (50, layer.rows))
    error = array.analog(codes) - law(array, codes)
    assert np.abs(error).max() < 2.0**-13 * row_drive(layer).sum() * 7
    linear = programmed(IDEAL, layer).analog(codes)
    assert np.abs(linear - law(array, codes)).max() > 10


def test_full_scale_is_what_it_was_and_half_is_less():
    array = programmed(BENT, levels=np.full((LAYER.rows, LAYER.columns), 7))
    full, half = (array.analog(np.full((1, LAYER.rows), code))[0, 0] for code in (7, 4))
    assert full == pytest.approx(LAYER.rows * 49, rel=1e-3)
    assert half / full == pytest.approx(np.sinh(2 * 4 / 7) / np.sinh(2), rel=1e-3)


def test_pulses_are_linear_and_take_longer():
    """... as every pulse has the read voltage; 7 conversions' time for codes up to 7, 28 for inputs driven 4 times."""
    array = programmed(BENT, dacs="pulse_width")
    drive = np.random.default_rng(1).integers(-7, 8, (20, LAYER.rows))
    assert np.array_equal(array.analog(drive), programmed(IDEAL).analog(drive))
    for drive_factor, slots in ((1, 7), (4, 28)):
        layer = LstmLayer(inputs=5, hidden=4, adcs=4, input_drive=drive_factor)
        cells = programmed(BENT, layer, dacs="pulse_width").cell_array.cells
        assert cells.pulse_steps(layer) == slots
        assert cells.conversion_time(layer) == pytest.approx(slots * 100e-9)
        assert cells.noise_bandwidth(layer) == pytest.approx(5e6 / slots)
        assert programmed(BENT, layer).cell_array.cells.conversion_time(layer) == 100e-9


@pytest.mark.parametrize("ohm, read, most", [(4.0, 0.8, 0.002), (4.0, 2.0, 0.013), (40.0, 2.0, 0.05)])
def test_wires_and_nonlinear_cells_together(ohm, read, most):
    """The array is solved once, with the conductances at the read voltage. Its error, rms over all columns and inputs, is
    within ``most`` of the current before signs cancel; ohms are for 2 % and 16 % lost in the worst column."""
    layer = DenseLayer(inputs=31, outputs=40, adcs=40, bias_rows=1, adc_bits=12)
    wires = WireConfig(row_segment=ohm, column_segment=ohm)
    array = programmed(replace(IDEAL, sinh_voltage=0.2 / read), layer, wires=wires)
    mapping, device = array.cell_array.mapping, array.cell_array.cells.device
    codes = np.random.default_rng(2).integers(-7, 8, (4, layer.rows))
    found = array.analog(codes)
    square, plain = [], np.abs(law_terms(array, codes))
    for reading, volts in zip(found, mapping.volts(codes)):
        planes = [
            nonlinear_ir_drop(g, wires, volts, device.read_voltage, device.sinh_voltage).column_current
            for g in array.conductances
        ]
        square.append((reading - (planes[0] - planes[1]) / mapping.unit_current) ** 2)
    assert np.sqrt(np.mean(square)) < most * plain.mean()


def law_terms(array, codes):
    """Currents before they cancel, in weight codes: (B, columns)."""
    mapping, device = array.cell_array.mapping, array.cell_array.cells.device
    bent = np.abs(np.sinh(mapping.volts(codes) / device.sinh_voltage)) / np.sinh(
        device.read_voltage / device.sinh_voltage
    )
    return device.read_voltage * bent @ array.conductances.sum(axis=0) / mapping.unit_current


def test_fast_reads_are_the_array_models():
    layer = LstmLayer(inputs=9, hidden=8, adcs=8, input_drive=2)
    for cells in (Cells(device=BENT), Cells(device=replace(BENT, read_sigma=0.05), thermal=True, shot=True)):
        array = Array(layer, ArrayConfig(cells=cells), 3)
        array.program(np.random.default_rng(1).integers(-7, 8, (layer.rows, layer.columns)))
        for gate in range(4):
            array.set_gain(gate, 1, 5)
        assert why_not(array) == ""
        codes = np.random.default_rng(2).integers(-7, 8, (3000, layer.rows))
        fast, slow = FastReader(array, seed=4).read(codes), array.convert_all(codes)
        order = FastReader(array)._order
        if cells.thermal:
            assert (fast != slow[:, order]).mean() > 0.01
            assert (fast - slow[:, order]).mean() == pytest.approx(0, abs=0.02)
            assert fast.std(axis=0) == pytest.approx(slow[:, order].std(axis=0), rel=0.05)
        else:
            assert np.array_equal(fast, slow[:, order])


def test_dacs_with_errors_are_bent_too():
    config = ArrayConfig(cells=Cells(device=BENT), dac=DacErrors(gain_sigma=0.05))
    array = Array(LAYER, config, 3)
    array.program(np.full((LAYER.rows, LAYER.columns), 7))
    codes = np.full((1, LAYER.rows), 7)
    levels = array.dacs.levels(codes)
    assert np.abs(levels - 7).max() > 0.1
    assert array.analog(codes)[0] == pytest.approx((7 * np.sinh(2 * levels / 7) / np.sinh(2)).sum() * 7, rel=1e-3)


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: replace(IDEAL, sinh_voltage=0.003), "ideal: sinh_voltage in V must be a number from 0.004 to inf, not 0.003"),
        (lambda: Cells(device=IDEAL, dacs="x"), "DACs must be one of amplitude, pulse_width, not 'x'"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

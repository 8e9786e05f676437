"""What cells hold, read back: exact to half a weight code where the widths allow, spares and dither included."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import AdcErrors
from ohmgate.firmware.chip.cells import Reading, program, read_levels, reading, readings
from ohmgate.firmware.chip.diagnosis import Diagnosis, TrimSteps
from ohmgate.firmware.transactions import run
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import ADJUST_OFFSET
from ohmgate.model.formats import from_wire, symmetric_codes
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.random_designs import perhaps_diagnosable
from tests.designs import random_design
from tests.firmware.chip.chips import LSTM, stopped


def fill(chip, part, seed=5) -> np.ndarray:
    """Random weights in all cells of the selected layer, programmed over the bus: (rows, all_columns)."""
    layer, rng = part.layer, np.random.default_rng(seed)
    levels = rng.choice(symmetric_codes(layer.weight_bits), size=(layer.rows, layer.all_columns))
    for writes in program(layer, levels):
        run((w for w in writes), chip)
    return levels


def told_apart(layer, weight_bits: int) -> bool:
    """Does a dither of 8 tell the levels of all rows apart? A bias row is read half as finely."""
    parts = 4 if layer.bias_rows == 1 else 8
    return parts * max(2 ** (layer.adc_bits - 1) - 1, 0.5) > 2 ** (weight_bits - 1) - 1


@pytest.mark.parametrize("seed", range(12))
def test_an_ideal_chip_is_read_to_half_a_code(seed):
    rng, design = np.random.default_rng([seed, 7]), None
    for _ in range(100):
        design = perhaps_diagnosable(random_design(rng), rng)
        if design.diagnostics:
            break
    assert design
    assert design.diagnostics
    chip, parts = stopped(design)
    for part in parts:
        run(part.begin(), chip)
        layer, levels = part.layer, fill(chip, part)
        got = run(read_levels(part, reading(part)), chip)
        unread = np.isnan(got).all(axis=1)
        assert unread.tolist() == [layer.bias_rows == 2 and row >= layer.rows - 2 for row in range(layer.rows)]
        if told_apart(layer, layer.weight_bits):
            assert np.abs(got - levels)[~unread].max() < 0.5, layer


#: widest weights that a converter of N bits tells apart, in rows with DACs
WIDEST = {1: 3, 2: 4, 3: 5, 4: 6, 5: 7, 6: 8, 7: 8, 8: 8}


@pytest.mark.parametrize("adc_bits", list(WIDEST))
def test_the_page_says_which_widths_are_told_apart(adc_bits):
    for weight_bits in range(2, 9):
        layer = DenseLayer(
            inputs=2, outputs=64, adcs=4, weight_bits=weight_bits, adc_bits=adc_bits, bias_rows=0, diagnostics=True
        )
        chip, [part] = stopped(Design("x", (layer,)))
        levels = fill(chip, part)
        levels[0, :2] = [2 ** (weight_bits - 1) - 1, 1 - 2 ** (weight_bits - 1)]
        for writes in program(layer, levels):
            run((w for w in writes), chip)
        got = run(read_levels(part, reading(part)), chip)
        assert (np.abs(got - levels).max() <= 0.5) == (weight_bits <= WIDEST[adc_bits])


@pytest.mark.parametrize(
    "adc_bits, weight_bits, dither",
    [(1, 2, 2), (1, 3, 8), (2, 3, 4), (2, 4, 8), (3, 4, 4), (4, 4, 2), (4, 5, 4), (4, 8, 8), (8, 8, 2)],
)
def test_dither_is_the_least_that_the_widths_need(adc_bits, weight_bits, dither):
    layer = replace(LSTM, adc_bits=adc_bits, weight_bits=weight_bits)
    assert reading(Diagnosis(layer, 0)).dither == dither


def test_a_coarse_trim_limits_the_dither():
    layer = replace(LSTM, adc_bits=2)
    assert reading(Diagnosis(layer, 0, TrimSteps())).dither > 2
    assert reading(Diagnosis(layer, 0, TrimSteps(offset=0.5))).dither == 2
    assert reading(Diagnosis(layer, 0, TrimSteps(offset=3.0))).dither == 2


@pytest.mark.parametrize("trim", [-128, -30, 127])
def test_trims_are_where_they_were_and_their_limits_do_no_harm(trim):
    layer = replace(LSTM, weight_bits=6, bias_rows=0)
    chip, parts = stopped(Design("x", (layer,)), ArrayConfig(adc=AdcErrors(kind="ideal", calibrate=False)))
    chip.arrays[0].adcs.offset[:] = -trim / 8  # which it takes away
    levels = fill(chip, parts[0])
    trims = np.full(LSTM.adcs, trim)
    got = run(read_levels(parts[0], Reading(dither=8, share=0.8), trims), chip)
    assert np.abs(got - levels).max() < 31 / (0.8 * 7) / 16 + 0.01
    assert (chip.arrays[0].adjustments.offset == trim).all()
    assert (chip.arrays[0].adjustments.spare == 0xFFFF).all()
    assert ADJUST_OFFSET == 0


def test_readings_are_those_that_are_told():
    for layer in (LSTM, replace(LSTM, bias_rows=0), replace(LSTM, bias_rows=2, spares=0), replace(LSTM, spares=1)):
        chip, [part] = stopped(Design("x", (layer,)))
        for how in (Reading(), Reading(dither=16)):
            told = []
            run(read_levels(part, how, progress=told.append), chip)
            assert sum(told) == readings(layer, how)


def test_a_dense_layer_is_programmed_row_by_row_and_its_spares_apart():
    layer = LstmLayer(inputs=1, hidden=1, adcs=4, bias_rows=0, diagnostics=True, spares=1)
    levels = np.arange(16).reshape(2, 8) - 7
    rows = program(layer, np.minimum(levels, 7))
    seen = [[(w.register.name, w.value) for w in row] for row in rows]
    assert [name for name, _ in seen[1]] == ["ROW", "COLUMN", *["LEVEL"] * 4] * 2
    assert [seen[1][k] for k in (0, 1, 6, 7)] == [("ROW", 1), ("COLUMN", 0), ("ROW", 1), ("COLUMN", 4)]
    patterns = [value for name, value in seen[0] if name == "LEVEL"]
    assert from_wire(np.array(patterns), 4).tolist() == levels[0].tolist()
    [first, _] = program(layer, levels[:, :4].clip(-7, 7))
    assert len(first) == 2 + 4

"""The array model: exact without noise, one cell at a time like all at once, clear errors."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.analog.array import Array
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.converters import DacErrors
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.analog.step_reader import StepReader
from ohmgate.model import reference
from ohmgate.model.formats import DesignError, full_scale, symmetric_codes
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import gate_of_column, physical_order
from tests.designs import random_design, random_inputs, random_network, seeds

NOISY = (
    ArrayConfig(weight_noise=0.1, adc_noise="paper"),
    ArrayConfig(weight_noise=0.1, redraw="per_sequence", adc_noise="paper"),
    ArrayConfig(weight_noise=0.1, redraw="per_step", adc_noise="physical", adc_sigma=0.3),
)
LSTM = LstmLayer(inputs=5, hidden=6, adcs=8)


def programmed(layer, config=None, seed=0, data_seed=1):
    rng = np.random.default_rng(data_seed)
    array = Array(layer, config, seed)
    array.program(rng.choice(symmetric_codes(layer.weight_bits), (layer.rows, layer.columns)))
    for gate in range(layer.gates):
        array.set_gain(gate, 100 + gate, 10)
    return array


def random_drive(layer, batch, seed=2):
    top = full_scale(layer.dac_bits)
    return np.random.default_rng(seed).integers(-top, top, (batch, layer.rows), endpoint=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    bits=st.tuples(st.integers(1, 16), st.integers(1, 16), st.integers(1, 16)),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 6), st.sampled_from([4, 8, 12, 24])),
    gates=st.sampled_from([1, 4]),
)
def test_codes_are_the_references_at_every_width(seed, bits, shape, gates):
    d, w, n = bits
    inputs, units, adcs = shape
    widths = {"dac_bits": d, "weight_bits": w, "adc_bits": n}
    if gates == 4:
        layer = LstmLayer(inputs=inputs, hidden=units * adcs // 4, adcs=adcs, **widths)
    else:
        layer = DenseLayer(inputs=inputs, outputs=units * adcs, adcs=adcs, **widths)
    rng = np.random.default_rng(seed)
    levels = rng.choice(symmetric_codes(w), (layer.rows, layer.columns))
    drive = random_drive(layer, 7, seed)
    mult, shift = rng.integers(1, 256, layer.gates), rng.integers(0, d + w + 8, layer.gates)
    array = Array(layer)
    array.program(levels)
    for gate in range(layer.gates):
        array.set_gain(gate, int(mult[gate]), int(shift[gate]))
    gate = gate_of_column(layer)[physical_order(layer)]
    expected = reference.adc_codes(drive @ levels, mult[gate], shift[gate], n)
    assert np.array_equal(array.convert_all(drive), expected)
    reader = StepReader(array)
    for step in range(layer.conversions):
        assert np.array_equal(reader.convert(drive[0], step), expected[0, step :: layer.conversions])


@pytest.mark.parametrize("config", NOISY)
def test_cell_by_cell_is_the_same_array(config):
    whole = programmed(LSTM, config, seed=5)
    cells = Array(LSTM, config, seed=5)
    for row, column in np.random.default_rng(0).permutation(np.argwhere(np.ones(whole.levels.shape))):
        cells.program_cell(int(row), int(column), int(whole.levels[row, column]))
    assert np.array_equal(cells.effective(), whole.effective())
    assert (cells.writes == 1).all()


def test_noise_of_a_cell_is_redrawn_when_it_is_programmed_again():
    array = programmed(LSTM, ArrayConfig(weight_noise=0.1))
    before = array.effective().copy()
    array.program_cell(3, 4, int(array.levels[3, 4]))
    changed = array.effective() != before
    assert changed[3, 4]
    assert changed.sum() == 1


@pytest.mark.parametrize("config", [ArrayConfig(), *NOISY])
def test_one_step_at_a_time_is_a_slice_of_the_whole_reading(config):
    steps, whole = programmed(LSTM, config), programmed(LSTM, config)
    reader = StepReader(steps)
    for drive in random_drive(LSTM, 5):
        steps.new_sequence()
        whole.new_sequence()
        codes = np.stack([reader.convert(drive, step) for step in range(LSTM.conversions)], axis=-1)
        assert np.array_equal(codes.reshape(-1), whole.convert_all(drive))


def test_a_repeated_conversion_is_a_new_reading():
    reader = StepReader(programmed(LSTM, ArrayConfig(adc_noise="physical", adc_sigma=100.0)))
    drive = random_drive(LSTM, 1)[0]
    assert not np.array_equal(reader.convert(drive, 0), reader.convert(drive, 0))


def test_a_reading_is_kept_for_its_drive_and_its_step_alone():
    """Another drive, a gain, a cell, a sequence or a step reads afresh; so does a buffer whose content changed."""
    array = programmed(LSTM, ArrayConfig(adc_noise="physical", adc_sigma=50.0))
    reader, reads, convert_all = StepReader(array), [], array.convert_all
    array.convert_all = lambda drive: reads.append(drive.copy()) or convert_all(drive)
    drive = random_drive(LSTM, 1)[0]
    for step in range(3):
        reader.convert(drive, step)
    assert len(reads) == 1
    for act in (
        lambda: array.set_gain(0, 90, 10),
        lambda: array.program_cell(0, 0, int(array.levels[0, 0])),
        lambda: array.program(array.levels.copy()),
        lambda: array.new_sequence(),
        lambda: reader.begin(),
        lambda: drive.__setitem__(0, -drive[0] or 1),
    ):
        reader.begin()
        reader.convert(drive, 0)
        before = len(reads)
        act()
        reader.convert(drive, 1)
        assert len(reads) == before + 1
        assert np.array_equal(reads[-1], drive)


def test_gains_belong_to_the_columns_of_their_gate():
    array = programmed(LSTM)
    for gate, (mult, shift) in enumerate([(3, 2), (5, 0), (255, 63), (1, 1)]):
        array.set_gain(gate, mult, shift)
    gate = gate_of_column(LSTM)[physical_order(LSTM)]
    assert np.array_equal(array.scale, np.array([0.75, 5.0, 255 * 2.0**-63, 0.5])[gate])


@pytest.mark.parametrize("config", NOISY)
def test_the_same_seed_gives_the_same_codes(config):
    drive = random_drive(LSTM, 50)
    codes = [programmed(LSTM, config, seed).convert_all(drive) for seed in (3, 3, 4)]
    assert np.array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])


def test_noise_does_not_depend_on_the_order_of_summation():
    array = programmed(LSTM, ArrayConfig(weight_noise=0.2))
    drive = random_drive(LSTM, 20).astype(float)
    weights = array.effective()
    order = np.random.default_rng(0).permutation(LSTM.rows)
    assert np.array_equal(drive @ weights, drive[:, order] @ weights[order])


@pytest.mark.parametrize(
    "input_bits, tops, steps", [(0, (7, 7), (16, 1)), (9, (255, 7), (16, 32)), (2, (1, 7), (64, 1))]
)
@pytest.mark.parametrize("dac", [None, DacErrors(offset_sigma=0.1, gain_sigma=0.05)])
def test_the_largest_sums_are_exact_too(dac, input_bits, tops, steps):
    """All rows at full scale, inputs driven 16 times as hard, weights and noise near their largest."""
    layer = LstmLayer(inputs=40, hidden=6, adcs=8, input_drive=16, input_dac_bits=input_bits)
    inputs = np.arange(layer.rows) < 40
    array = Array(layer, ArrayConfig(weight_noise=0.001, dac=dac), 1)
    array.program(np.full((layer.rows, layer.columns), 7))
    drive = np.where(inputs, *tops) * np.ones((3, 1), int)
    rows = (array.dacs.levels(drive) if dac else drive) * np.where(inputs, *map(float, steps))
    weights = array.effective()
    sums = np.array(
        [[sum(Fraction(d) * Fraction(w) for d, w in zip(row, column)) for column in weights.T[:5]] for row in rows]
    )
    assert (np.vectorize(float)(sums) == (rows @ weights)[:, :5]).all()
    assert all(Fraction(float(value)) == value for value in sums.ravel())


@pytest.mark.parametrize("dac", [None, DacErrors(offset_sigma=0.1, gain_sigma=0.05)])
def test_variances_of_noise_do_not_depend_on_the_order_of_summation(dac):
    """Nor are they rounded so much that it matters."""
    config = replace(preset("paper_cells"), dac=dac, weight_noise=0.1, redraw="per_step")
    array = programmed(LSTM, config)
    array.effective()
    drive = random_drive(LSTM, 20)
    rows = array.dacs.levels(drive) if dac else drive.astype(float)
    expected = array._read_sigma(rows)[0]
    order = np.random.default_rng(0).permutation(LSTM.rows)
    fresh = array.fresh_variance()
    array._held = replace(array._held, fresh=(fresh[0], *(part[order] for part in fresh[1:])))
    assert np.array_equal(array._read_sigma(rows[:, order])[0], expected)
    constant, absolute, squared = array.cell_array.read_variances(
        array.conductances, array.conductances, array.cell_array.cells.device.read_noise(array.conductances)
    )
    variance = constant + np.abs(rows) @ absolute + rows**2 @ (squared + (0.1 * 14) ** 2)
    assert np.allclose(np.sqrt(variance * array.scale**2 + 1 / 12), expected, rtol=1e-6, atol=0)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_whole_networks_give_the_references_integers(seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng, max_bits=16), rng)
    codes, lengths = random_inputs(network.design, rng)
    expected = reference.run(network, codes, lengths)
    actual = reference.run(network, codes, lengths, convert_through(build_arrays(network)))
    assert np.array_equal(actual.out, expected.out)
    for a, b in zip(actual.layers, expected.layers):
        assert np.array_equal(a.adc, b.adc)
        assert np.array_equal(a.out, b.out)


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda a: a.program(np.zeros((2, 2), int)),
         "levels must be integers of shape (12, 24), not int64 of (2, 2)"),
        (lambda a: a.program(np.full((12, 24), 8)), "level at (0, 0) must be a symmetric 4-bit code, not 8"),
        (lambda a: a.program_cell(12, 0, 1), "row must be an integer from 0 to 11, not 12"),
        (lambda a: a.program_cell(0, 24, 1), "column must be an integer from 0 to 23, not 24"),
        (lambda a: a.program_cell(0, 1, -8), "level at (0, 1) must be a symmetric 4-bit code, not -8"),
        (lambda a: a.set_gain(4, 1, 0), "gate must be an integer from 0 to 3, not 4"),
        (lambda a: a.set_gain(0, -1, 0), "mult must be an integer from 0 to 255, not -1"),
        (lambda a: a.set_gain(0, 1, 64), "shift must be an integer from 0 to 63, not 64"),
        (lambda a: StepReader(a).convert(np.zeros(12, int), 3), "conversion must be an integer from 0 to 2, not 3"),
        (lambda a: a.convert_all(np.zeros(12)), "drive must be integers of shape (batch, 12), not float64 of (12,)"),
        (lambda a: a.convert_all(np.full(12, -9)), "drive must be from -7 to 7, not -9"),
        (lambda a: a.convert_all(np.arange(12)[None] - 3), "drive must be from -7 to 7, not 8"),
        (lambda a: a.convert_all(np.zeros((2, 3, 12), int)),
         "drive must be integers of shape (batch, 12), not int64 of (2, 3, 12)"),
        (lambda a: a.program_cell(-1, 0, 1), "row must be an integer from 0 to 11, not -1"),
        (lambda a: a.program_cell(0, 0, 8), "level at (0, 0) must be a symmetric 4-bit code, not 8"),
        (lambda a: a.set_gain(0, 256, 0), "mult must be an integer from 0 to 255, not 256"),
        (lambda a: ArrayConfig(weight_noise=2), "weight noise must be a number from 0 to 1, not 2"),
        (lambda a: ArrayConfig(redraw="never"),
         "redraw must be one of per_programming, per_sequence, per_step, not 'never'"),
        (lambda a: ArrayConfig(adc_noise="big"), "ADC noise must be one of none, paper, physical, not 'big'"),
        (lambda a: ArrayConfig(adc_noise="physical", adc_sigma=-1),
         "ADC sigma in LSB must be a number from 0 to 1024, not -1"),
        (lambda a: ArrayConfig(adc_sigma=1.0), "ADC sigma needs ADC noise 'physical', not 'none'"),
        (lambda a: preset("gold"),
         f"array preset must be one of {', '.join(PRESETS)}, not 'gold'"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act(Array(LSTM))
    assert str(error.value) == sentence


def test_one_bit_levels_have_no_zero():
    array = Array(LstmLayer(inputs=5, hidden=6, adcs=8, weight_bits=1))
    with pytest.raises(DesignError, match=r"^level at \(0, 0\) must be a symmetric 1-bit code, not 0$"):
        array.program_cell(0, 0, 0)
    levels = np.where(np.arange(12 * 24).reshape(12, 24) % 3, 1, -1)
    array.program(levels)
    levels[4, 5] = 0
    with pytest.raises(DesignError, match=r"^level at \(4, 5\) must be a symmetric 1-bit code, not 0$"):
        array.program(levels)
    assert np.abs(array.levels).min() == 1, "and nothing was programmed"
    assert (array.writes == 1).all()

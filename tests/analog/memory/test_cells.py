"""Cells: weights as conductances, and each device effect by its formula."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.wires import WireConfig, effective_matrix
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.memory import devices, noise
from ohmgate.analog.memory.cells import SCHEMES, Cells
from ohmgate.analog.memory.mapping import Mapping
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.analog.arrays import IDEAL, LAYER, programmed


@settings(max_examples=80, deadline=None)
@given(
    bits=st.integers(1, 10), cell_levels=st.integers(2, 40), scheme=st.sampled_from(SCHEMES),
    extra=st.integers(0, 2), seed=st.integers(0, 1000),
)  # fmt: skip
def test_ideal_cells_hold_every_weight_exactly(bits, cell_levels, scheme, extra, seed):
    layer = DenseLayer(inputs=11, outputs=6, adcs=3, weight_bits=bits)
    device = replace(IDEAL, levels=cell_levels)
    slices = Mapping(layer, Cells(device=device, scheme=scheme)).slices + extra
    array = programmed(device, layer, data_seed=seed, scheme=scheme, slices=slices)
    assert np.array_equal(array.effective(), array.levels)
    assert array.cell_array.mapping.base <= cell_levels
    assert array.conductances.min() >= device.g_min
    assert array.conductances.max() <= device.g_max * (1 + 1e-12)
    drive = np.random.default_rng(seed).integers(-7, 8, (5, layer.rows))
    ideal = Array(layer)
    ideal.program(array.levels)
    assert np.array_equal(array.convert_all(drive), ideal.convert_all(drive))


def test_planes_of_a_four_bit_weight():
    """-5 in a pair of cells, 101 in three binary slices, and 2 over the offset of 7."""
    layer = DenseLayer(inputs=1, outputs=1, adcs=1, bias_rows=0)
    level = np.array([[-5]])
    step = (IDEAL.g_max - IDEAL.g_min) / 7
    array = programmed(IDEAL, layer, levels=level)
    assert array.conductances[:, 0, 0] == pytest.approx([1e-6, 1e-6 + 5 * step])
    binary = Cells(device=replace(IDEAL, levels=2))
    assert Mapping(layer, binary).nominal(level)[:, 0, 0].tolist() == [0, 1, 0, 0, 0, 1]
    array = programmed(IDEAL, layer, levels=level, scheme="offset")
    assert array.conductances[0, 0] == pytest.approx([1e-6 + 2 * step / 2, 1e-6 + 7 * step / 2])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cell_by_cell_is_the_same_chip(scheme):
    layer = DenseLayer(inputs=5, outputs=6, adcs=3)
    config = ArrayConfig(cells=Cells(device=devices.pcm(), scheme=scheme, seconds=1e4, stuck_on=0.1))
    whole, cells = Array(layer, config, 3), Array(layer, config, 3)
    levels = np.random.default_rng(0).integers(-7, 8, (6, 6))
    whole.program(levels)
    for row, column in np.random.default_rng(1).permutation(np.argwhere(np.ones((6, 6)))):
        cells.program_cell(int(row), int(column), int(levels[row, column]))
    assert np.array_equal(whole.effective(), cells.effective())


def test_stuck_cells_stay_at_their_rail():
    array = programmed(IDEAL, levels=np.zeros((20, 400), int), stuck_on=0.02, stuck_off=0.03)
    stuck = array.cell_array.stuck
    expected = (stuck.size * 0.02, stuck.size * 0.03)
    for sign, count in zip((1, -1), expected):
        assert abs((stuck == sign).sum() - count) < 4 * np.sqrt(count)
    assert (array.conductances[stuck == 1] == IDEAL.g_max).all()
    array.program(np.full((20, 400), 7))
    assert (array.conductances[stuck == 1] == IDEAL.g_max).all()
    assert (array.conductances[stuck == -1] == IDEAL.g_min).all()
    healthy = (stuck == 0).all(axis=0)
    assert np.array_equal(array.effective()[healthy], array.levels[healthy])
    assert (array.effective()[(stuck[0] == -1) & (stuck[1] == 0)] == 0).all()


def analog_errors(array, drive, reads):
    """Noise in units of the column sum: (reads, columns)."""
    array.new_sequence(np.ones(reads, dtype=bool))
    return array.analog(np.tile(drive, (reads, 1))) - drive @ array.effective()


def test_read_noise_depends_on_the_level_and_adds_in_squares():
    device = replace(IDEAL, read_sigma=0.02, read_exponent=0.65, read_limit=0.2)
    array = programmed(device)
    drive = np.random.default_rng(3).integers(-7, 8, 20)
    unit = 49e-6 / 7
    g = array.conductances
    sigma = g * np.minimum(0.02 / (g / 50e-6) ** 0.65, 0.2) / unit
    expected = np.sqrt((drive**2) @ (sigma**2).sum(axis=0))
    scaled = analog_errors(array, drive, 300) / expected
    assert stats.kstest(scaled.ravel(), stats.norm(0, 1).cdf).pvalue > 0.001
    assert abs(np.corrcoef(scaled[:, 0], scaled[:, 1])[0, 1]) < 0.3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_thermal_and_shot_noise_have_their_variance_within_a_percent(scheme):
    """Over 120,000 readings, whose variance has a standard error of 0.4 %."""
    device = replace(IDEAL, g_max=1e-9, g_min=1e-12, levels=8 if scheme == "pair" else 15)
    drive = np.random.default_rng(3).integers(-7, 8, 20)
    volt = device.read_voltage / 7
    for source in ("thermal", "shot"):
        cells = Cells(device=device, scheme=scheme, bandwidth=5e6, **{source: True})
        array = Array(LAYER, ArrayConfig(cells=cells), 5)
        array.program(np.tile(np.random.default_rng(4).integers(-7, 8, (20, 1)), (1, 400)))
        g = array.conductances
        if source == "thermal":
            squares = noise.thermal_noise(300.0, 5e6) * g
        else:
            squares = noise.shot_noise(5e6) * g * (volt * np.abs(drive))[:, None]
        wide = squares.sum(axis=(0, 1))
        expected = wide[0] if scheme == "pair" else wide[0] + wide[-1]
        unit = volt * (device.g_max - device.g_min) / (7 if scheme == "pair" else 14)
        error = analog_errors(array, drive, 300)
        if scheme == "offset":  # the reference's noise is common to all columns, so only 300 readings of it
            assert error.mean(axis=1).var() == pytest.approx(wide[-1] / unit**2 + wide[0] / unit**2 / 400, rel=0.3)
            error = (error - error.mean(axis=1, keepdims=True)) * np.sqrt(400 / 399)
            expected = wide[0]
        assert error.var() == pytest.approx(expected / unit**2, rel=0.01)


def test_white_noise_follows_temperature_bandwidth_and_voltage():
    """4 k T G B and 2 e V G B of a column, in codes: away from every default."""
    device = replace(IDEAL, read_voltage=0.3, g_min=2e-6)
    levels = np.random.default_rng(4).integers(-7, 8, (20, 400))
    array = programmed(device, levels=levels, thermal=True, shot=True, kelvin=450.0, bandwidth=2e6)
    unit = 48e-6 / 7
    g = 2e-6 + unit * np.stack([np.maximum(levels, 0), np.maximum(-levels, 0)])
    constant, absolute, squared = array.fresh_variance()
    current = unit * 0.3 / 7  # of 1 in the column sum
    assert constant == pytest.approx(4 * 1.380649e-23 * 450 * 2e6 * g.sum(axis=(0, 1)) / current**2)
    assert absolute == pytest.approx(2 * 1.602176634e-19 * 2e6 * (0.3 / 7) * g.sum(axis=0) / current**2)
    assert not squared.any()
    plain = programmed(device, levels=levels, kelvin=450.0, bandwidth=2e6)
    assert not any(part.any() for part in plain.fresh_variance())


def test_a_slice_of_more_weight_brings_more_noise():
    """Three binary pairs of weight 1, 2 and 4: their variances count 1, 4 and 16 times."""
    layer = DenseLayer(inputs=1, outputs=1, adcs=1, bias_rows=0)
    array = programmed(replace(IDEAL, levels=2, read_sigma=0.1), layer, levels=np.array([[5]]))
    on, off = 50e-6, 1e-6
    squares = [1 * on**2, 1 * off**2, 4 * off**2, 4 * off**2, 16 * on**2, 16 * off**2]
    assert array.fresh_variance()[2].item() == pytest.approx(0.01 * sum(squares) / 49e-6**2)


def test_slow_noise_advances_by_the_time_of_a_step():
    """Telegraph noise of rate r: readings k steps apart correlate by exp(-r k seconds)."""
    law = noise.Telegraph(amplitude=0.2, tau_high=30e-6, tau_low=60e-6, fraction=1.0)
    drive = np.full((200, 20), 7)
    for seconds in (2e-6, 10e-6):
        array = programmed(replace(IDEAL, telegraph=law), step_seconds=seconds)
        array.new_sequence(np.ones(200, dtype=bool))
        first, _, third = (array.analog(drive) - drive @ array.effective() for _ in range(3))
        seen = (first * third).mean() / (first**2).mean()
        assert seen == pytest.approx(np.exp(-(1 / 30e-6 + 1 / 60e-6) * 2 * seconds), abs=0.015)


def test_conductances_are_never_negative():
    """Half of the cells at g_min = 0 would err below it: they hold 0 instead, and read noise has no negative cell."""
    device = replace(IDEAL, g_min=0.0, program_sigma=(0.1, 0.0, 0.0))
    low = programmed(device, levels=np.zeros((20, 400), int)).conductances
    assert low.min() == 0
    assert (low == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert low[low > 0].mean() == pytest.approx(5e-6 * np.sqrt(2 / np.pi), rel=0.03)


def test_a_reference_column_is_programmed_with_every_row():
    """... as often as the column of that row that was programmed most; a row that never was has no error."""
    layer = DenseLayer(inputs=5, outputs=6, adcs=3)
    config = ArrayConfig(cells=Cells(device=replace(IDEAL, program_sigma=(0.05, 0.0, 0.0)), scheme="offset"))
    array = Array(layer, config, 3)
    middle = 1e-6 + 49e-6 / 2
    assert array.conductances[0, :, -1] == pytest.approx([middle] * 6)
    array.program_cell(2, 1, 3)
    first = array.conductances[0, :, -1].copy()
    assert (np.abs(first / middle - 1) > 1e-6).tolist() == [row == 2 for row in range(6)]
    array.program_cell(2, 4, 3)
    assert np.array_equal(array.conductances[0, :, -1], first)
    array.program_cell(2, 1, 3)
    again = array.conductances[0, :, -1]
    assert again[2] != first[2]
    assert np.array_equal(np.delete(again, 2), np.delete(first, 2))


def test_the_read_voltage_is_the_inputs():
    """Hidden rows have a share of it, so a current's noise is larger in their codes: as often as inputs' are driven."""
    deviations = []
    for drive in (1, 4):
        layer = LstmLayer(inputs=5, hidden=4, adcs=4, input_drive=drive)
        array = programmed(IDEAL, layer, thermal=True, bandwidth=5e6)
        unit = IDEAL.read_voltage / (7 * drive) * (IDEAL.g_max - IDEAL.g_min) / 7
        assert array.cell_array.mapping.unit_current == pytest.approx(unit)
        deviations.append(np.sqrt(array.fresh_variance()[0]))
    assert np.array_equal(array.effective(), array.levels)
    assert deviations[1] == pytest.approx(4 * deviations[0])


@pytest.mark.parametrize(
    "bits, input_bits, drive, volts",
    [
        (4, 8, 1, (1.0, 7 * 16 / 127)),
        (4, 8, 4, (1.0, 7 * 16 / 127 / 4)),
        (8, 4, 1, (7 * 16 / 127, 1.0)),
        (2, 1, 1, (1.0, 1 / 2)),
    ],
)
def test_dacs_of_other_bits_share_the_reference(bits, input_bits, drive, volts):
    """A full-scale code of D bits is (2^(D-1) - 1) / 2^(D-1) of the reference, one of 1 bit all of it."""
    layer = LstmLayer(
        inputs=5, hidden=4, adcs=4, dac_bits=bits, input_dac_bits=input_bits, input_drive=drive, weight_bits=2
    )
    array = programmed(IDEAL, layer)
    tops = [max(2 ** (b - 1) - 1, 1) for b in (input_bits, bits)]
    codes = np.repeat(tops, [5, 5])
    assert array.cell_array.mapping.volts(codes) == pytest.approx(IDEAL.read_voltage * np.repeat(volts, [5, 5]))


@pytest.mark.parametrize("source", ["telegraph", "flicker"])
def test_slow_noise_lasts_within_a_sequence(source):
    law = {
        "telegraph": noise.Telegraph(amplitude=0.2, tau_high=20e-6, tau_low=20e-6, fraction=0.5),
        "flicker": noise.Flicker(density=1e-4, low=1e2, high=1e5),
    }[source]
    array = programmed(replace(IDEAL, **{source: law}), step_seconds=1e-6)
    drive = np.random.default_rng(3).integers(-7, 8, 20)
    unit = 49e-6 / 7
    sigma = np.sqrt(law.variance * ((drive[:, None] * array.conductances / unit) ** 2).sum(axis=(0, 1)))
    batch = np.tile(drive, (100, 1))
    array.new_sequence(np.ones(100, dtype=bool))
    one, two = (array.analog(batch) - drive @ array.effective() for _ in range(2))
    array.new_sequence(np.ones(100, dtype=bool))
    other = array.analog(batch) - drive @ array.effective()
    assert (one / sigma).var() == pytest.approx(1, rel=0.03)
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.85
    traps = array.cell_array.traps.mean() if source == "telegraph" else 0.5
    assert traps == pytest.approx(0.5, abs=0.02)  # where the traps are does not change from sequence to sequence
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("source", ["telegraph", "flicker", "weight noise"])
def test_sequences_that_share_slow_noise_see_one_course_of_the_same_law(source):
    laws = {
        "telegraph": {"telegraph": noise.Telegraph(amplitude=0.2, tau_high=2e-6, tau_low=2e-6, fraction=0.5)},
        "flicker": {"flicker": noise.Flicker(density=1e-3, low=1e2, high=1e6)},
        "weight noise": {},
    }
    beta = 0.05 if source == "weight noise" else 0.0
    config = ArrayConfig(weight_noise=beta, redraw="per_sequence", cells=Cells(device=replace(IDEAL, **laws[source])))
    levels = np.random.default_rng(0).integers(-7, 8, (LAYER.rows, LAYER.columns))
    drive = np.tile(np.random.default_rng(1).integers(-7, 8, LAYER.rows), (300, 1))
    variances = []
    for share in (1, 10, 3):
        array = Array(LAYER, config, 5, share)
        array.program(levels)
        array.new_sequence(np.ones(300, dtype=bool))
        array.analog(drive)
        sums = array.analog(drive)
        courses = sums[::share]
        assert np.array_equal(sums, np.repeat(courses, share, axis=0)[:300])
        assert len(np.unique(courses[:, 0])) > 0.9 * len(courses)
        variances.append(courses.var(axis=0).mean())
    assert variances[1:] == pytest.approx([variances[0]] * 2, rel=0.1)


def test_column_scaling_spreads_a_column_over_the_range_and_shrinks_its_errors():
    levels = np.random.default_rng(0).integers(-3, 4, (20, 400))
    levels[:, ::2] = np.clip(levels[:, ::2] * 3, -7, 7)  # full scale already
    ideal = programmed(IDEAL, levels=levels, column_scaling=True)
    assert np.array_equal(ideal.effective(), levels)
    assert np.allclose(ideal.conductances.max(axis=(0, 1)), 50e-6)
    device = replace(IDEAL, program_sigma=(0.02, 0.0, 0.0), read_sigma=0.01, g_min=10e-6)
    plain, scaled = (programmed(device, levels=levels, column_scaling=on) for on in (False, True))
    errors = [array.effective() - levels for array in (plain, scaled)]
    top = np.abs(levels).max(axis=0)
    for largest, factor in ((7, 1.0), (3, 3 / 7)):
        columns = top == largest
        assert columns.sum() > 150
        assert errors[1][:, columns].std() == pytest.approx(factor * errors[0][:, columns].std(), rel=0.03)
    drive = np.random.default_rng(3).integers(-7, 8, 20)
    expected = [np.sqrt(drive**2 @ array.fresh_variance()[2]) for array in (plain, scaled)]
    assert (expected[1][top == 3] < 0.75 * expected[0][top == 3]).all()
    noise_of = analog_errors(scaled, drive, 300)
    assert stats.kstest((noise_of / expected[1]).ravel(), stats.norm.cdf).pvalue > 0.001


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_are_read_through_the_wires(scheme):
    wires = WireConfig(row_segment=1.0, column_segment=1.0, driver=50.0)
    array = programmed(IDEAL, scheme=scheme, wires=wires)
    planes = [effective_matrix(plane, wires) for plane in array.conductances]
    unit = 49e-6 / (7 if scheme == "pair" else 14)
    minus = planes[1] if scheme == "pair" else planes[0][:, -1:]
    expected = (planes[0][:, :400] - minus) / unit
    assert np.allclose(array.effective(), expected, atol=1e-9)
    assert np.abs(expected - array.levels).max() > 0.01
    assert np.array_equal(programmed(IDEAL, scheme=scheme, wires=WireConfig()).effective(), array.levels)


def test_every_preset_reads_the_embedded_weights_within_reason():
    """The technologies err, but a code is seldom off by more than a few: no preset is broken or ideal."""
    layer = DenseLayer(inputs=44, outputs=128, adcs=16)
    levels = np.random.default_rng(0).integers(-7, 8, (45, 128))
    drive = np.random.default_rng(1).integers(-7, 8, (50, 45))
    codes = {}
    for name in PRESETS:
        array = Array(layer, preset(name), 1)
        array.program(levels)
        array.set_gain(0, 12, 9)
        array.new_sequence(np.ones(50, dtype=bool))
        codes[name] = array.convert_all(drive)
    for name in set(PRESETS) - {"ideal"}:
        wrong = codes[name] != codes["ideal"]
        assert 0.05 < wrong.mean() < 0.7, name
        assert np.sqrt(((codes[name] - codes["ideal"]) ** 2).mean()) < 1.2, name


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: Cells(device=IDEAL, scheme="triple"), "cell scheme must be one of pair, offset, not 'triple'"),
        (lambda: Cells(device=IDEAL, column_scaling=1), "column scaling must be true or false, not 1"),
        (lambda: Array(LAYER, ArrayConfig(cells=Cells(device=devices.mram(), column_scaling=True))),
         "column scaling needs scheme 'pair' with 1 slice, not 'pair' with 3"),
        (lambda: Cells(device=IDEAL, slices=17), "slices must be an integer from 0 to 16, not 17"),
        (lambda: Cells(device=IDEAL, seconds=-1),
         "seconds since programming must be a number from 0 to 1e+12, not -1"),
        (lambda: Cells(device=IDEAL, kelvin=0), "temperature in kelvin must be a number from 1 to 1000, not 0"),
        (lambda: Cells(device=IDEAL, stuck_on=2), "stuck-on share must be a number from 0 to 1, not 2"),
        (lambda: Cells(device=IDEAL, stuck_on=0.5, stuck_off=0.6),
         "stuck-off share must be a number from 0 to 0.5, not 0.6"),
        (lambda: Cells(device=IDEAL, bandwidth=-1), "bandwidth in Hz must be a number from 0 to 1e+12, not -1"),
        (lambda: Cells(device=IDEAL, step_seconds=-1),
         "seconds of a step must be a number from 0 to 1e+06, not -1"),
        (lambda: Cells(device=IDEAL, conversion_seconds=0),
         "seconds of a conversion must be a number from 1e-12 to 1, not 0"),
        (lambda: Array(LAYER, share=0), "sequences that share noise must be an integer from 1 to 1000000, not 0"),
        (lambda: Array(LAYER, share=2).new_sequence([True, False]),
         "a batch of 2 sequences that share noise must begin as a whole"),
        (lambda: Array(LAYER, ArrayConfig(cells=Cells(device=devices.mram(), slices=2))),
         "2 mram cells of 2 levels cannot hold a weight of 4 bits; slices must be at least 3"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

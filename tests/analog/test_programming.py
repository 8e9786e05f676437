"""Write and verify: what reaches its level, what fails, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog import devices
from ohmgate.analog.array import Array
from ohmgate.analog.cells import Cells
from ohmgate.analog.chip import Chip
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.programming import PulseModel, WriteVerify, write_verify
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer

LAYER = DenseLayer(inputs=63, outputs=128, adcs=16)  # 64 x 128
LEVELS = np.random.default_rng(0).integers(-7, 8, (64, 128))
UNIT = 39e-6 / 7


def chip(seed=0, **cells):
    cells = Cells(**{"device": devices.reram(), "writer": WriteVerify()} | cells)
    return Chip(LAYER, cells, np.random.SeedSequence(seed))


def program(target, seed=0, writer=None, **options):
    rng = np.random.default_rng(seed)
    start = 1e-6 + 39e-6 * rng.random(target.shape)
    return write_verify(target, start, (1e-6, 40e-6), UNIT, writer or WriteVerify(), rng, **options)


@pytest.mark.parametrize("seed", range(5))
def test_healthy_cells_reach_their_level_and_failed_ones_are_listed_exactly(seed):
    """64 x 128 pairs of 4-bit weights from a random start, 1 % of the cells stuck."""
    made = chip(seed, stuck_on=0.005, stuck_off=0.005)
    report = made.program_report(LEVELS)
    healthy = made.stuck == 0
    assert (np.abs(report.error[healthy]) <= 0.5).mean() >= 0.999
    missed = ~healthy & (np.abs(report.error) > 0.5)  # a stuck cell may be where it should be
    assert 60 < missed.sum() < 200
    assert np.array_equal(report.failures(), np.argwhere(missed))
    assert 5 < report.pulses[healthy].mean() < 15
    assert report.pulses[healthy].max() < 100
    assert (report.pulses[missed] == 200).all()


@pytest.mark.parametrize("device", [devices.reram(), devices.pcm(), devices.paper()], ids=lambda d: d.name)
@pytest.mark.parametrize("stuck, pulses, milliseconds", [(0.0, 6.4, 22.6), (0.005, 7.9, 27.6)])
def test_what_programming_costs(device, stuck, pulses, milliseconds):
    """The figures of docs/array.md: the same for every device, as a pulse is a share of its range."""
    report = chip(2, device=device, stuck_on=stuck, stuck_off=stuck).program_report(LEVELS)
    assert report.pulses.mean() == pytest.approx(pulses, abs=0.2)
    assert report.seconds * 1e3 == pytest.approx(milliseconds, abs=0.6)


def test_the_summary_states_pulses_time_and_failures():
    made = chip(1, stuck_off=0.01)
    report = made.program_report(LEVELS)
    text = report.summary()
    assert text.startswith(f"16384 cells, {report.failed.sum()} failed; of the others 100.000% within half a level")
    assert f"{report.pulses.sum()} pulses" in text
    expected = report.pulses.sum() * 200e-9 + (~report.failed).sum() * 100e-9 + report.failed.sum() * 100e-9
    assert report.seconds == pytest.approx(expected)


def test_the_error_is_bounded_by_the_tolerance_without_read_noise():
    target = 1e-6 + UNIT * np.random.default_rng(1).integers(0, 8, 10_000)
    report = program(target, writer=WriteVerify(verify_sigma=0.0, tolerance=0.1))
    assert np.abs(report.error).max() <= 0.1
    assert not report.failed.any()
    assert np.allclose(report.error, (report.conductances - target) / UNIT)


def test_a_tighter_tolerance_costs_pulses():
    target = 1e-6 + UNIT * np.random.default_rng(1).integers(0, 8, 5000)
    loose, tight = (program(target, writer=WriteVerify(tolerance=t, verify_sigma=0.0)) for t in (0.4, 0.05))
    assert tight.error.std() < loose.error.std() / 3
    assert tight.pulses.mean() > 1.2 * loose.pulses.mean()


def test_an_ideal_pulse_lands_in_one():
    """Strength in proportion to the error, no spread: one pulse, whose energy is V^2 G t."""
    pulse = PulseModel(set_step=1.0, reset_step=1.0, device_sigma=0.0, cycle_sigma=0.0)
    writer = WriteVerify(pulse=pulse, verify_sigma=0.0, finest=1e-3)
    rng = np.random.default_rng(0)
    report = write_verify(np.array([20e-6, 20e-6]), np.array([10e-6, 30e-6]), (1e-6, 40e-6), UNIT, writer, rng)
    assert report.pulses.tolist() == [1, 1]
    assert report.conductances == pytest.approx([20e-6, 20e-6])
    assert report.energy == pytest.approx((1.5**2 * 10e-6 + 1.8**2 * 30e-6) * 100e-9)


def test_worn_cells_stop_to_switch():
    target = np.full(20_000, 20e-6)
    writer = WriteVerify(pulse=PulseModel(endurance=1000.0, endurance_sigma=0.5))
    fresh = program(target, writer=writer)
    worn = program(target, writer=writer, worn=np.full(20_000, 1000))
    assert not fresh.failed.any()
    start = 1e-6 + 39e-6 * np.random.default_rng(0).random(target.shape)
    off_target = np.abs(start - target) > 0.5 * UNIT
    assert worn.failed[off_target].mean() == pytest.approx(0.5, abs=0.02)  # the median life is 1000


def test_slow_cells_are_slow_in_every_write():
    """The spread of a pulse from device to device stays with the cells of a chip."""
    pulse = PulseModel(device_sigma=0.5, cycle_sigma=0.0)
    cells = Cells(device=devices.reram(), writer=WriteVerify(pulse=pulse, finest=0.5, verify_sigma=0.0))
    made = Chip(LAYER, cells, np.random.SeedSequence(3))
    first, second = (made.program_report(LEVELS, write).pulses.ravel() for write in (1, 2))
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.2
    other = Chip(LAYER, cells, np.random.SeedSequence(4)).program_report(LEVELS).pulses.ravel()
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.1


def test_the_loop_makes_good_for_what_differs_from_device_to_device():
    """A cell's own range is what limits it: levels that lie within it are reached."""
    device = replace(devices.reram(), program_sigma=(0.0, 0.0, 0.0), device_sigma=0.1)
    levels = np.clip(LEVELS, -5, 5)
    array = Array(LAYER, ArrayConfig(cells=Cells(device=device, writer=WriteVerify(verify_sigma=0.0))), 1)
    array.program(levels)
    report = array.chip.program_report(levels)
    assert np.array_equal(report.conductances, array.conductances)
    target = 1e-6 + UNIT * np.maximum([levels, -levels], 0)
    low, high = (limit * array.chip.device_factor for limit in (1e-6, 40e-6))
    within = (low <= target) & (target <= high)
    assert 0.3 < within.mean() < 0.9
    assert np.abs(array.conductances - target)[within].max() <= 0.25 * UNIT * (1 + 1e-9)
    assert ((low <= array.conductances) & (array.conductances <= high)).all()


def test_a_slow_cell_is_given_up():
    target = np.full(1000, 39e-6)
    report = program(target, writer=WriteVerify(pulse=PulseModel(set_step=0.001), max_pulses=10))
    assert report.failed.mean() > 0.9
    assert (report.pulses[report.failed] == 10).all()


def test_an_array_programs_by_write_and_verify_cell_by_cell_or_all_at_once():
    device = replace(devices.reram(), program_sigma=(0.0, 0.0, 0.0))
    config = ArrayConfig(cells=Cells(device=device, writer=WriteVerify(), stuck_on=0.01))
    layer = DenseLayer(inputs=7, outputs=12, adcs=4)
    levels = np.random.default_rng(0).integers(-7, 8, (8, 12))
    whole, cells = Array(layer, config, 1), Array(layer, config, 1)
    whole.program(levels)
    for row, column in np.random.default_rng(1).permutation(np.argwhere(np.ones((8, 12)))):
        cells.program_cell(int(row), int(column), int(levels[row, column]))
    assert np.array_equal(whole.effective(), cells.effective())
    healthy = (whole.chip.stuck == 0).all(axis=0)
    error = (whole.effective() - levels)[healthy]
    assert 0.02 < error.std() < 0.3
    first = whole.effective().copy()
    whole.program(levels)
    assert (whole.effective() != first)[healthy].mean() > 0.99


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: PulseModel(set_step=0), "SET step must be a number from 1e-06 to 1, not 0"),
        (lambda: PulseModel(reset_step=2), "RESET step must be a number from 1e-06 to 1, not 2"),
        (lambda: PulseModel(device_sigma=-1), "device spread of a pulse must be a number from 0 to 2, not -1"),
        (lambda: PulseModel(cycle_sigma=-1), "cycle spread of a pulse must be a number from 0 to 2, not -1"),
        (lambda: PulseModel(endurance=0), "endurance must be a number from 1 to inf, not 0"),
        (lambda: PulseModel(endurance_sigma=9), "endurance spread must be a number from 0 to 5, not 9"),
        (lambda: PulseModel(set_voltage=0), "SET voltage must be a number from 0.001 to 20, not 0"),
        (lambda: PulseModel(reset_voltage=0), "RESET voltage must be a number from 0.001 to 20, not 0"),
        (lambda: PulseModel(pulse_seconds=0), "seconds of a pulse must be a number from 1e-12 to 1, not 0"),
        (lambda: WriteVerify(tolerance=0), "tolerance must be a number from 0.001 to 0.5, not 0"),
        (lambda: WriteVerify(finest=0), "finest pulse must be a number from 0.001 to 1, not 0"),
        (lambda: WriteVerify(max_pulses=0), "most pulses must be an integer from 1 to 100000, not 0"),
        (lambda: WriteVerify(verify_sigma=2), "verify sigma must be a number from 0 to 1, not 2"),
        (lambda: WriteVerify(verify_seconds=0), "seconds of a verify must be a number from 1e-12 to 1, not 0"),
    ],
)
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

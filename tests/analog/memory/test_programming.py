"""Write and verify: what reaches its level, what fails, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.memory import devices, writers
from ohmgate.analog.memory.cell_array import CellArray
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.programming import PulseModel, WriteVerify, write_verify
from ohmgate.analog.memory.switching import Switch
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer

LAYER = DenseLayer(inputs=63, outputs=128, adcs=16)  # 64 x 128
LEVELS = np.random.default_rng(0).integers(-7, 8, (64, 128))
UNIT = 39e-6 / 7


def chip(seed=0, **cells):
    cells = Cells(**{"device": devices.reram(), "writer": WriteVerify()} | cells)
    return CellArray(LAYER, cells, np.random.SeedSequence(seed))


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


CELLS = 40_000


def at_target(**writer):
    """Cells that begin at their target and do not move: what is left is the noise of reading back."""
    pulse = PulseModel(set_step=1e-6, reset_step=1e-6, device_sigma=0.0, cycle_sigma=0.0)
    target = np.full(CELLS, 20e-6)
    rng = np.random.default_rng(5)
    return write_verify(target, target, (1e-6, 40e-6), UNIT, WriteVerify(pulse=pulse, finest=1e-3, **writer), rng)


@pytest.mark.parametrize("sigma, tolerance", [(0.2, 0.25), (0.5, 0.25), (0.5, 0.1)])
def test_each_verify_reads_with_its_own_noise(sigma, tolerance):
    """The first read within the tolerance ends it: pulses are geometric with p = P(|N(0, sigma)| <= tolerance).

    40,000 cells see 2 % of sigma: p moves by 0.9 % of itself at least, its standard error is 0.4 % at most.
    """
    report = at_target(verify_sigma=sigma, tolerance=tolerance)
    p = stats.norm.cdf(tolerance / sigma) - stats.norm.cdf(-tolerance / sigma)
    assert (report.pulses == 0).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / CELLS))
    assert report.pulses.mean() == pytest.approx((1 - p) / p, abs=4 * np.sqrt(1 - p) / p / np.sqrt(CELLS))
    assert np.abs(report.error).max() < 1e-3, "the error is the true one, not as read back"
    assert not report.failed.any()


def test_a_cell_is_given_up_by_what_the_last_verify_reads():
    """After ``max_pulses`` pulses one more read decides; with the noise of all reads: (1 - p)^(max_pulses + 1)."""
    report = at_target(verify_sigma=0.5, tolerance=0.25, max_pulses=2)
    p = stats.norm.cdf(0.5) - stats.norm.cdf(-0.5)
    failed = (1 - p) ** 3
    assert report.failed.mean() == pytest.approx(failed, abs=4 * np.sqrt(failed * (1 - failed) / CELLS))
    assert (report.pulses[report.failed] == 2).all()
    verifies = (report.pulses + 1).sum()
    assert report.seconds == pytest.approx(report.pulses.sum() * 100e-9 + verifies * 100e-9)


def one_pulse(start, target, **pulse):
    """Relative size of the step that one pulse makes, of the one that was wanted: (cells,)."""
    pulse = PulseModel(**{"set_step": 0.5, "reset_step": 0.5, "device_sigma": 0.0, "cycle_sigma": 0.0} | pulse)
    writer = WriteVerify(pulse=pulse, max_pulses=1, verify_sigma=0.0, tolerance=1e-3)
    start, target = np.full(CELLS, start), np.full(CELLS, target)
    report = write_verify(target, start, (0.0, 1.0), 0.01, writer, np.random.default_rng(6))
    return (report.conductances - start) / (target - start), report


@pytest.mark.parametrize("start, target", [(0.2, 0.25), (0.8, 0.75)])
def test_the_spread_of_a_pulse_is_its_law(start, target):
    """exp(N(0, device_sigma^2)) for each cell, times 1 + N(0, cycle_sigma^2), never below 0: in SET and in RESET."""
    size, _ = one_pulse(start, target, device_sigma=0.3)
    assert stats.kstest(np.log(size), stats.norm(0, 0.3).cdf).pvalue > 0.001
    size, _ = one_pulse(start, target, cycle_sigma=0.5)
    assert size.min() == 0
    assert (size == 0).mean() == pytest.approx(stats.norm.cdf(-2), abs=4 * np.sqrt(0.023 / CELLS))
    expected = stats.truncnorm(-2, np.inf, 1, 0.5)
    assert stats.kstest(size[size > 0], expected.cdf).pvalue > 0.001


def test_a_pulse_is_as_strong_as_what_is_left_asks_for():
    """Within the room of a full pulse exactly; beyond it the full pulse; never finer than the finest."""
    for start, target, room in ((0.2, 0.25, 0.4), (0.8, 0.75, 0.4), (0.2, 0.9, 0.4), (0.8, 0.1, 0.4)):
        size, report = one_pulse(start, target)
        assert size == pytest.approx(min(1.0, room / abs(target - start)))
        assert (report.pulses == 1).all()
    size, _ = one_pulse(0.2, 0.21)  # 1/40 of the room: less than the finest pulse, 1/20
    assert size == pytest.approx(2.0)


def test_a_cell_switches_as_often_as_its_life_says():
    """Lives are exp(N(ln endurance, endurance_sigma^2)) pulses: as many steps of a fixed size does a cell make."""
    pulse = PulseModel(set_step=1e-6, device_sigma=0.0, cycle_sigma=0.0, endurance=8.0, endurance_sigma=0.7)
    writer = WriteVerify(pulse=pulse, finest=1.0, max_pulses=30, verify_sigma=0.0)
    target, start = np.full(CELLS, 30e-6), np.full(CELLS, 10e-6)
    report = write_verify(target, start, (1e-6, 40e-6), UNIT, writer, np.random.default_rng(7))
    steps = np.round(np.log1p(-(report.conductances - start) / 30e-6) / np.log1p(-1e-6))
    for count in (4, 8, 16):
        share = stats.norm.cdf(np.log(count / 8) / 0.7)  # of lives up to ``count`` pulses
        assert (steps <= count).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / CELLS))
    assert report.failed.all()


def test_stuck_cells_never_switch_and_cost_every_pulse():
    target = np.full(3, 30e-6)
    start = np.array([10e-6, 10e-6, 30e-6])
    report = write_verify(
        target, start, (1e-6, 40e-6), UNIT, WriteVerify(verify_sigma=0.0), np.random.default_rng(0),
        stuck=np.array([True, False, True]),
    )  # fmt: skip
    assert report.conductances[[0, 2]].tolist() == [10e-6, 30e-6]
    assert report.failed.tolist() == [True, False, False]
    assert report.pulses[[0, 2]].tolist() == [200, 0]


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
    made = CellArray(LAYER, cells, np.random.SeedSequence(3))
    first, second = (made.program_report(LEVELS, write).pulses.ravel() for write in (1, 2))
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.2
    other = CellArray(LAYER, cells, np.random.SeedSequence(4)).program_report(LEVELS).pulses.ravel()
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.1


def test_the_loop_makes_good_for_what_differs_from_device_to_device():
    """A cell's own range is what limits it: levels that lie within it are reached."""
    device = replace(devices.reram(), program_sigma=(0.0, 0.0, 0.0), device_sigma=0.1)
    levels = np.clip(LEVELS, -5, 5)
    array = Array(LAYER, ArrayConfig(cells=Cells(device=device, writer=WriteVerify(verify_sigma=0.0))), 1)
    array.program(levels)
    report = array.cell_array.program_report(levels)
    assert np.array_equal(report.conductances, array.conductances)
    target = 1e-6 + UNIT * np.maximum([levels, -levels], 0)
    low, high = (limit * array.cell_array.device_factor for limit in (1e-6, 40e-6))
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
    healthy = (whole.cell_array.stuck == 0).all(axis=0)
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
        (lambda: PulseModel(endurance=0), "endurance in pulses must be a number from 1 to inf, not 0"),
        (lambda: PulseModel(endurance_sigma=9), "endurance spread must be a number from 0 to 5, not 9"),
        (lambda: PulseModel(set_voltage=0), "SET voltage in V must be a number from 0.001 to 20, not 0"),
        (lambda: PulseModel(reset_voltage=0), "RESET voltage in V must be a number from 0.001 to 20, not 0"),
        (lambda: PulseModel(pulse_seconds=0), "seconds of a pulse must be a number from 1e-12 to 1, not 0"),
        (lambda: WriteVerify(tolerance=0), "tolerance in levels must be a number from 0.001 to 0.5, not 0"),
        (lambda: WriteVerify(finest=0), "finest pulse must be a number from 0.001 to 1, not 0"),
        (lambda: WriteVerify(max_pulses=0), "most pulses must be an integer from 1 to 100000, not 0"),
        (lambda: WriteVerify(verify_sigma=2), "verify sigma in levels must be a number from 0 to 1, not 2"),
        (lambda: WriteVerify(verify_seconds=0), "seconds of a verify must be a number from 1e-12 to 1, not 0"),
    ],
)
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence


def binary(writer, share, seed=3):
    """Cells of 1 and 2 uS, a ``share`` of which begins where it should not be."""
    rng = np.random.default_rng(seed)
    target = np.where(rng.random(CELLS) < 0.5, 1e-6, 2e-6)
    start = np.where(rng.random(CELLS) < share, np.where(target > 1.5e-6, 1e-6, 2e-6), target)
    return start, target, write_verify(target, start, (1e-6, 2e-6), 1e-6, writer, rng)


@pytest.mark.parametrize("most", [1, 3])
def test_cells_of_two_states_switch_or_fail_by_their_error_rate(most):
    """Pulses are geometric: a cell stays wrong with e^most, after (1 - e^most) / (1 - e) pulses on average."""
    switch = Switch(pulse_seconds=8e-9)
    error = switch.error_rate
    assert 0.01 < error < 0.2
    start, target, report = binary(WriteVerify(switch=switch, max_pulses=most, verify_sigma=0.0), 0.5)
    wrong = start != target
    assert set(np.unique(report.conductances)) == {1e-6, 2e-6}
    assert (report.pulses[~wrong] == 0).all()
    failed = error**most
    assert report.failed[wrong].mean() == pytest.approx(failed, abs=4 * np.sqrt(failed / wrong.sum()))
    assert np.array_equal(report.failed, report.conductances != target)
    pulses = (1 - failed) / (1 - error)
    assert report.pulses[wrong].mean() == pytest.approx(pulses, abs=4 * np.sqrt(2 * error / wrong.sum()))
    up = (target > start) & wrong
    joules = 1.0**2 * 8e-9 * (1e-6 * report.pulses[up].sum() + 2e-6 * report.pulses[wrong & ~up].sum())
    assert report.energy == pytest.approx(joules)
    verifies = (np.minimum(report.pulses, most) + 1).sum()
    assert report.seconds == pytest.approx(report.pulses.sum() * 8e-9 + verifies * 100e-9)


def test_mram_is_written_by_switching_and_flash_after_an_erase():
    weights = np.random.default_rng(0).integers(-7, 8, (64, 128))
    made = CellArray(LAYER, Cells(device=devices.mram(), writer=writers.mram()), 1).program_report(weights)
    assert np.abs(made.error).max() < 1, "a cell's own spread is not an error"
    assert not made.failed.any()
    cells = Cells(device=devices.nor_flash(), scheme="offset", writer=writers.nor_flash())
    flash = CellArray(LAYER, cells, 1).program_report(weights)
    off = flash.conductances < 1e-6
    assert not flash.failed.any()
    assert (flash.pulses[~off] == 0).all(), "an erased cell is on"
    assert (flash.pulses[off] > 0).all()
    pulses = flash.pulses.sum()
    assert flash.energy == pytest.approx(pulses * 70e-12)
    assert flash.seconds == pytest.approx(18e-3 + pulses * 14e-6 + (flash.pulses + 1).sum() * 100e-9)


def test_an_erase_leaves_only_the_way_down():
    """From 10 uS wanted at 8: pulses lower it; one that overshoots is not brought back."""
    pulse = PulseModel(erase_seconds=1e-3, reset_step=1.0, device_sigma=0.0, cycle_sigma=0.6)
    target = np.full(CELLS, 8e-6)
    writer = WriteVerify(pulse=pulse, verify_sigma=0.0, max_pulses=20)
    report = write_verify(target, np.zeros(CELLS), (0.0, 10e-6), 1e-6, writer, np.random.default_rng(1))
    low = report.error < -0.25
    assert stats.norm.sf(0.125 / 0.6) < low.mean() < 0.7, "the first pulse alone is too long for 42 %"
    assert np.array_equal(report.failed, low)
    assert (report.pulses[low] == 20).all()


def test_pcm_takes_the_energy_and_time_of_its_pulses():
    target, start = np.array([20e-6, 5e-6]), np.array([5e-6, 20e-6])
    exact = replace(writers.pcm().pulse, set_step=1.0, reset_step=1.0, device_sigma=0.0, cycle_sigma=0.0)
    writer = WriteVerify(pulse=exact, verify_sigma=0.0, finest=1e-3)
    report = write_verify(target, start, (0.0, 25e-6), 1e-6, writer, np.random.default_rng(0))
    assert report.pulses.tolist() == [1, 1]
    assert report.energy == pytest.approx(50e-12)
    assert report.seconds == pytest.approx(350e-9 + 4 * 100e-9)


def test_endurance_adds_up_over_writes():
    """Lives are lognormal: of those that must move, the share that no longer does is that of a life already spent."""
    pulse = PulseModel(endurance=1e5, endurance_sigma=0.5)
    writer = WriteVerify(pulse=pulse, verify_sigma=0.0)
    fresh = chip(writer=writer).program_report(LEVELS)
    worn = chip(writer=writer, earlier_writes=20_000).program_report(LEVELS)
    spent = 20_000 * fresh.pulses.mean()
    share = stats.norm.cdf(np.log(spent / 1e5) / 0.5)
    assert 0.5 < share < 0.9
    moved = fresh.pulses > 0
    assert not fresh.failed.any()
    assert worn.failed[moved].mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / moved.sum()))
    again = chip(writer=WriteVerify(pulse=replace(pulse, endurance=20.0)))
    shares = [again.program_report(LEVELS, write).failed.mean() for write in (1, 2, 5)]
    assert shares[0] < 0.1 < shares[1] < shares[2]


def test_a_switch_needs_cells_of_two_levels():
    with pytest.raises(DesignError) as error:
        chip(writer=WriteVerify(switch=Switch()))
    assert str(error.value) == "cells that a pulse switches must have 2 levels, not 16"

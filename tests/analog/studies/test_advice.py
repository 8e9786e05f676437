"""Advice on an array: each error and power behind it against the array model, each interval against a closed form."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.selection import floating_power
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.studies.advice import LIMIT, LONGEST, Adviser, advise, bisect, said
from ohmgate.analog.studies.budget import noise_budget
from ohmgate.analog.studies.datasheet import Datasheet, characterise
from ohmgate.model.design import Design
from ohmgate.model.layout import row_drive
from tests.analog.arrays import IDEAL

VOWELS = Design.load("vowels")
SILENT = Amplifiers()


def sheet(device=IDEAL, gains="as_trained", **cells) -> Datasheet:
    config = ArrayConfig(cells=Cells(device=device, **cells), gains=gains)
    return characterise(VOWELS, None, 0, config, seed=3)


def readings(adviser: Adviser, **cells) -> np.ndarray:
    """LSB of the adviser's inputs by an array with other cells."""
    own = adviser.sheet.array
    array = Array(own.layer, ArrayConfig(cells=replace(adviser.cells, **cells)), 3)
    array.program(own.levels)
    array.scale[:] = own.scale
    return array.analog(adviser._rows // row_drive(own.layer))


def rms(error: np.ndarray) -> float:
    return float(np.sqrt((error**2).mean()))


def test_a_reading_and_its_error_by_nonlinear_cells_are_those_of_the_array():
    adviser = Adviser(sheet())
    assert adviser.reading == pytest.approx(rms(readings(adviser)), rel=1e-9)
    for curve in (0.8, 2.0):
        bent = readings(adviser, device=replace(IDEAL, sinh_voltage=IDEAL.read_voltage / curve))
        assert adviser.curve_error(curve) == pytest.approx(rms(bent - readings(adviser)), rel=1e-3)


def test_drivers_err_as_the_solved_array_behind_them_does():
    adviser = Adviser(sheet())
    for ohm in (3.0, 300.0):
        solved = readings(adviser, wires=WireConfig(driver=ohm))
        assert adviser.driver_error(ohm) == pytest.approx(rms(solved - readings(adviser)), rel=1e-9)
    cut = Adviser(sheet(unselected="cut_off"))
    solved = readings(cut, wires=WireConfig(driver=300.0)) - readings(cut)
    assert cut.driver_error(300.0) == pytest.approx(rms(solved), rel=1e-9)
    assert cut.driver_error(300.0) < adviser.driver_error(300.0) / 4


@pytest.mark.parametrize("volts", [0.2, 0.02])
def test_thermal_and_shot_noise_are_those_of_the_budget(volts):
    cells = {"thermal": True, "shot": True, "amplifiers": SILENT, "conversion_seconds": 1e-9}
    adviser, there = Adviser(sheet(**cells)), sheet(device=replace(IDEAL, read_voltage=volts), **cells)
    drives = adviser._rows // row_drive(adviser.layer)
    budget = noise_budget(there.layer, there.array.config, there.gains, there.array.levels, drives, seed=5)
    measured = [share.lsb for share in budget.shares if share.source in ("thermal", "shot")]
    assert len(measured) == 2
    assert adviser.voltage_error(volts) == pytest.approx(math.hypot(*measured), rel=0.02)


def test_amplifiers_err_as_many_chips_do():
    offsets = Amplifiers(offset_sigma=5e-3)
    adviser, plain = Adviser(sheet(amplifiers=offsets)), Adviser(sheet())
    errors = []
    for seed in range(40):
        array = Array(adviser.layer, adviser.sheet.array.config, seed)
        array.program(adviser.sheet.array.levels)
        array.scale[:] = adviser.sheet.array.scale
        errors.append(array.analog(adviser._rows[:5] // row_drive(adviser.layer)) - readings(plain)[:5])
    assert adviser.voltage_error(0.2) == pytest.approx(rms(np.array(errors)), rel=0.1)
    assert adviser.voltage_error(0.02) == pytest.approx(10 * adviser.voltage_error(0.2), rel=0.01)


def test_power_of_waiting_columns_is_the_data_sheets():
    grounded, floating = Adviser(sheet()).waiting_power()
    assert grounded == pytest.approx(sheet().power[1], rel=1e-9)
    adviser = Adviser(sheet())
    volts = adviser.mapping.volts(adviser._codes)
    sneaking = sum(floating_power(plane, row) for plane in adviser.sheet.conductances for row in volts) / len(volts)
    assert floating == pytest.approx((grounded + 7 * sneaking) / 8, rel=0.02)
    cut = sheet(unselected="cut_off").power[1]
    advice = Adviser(sheet()).columns()
    assert (advice.now, advice.change) == ("grounded", "cut off")
    assert advice.reason.endswith(f"{cut * 1e3:.4g} cut off")
    assert Adviser(sheet(unselected="cut_off")).columns().change == ""


def test_gains_are_set_anew_as_drift_and_warmth_ask_for():
    """G t^-0.05: the share x is gone after t (1 - x)^-20; 2e-3 a kelvin."""
    device = replace(IDEAL, g_min=0.0, drift_mean=(0.0, 0.05, 0.0, 1.0), temperature_coefficient=2e-3)
    adviser = Adviser(sheet(device, seconds=100.0))
    share = LIMIT / adviser.reading
    first = 100 * (1 - share) ** -20
    advice = adviser.interval()
    second = first * (1 - share) ** -20
    assert advice.change == f"{said(first - 100)} after 1.7 min, then after {said(second - first)} more"
    assert advice.reason == f"0.05 LSB is {share:.2%} of what is read; {share / 2e-3:.2g} K as much"


def test_cells_that_keep_what_they_hold_need_no_new_gains():
    advice = Adviser(sheet()).interval()
    assert advice.change == ""
    assert advice.reason.endswith("of what is read; 10 years change less, 100 K, too")
    slow = replace(IDEAL, retention=100 * LONGEST)
    assert Adviser(sheet(slow)).interval().change == ""
    assert Adviser(sheet(replace(IDEAL, retention=LONGEST))).interval().change != ""


def test_the_read_voltage_is_the_lowest_that_errs_by_no_more_than_the_limit():
    adviser = Adviser(sheet())
    advice = adviser.read_voltage()
    best = float(advice.change.removesuffix(" V"))
    assert best < 0.2
    lower = {1: 0.5, 2: 0.5, 5: 0.4}[int(f"{best:e}"[0])] * best
    assert adviser.voltage_error(best) <= LIMIT < adviser.voltage_error(lower)
    power = adviser.sheet.power[0] * 1e3
    assert advice.reason.endswith(f"full scale takes {power:.4g} mW, then {power * (best / 0.2) ** 2:.4g}")
    assert Adviser(sheet(replace(IDEAL, read_voltage=best))).read_voltage().change == ""
    loud = Adviser(sheet(amplifiers=Amplifiers(offset_sigma=5e-3))).read_voltage()
    assert float(loud.change.removesuffix(" V")) > 0.2, "offsets that are not taken out ask for more"


def test_dacs_are_pulses_where_the_curve_errs():
    curved = replace(IDEAL, sinh_voltage=0.1)
    advice = Adviser(sheet(curved)).dacs()
    assert (advice.now, advice.change) == ("amplitude", "pulse width")
    assert "a conversion takes 7 times as long" in advice.reason
    assert advice.reason.endswith("or training with --curve 2 costs no time")
    assert Adviser(sheet(curved, dacs="pulse_width")).dacs().change == ""
    assert Adviser(sheet(dacs="pulse_width")).dacs().change == "amplitude"
    linear = Adviser(sheet())
    assert linear.dacs().change == ""
    volts = 0.2 / bisect(linear.curve_error, 1e-3, 20.0)
    assert linear.curve_error(0.2 / volts) == pytest.approx(LIMIT, rel=1e-6)
    assert f"from a V0 of {volts:.2g} V down" in linear.dacs().reason


def test_drivers_that_are_good_enough_stay():
    most = bisect(Adviser(sheet()).driver_error, 1e-6, 1e9)
    assert Adviser(sheet()).drivers().change == f"at most {most:.2g} ohm"
    assert Adviser(sheet(wires=WireConfig(driver=most / 2))).drivers().change == ""
    assert Adviser(sheet(wires=WireConfig(driver=most * 2))).drivers().change == f"at most {most:.2g} ohm"


def test_the_papers_array():
    """0.364 W at 1 V, from the other side: read at a tenth, columns cut off, and it needs a hundredth of a sixteenth."""
    found = {each.part: each for each in advise(characterise(Design.load("names"), None, 0, preset("paper_cells")))}
    assert {part: each.change for part, each in found.items()} == {
        "read voltage": "0.1 V",
        "DACs": "",
        "waiting columns": "cut off",
        "row drivers": "at most 63 ohm",
        "gains anew": "",
    }
    assert found["read voltage"].reason.endswith("full scale takes 423.6 mW, then 4.236")
    assert "a read takes 161.8 mW with all columns at ground, 160.9 with 15 of 16 floating, 10.11 cut off" in (
        found["waiting columns"].reason
    )
    assert found["row drivers"].reason.endswith(
        "one gives 1.24 mA at full scale, 3.1 times what a row's wire may carry"
    )
    assert "from a V0 of 1.4 V down" in found["DACs"].reason
    assert "0.05 LSB is 3.62% of what is read" in found["gains anew"].reason


@pytest.mark.parametrize("seconds, text", [(59, "59 s"), (5400, "1.5 h"), (4e6, "46 days"), (1e8, "3.2 years")])
def test_times_in_words(seconds, text):
    assert said(seconds) == text

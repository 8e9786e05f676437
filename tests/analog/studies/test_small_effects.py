"""Sizes of what the model leaves out: each by another way than its formula."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import preset
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.offset_calibration import column_offsets
from ohmgate.analog.studies.budget import random_drives
from ohmgate.analog.studies.datasheet import characterise
from ohmgate.analog.studies.small_effects import Circuit, SmallEffect, small_effects, table
from ohmgate.model.design import Design

VOWELS = Design.load("vowels")


def sheet_of(name="reram", **cells):
    config = preset(name)
    return characterise(VOWELS, None, 0, replace(config, cells=replace(config.cells, **cells)), seed=1)


def sizes(sheet, **circuit) -> dict[str, float]:
    return {effect.name: effect.lsb for effect in small_effects(sheet, Circuit(**circuit))}


@pytest.fixture(scope="module")
def sheet():
    return sheet_of()


def test_a_capacitor_holds_noise_by_equipartition(sheet):
    """<Q^2> / 2C = k T / 2. 8 LSB of 0.2 V / 7 over 39 uS / 7, through 1/64, for 100 ns take C to 1 V."""
    ampere = 0.2 / 7 * 39e-6 / 7 * 64
    assert sheet.array.scale == pytest.approx(1 / 64)
    farad = 8 * ampere * 100e-9 / 1.0
    volts = math.sqrt(1.380649e-23 * 300 / farad)
    assert sizes(sheet)["kT/C"] == pytest.approx(volts / (1.0 / 8), rel=1e-9), "8 LSB are 1 V"
    assert sizes(sheet, swing=4.0)["kT/C"] == pytest.approx(sizes(sheet)["kT/C"] / 2)


def test_an_injected_charge_is_a_share_of_an_lsbs(sheet):
    ampere = 0.2 / 7 * 39e-6 / 7 * 64
    assert sizes(sheet, charge=3e-15)["charge injection"] * ampere * 100e-9 == pytest.approx(3e-15, rel=1e-9)


def test_noise_of_amplifiers_is_as_an_offset_of_that_size(sheet):
    """10 nV/sqrt(Hz) in 5 MHz are 22.4 uV; as offsets of that deviation, on the same cells of 30 chips."""
    config = sheet.array.config
    volts = 10e-9 * math.sqrt(5e6)
    cells = replace(config.cells, amplifiers=Amplifiers(offset_sigma=volts))
    squares = []
    for seed in range(30):
        array = Array(sheet.layer, replace(config, cells=cells), seed)
        array.program(sheet.array.levels)
        array.scale[:] = sheet.array.scale
        squares.append((column_offsets(array) ** 2).mean())
    assert sizes(sheet)["noise of sense amplifiers"] == pytest.approx(math.sqrt(np.mean(squares)), rel=0.1)


def test_a_noisy_reference_scales_a_reading(sheet):
    codes = np.full((1, sheet.layer.rows), 7)
    plain = Array(sheet.layer, seed=1)
    plain.program(np.full(sheet.array.levels.shape, 1))
    plain.scale[:] = 8 / plain.analog(codes)[0]  # the end of the range
    moved = plain.analog(codes) * (1 + 10e-9 * math.sqrt(5e6) / 0.2) - plain.analog(codes)
    assert sizes(sheet)["common reference noise"] == pytest.approx(moved[0, 0], rel=1e-9)


@pytest.mark.parametrize("unselected, part", [("grounded", 1), ("cut_off", 8)])
def test_a_supply_droops_as_its_circuit(unselected, part):
    """The rail's voltage where 0.1 ohm gives what its rows take at that voltage, by iteration."""
    sheet = sheet_of("reram", unselected=unselected)
    drives = random_drives(sheet.layer, 500, np.random.default_rng(1))
    volts = np.maximum(sheet.array.cell_array.mapping.volts(drives), 0)
    siemens = sheet.conductances.sum(axis=(0, 2)) / part
    rail = np.full(500, 0.2)
    for _ in range(50):
        rail = 0.2 - 0.1 * (volts * (rail / 0.2)[:, None]) @ siemens
    found = sizes(sheet)
    assert found["supply droop, mean"] == pytest.approx(8 * (1 - rail / 0.2).mean(), rel=0.01)
    assert found["supply droop, from input to input"] == pytest.approx(8 * (rail / 0.2).std(), rel=0.01)


def test_nonlinear_cells_take_less_from_the_supply():
    config = preset("reram")
    device = replace(config.cells.device, sinh_voltage=0.05)
    assert sizes(sheet_of(device=device))["supply droop, mean"] < 0.6 * sizes(sheet_of())["supply droop, mean"]


def test_reads_disturb_a_little_each(sheet):
    """A thousand steps of 8 conversions of 100 ns, each of which takes its share of what is left."""
    left = (1 - 0.8e-6 / 1e-2) ** 1000
    assert sizes(sheet, steps=1000.0, hold=1e-2)["read disturb"] == pytest.approx(8 * (1 - left), rel=1e-4)
    assert sizes(sheet_of(unselected="cut_off"), steps=1000.0, hold=8e-2)["read disturb"] == pytest.approx(
        8 * (1 - (1 - 0.1e-6 / 8e-2) ** 1000), rel=1e-4
    )


def test_the_table_marks_what_nothing_takes_up():
    effects = [SmallEffect("a", 0.051, "law"), SmallEffect("b", 0.06, "law", "trims"), SmallEffect("c", 0.05, "law")]
    assert table(effects).splitlines()[2:] == [
        "| a | 0.051 (!) | law |  |",
        "| b | 0.06 | law | trims |",
        "| c | 0.05 | law |  |",
    ]

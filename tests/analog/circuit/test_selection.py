"""Columns that are converted a few at a time: against ngspice, and where there is a closed form."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.netlist import netlist
from ohmgate.analog.circuit.selection import floating_power, selected_matrix, selections
from ohmgate.analog.circuit.wires import WireConfig, column_loss, effective_matrix
from ohmgate.analog.config import preset
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.studies.datasheet import characterise
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer
from tests.analog.arrays import IDEAL, programmed


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("unselected", ["floating", "cut_off"])
@pytest.mark.parametrize("seed", range(10))
def test_ngspice_agrees(seed, unselected):
    """10 arrays up to 32 x 32 for each, a conversion of each, 1e-6 of the currents before they cancel."""
    rng = np.random.default_rng(seed)
    rows, columns = (32, 32) if seed == 0 else rng.integers(2, 33, 2)
    conductance = rng.uniform(0.05, 1, (rows, columns)) / rng.choice([1e3, 1e4, 1e5, 1e6])
    ohms = rng.choice([0.0, 1.0, 30.0], 4) if seed % 3 == 1 else rng.uniform(0.1, [5, 5, 500, 200])
    names = ("row_segment", "column_segment", "driver", "sense")
    wires = WireConfig(**dict(zip(names, ohms.tolist())), driver_ends=1 + seed % 2)
    conversions = int(rng.integers(2, 9))
    volts, mask = rng.uniform(-1, 1, rows), np.arange(columns) % conversions == 1
    if unselected == "floating":
        text = netlist(conductance, wires, volts, sensed=mask)
    else:
        text = netlist(np.where(mask, conductance, 0.0), wires, volts, sensed=mask)
    found = np.array([float(word) for word in printed(text)])
    effective = selected_matrix(conductance, wires, conversions, unselected)
    scale = np.abs(volts) @ np.abs(effective)
    assert (np.abs(found - (volts @ effective)[mask]) <= 1e-6 * scale[mask]).all()


def printed(text: str) -> list[str]:
    """Currents that ngspice prints for the columns that are sensed."""
    ran = subprocess.run(["ngspice", "-b", "/dev/stdin"], input=text, capture_output=True, text=True, timeout=60)
    return re.findall(r"^i\(vsense\d+\) = (\S+)$", ran.stdout, re.MULTILINE)


def test_one_conversion_is_the_whole_array():
    cells, wires = np.random.default_rng(0).uniform(1e-6, 1e-4, (9, 7)), WireConfig(row_segment=20.0, driver=100.0)
    for unselected in ("floating", "cut_off"):
        assert selected_matrix(cells, wires, 1, unselected) == pytest.approx(
            effective_matrix(cells, wires), rel=1e-12
        )


def test_a_driver_is_relieved_of_what_is_cut_off():
    """One row without wires but its driver of R: every column alone has g / (1 + R sum g of its own conversion)."""
    cells = np.array([[1e-4, 2e-4, 3e-4, 4e-4]])
    found = selected_matrix(cells, WireConfig(driver=1000.0), 2, "cut_off")
    assert found[0] == pytest.approx(cells[0] / (1 + 1000 * np.array([4e-4, 6e-4, 4e-4, 6e-4])), rel=1e-12)
    floating = selected_matrix(cells, WireConfig(driver=1000.0), 2, "floating")
    assert floating == pytest.approx(found, rel=1e-9), "one row alone has no sneak path"


def test_tiles_are_selected_by_the_number_of_the_column():
    cells, wires = np.random.default_rng(1).uniform(1e-5, 1e-4, (6, 10)), WireConfig(row_segment=50.0)
    whole = selected_matrix(cells, wires, 4, "cut_off", 5)
    masks = list(selections(10, 4))
    part = effective_matrix(np.where(masks[2], cells, 0.0)[:3, 5:], wires)
    assert whole[:3, 6] == pytest.approx(part[:, 1], rel=1e-12)


def test_floating_columns_take_what_their_rows_differ():
    cells, volts = np.array([[1e-4, 1e-4], [1e-4, 3e-4]]), np.array([1.0, -1.0])
    first, second = 2**2 / (2 / 1e-4), 2**2 / (1 / 1e-4 + 1 / 3e-4)  # two cells in series between 1 and -1 V
    assert floating_power(cells, volts) == pytest.approx(first + second, rel=1e-12)
    assert floating_power(cells, [0.7, 0.7]) == pytest.approx(0.0, abs=1e-18)


def test_an_array_reads_through_its_selected_columns():
    layer = LstmLayer(inputs=9, hidden=8, adcs=8, adc_bits=12)
    wires = WireConfig(row_segment=60.0, column_segment=60.0)
    losses = {}
    for unselected in ("grounded", "floating", "cut_off"):
        array = programmed(IDEAL, layer, wires=wires, unselected=unselected)
        plane = array.conductances[0]
        sensed = array.cell_array.sensed(array.conductances)[0]
        losses[unselected] = column_loss(plane, sensed).max()
        if unselected != "grounded":
            assert np.array_equal(sensed, selected_matrix(plane, wires, layer.conversions, unselected))
    assert losses["cut_off"] < 0.7 * losses["grounded"]
    plain = programmed(IDEAL, layer)
    for unselected in ("floating", "cut_off"):
        assert np.array_equal(programmed(IDEAL, layer, unselected=unselected).effective(), plain.effective())


def test_power_follows_what_conducts():
    """Cut off, an eighth of the time for each column; floating, the rest as floating_power has it."""
    config, powers = preset("paper_cells"), {}
    for unselected in ("grounded", "floating", "cut_off"):
        made = replace(config, cells=replace(config.cells, unselected=unselected))
        sheet = characterise(Design.load("vowels"), None, 0, made, seed=1)
        powers[unselected] = sheet.power
        driver = sheet.driver_currents.sum(axis=0).max()
        if unselected == "grounded":
            whole = driver
        else:
            assert 1 / 8 < driver / whole < 1 / 4
    assert powers["cut_off"] == pytest.approx(np.array(powers["grounded"]) / 8)
    assert powers["floating"][0] == pytest.approx(powers["cut_off"][0]), (
        "all rows alike: columns float at their voltage"
    )
    assert 4 < powers["floating"][1] / powers["cut_off"][1] < 8


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: Cells(device=IDEAL, unselected="x"), "unselected columns must be one of grounded, floating, cut_off, not 'x'"),
        (lambda: programmed(IDEAL, unselected="cut_off", scheme="offset"),
         "cut off columns need pairs without spare columns"),
        (lambda: programmed(IDEAL, unselected="floating", repair=Repair(spares=1)),
         "floating columns need pairs without spare columns"),
        (lambda: WireConfig(row_limit=-1.0), "row limit in A must be a number from 0 to 1000, not -1.0"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

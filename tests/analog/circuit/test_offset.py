"""What sense amplifiers' offsets take from columns behind wires: against ngspice, and in closed form."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from ohmgate.analog.circuit.netlist import netlist
from ohmgate.analog.circuit.offset import offset_currents
from ohmgate.analog.circuit.wires import WireConfig, effective_matrix
from ohmgate.model.formats import DesignError


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("unselected", ["grounded", "floating", "cut_off"])
@pytest.mark.parametrize("seed", range(10))
def test_ngspice_agrees(seed, unselected):
    """10 arrays up to 32 x 32 for each, one conversion of each, 1e-6 of the offset times the column's conductance."""
    rng = np.random.default_rng(seed)
    rows, columns = (32, 32) if seed == 0 else rng.integers(2, 33, 2)
    cells = rng.uniform(0.05, 1, (rows, columns)) / rng.choice([1e3, 1e4, 1e5, 1e6])
    ohms = rng.choice([0.0, 1.0, 30.0], 4) if seed % 3 == 1 else rng.uniform(0.1, [5, 5, 500, 200])
    names = ("row_segment", "column_segment", "driver", "sense")
    wires = WireConfig(**dict(zip(names, ohms.tolist())), driver_ends=1 + seed % 2)
    conversion = np.arange(columns) % int(rng.integers(1, 9))
    mask, volts = conversion == 0, 5e-3 * rng.standard_normal(columns)
    circuit = np.where(mask, cells, 0.0) if unselected == "cut_off" else cells
    floating = mask if unselected == "floating" else None
    text = netlist(circuit, wires, np.zeros(rows), sensed=floating, offsets=np.where(mask, volts, 0.0))
    ran = subprocess.run(["ngspice", "-b", "/dev/stdin"], input=text, capture_output=True, text=True, timeout=60)
    printed = re.findall(r"^i\(vsense(\d+)\) = (\S+)$", ran.stdout, re.MULTILINE)
    read = np.full(columns, np.nan)
    for column, amperes in printed:
        read[int(column)] = float(amperes)
    found = offset_currents(cells, wires, volts[None], conversion, unselected)
    assert (np.abs(read - found)[mask] <= 1e-6 * (np.abs(volts) * cells.sum(axis=0))[mask]).all()


@pytest.mark.parametrize("wires", [None, WireConfig()])
def test_without_wires_it_is_the_offset_times_the_columns_conductance(wires):
    cells, volts = np.array([[1e-4, 2e-4], [3e-4, 5e-4]]), np.array([[2e-3, -1e-3]])
    found = offset_currents(cells, wires, volts, np.array([0, 1]))
    assert found == pytest.approx([-8e-7, 7e-7], rel=1e-9)


def test_an_offset_of_all_columns_is_as_all_rows_lower():
    cells = np.random.default_rng(0).uniform(1e-5, 1e-4, (9, 7))
    wires = WireConfig(row_segment=20.0, column_segment=10.0, driver=100.0, sense=50.0)
    found = offset_currents(cells, wires, np.full((1, 7), 4e-3), np.zeros(7, dtype=int))
    assert found == pytest.approx(-4e-3 * effective_matrix(cells, wires).sum(axis=0), rel=1e-9)


def test_a_column_alone_pulls_from_its_neighbours_through_the_rows():
    """One row behind a driver of R: two columns at ground, one at V; a star of three cells and R."""
    cells, ohm, volt = np.array([1e-4, 2e-4, 3e-4]), 2000.0, 1e-3
    found = offset_currents(cells[None], WireConfig(driver=ohm), [[volt, 0, 0]], np.array([0, 1, 2]))
    row = cells[0] * volt / (cells.sum() + 1 / ohm)
    assert found == pytest.approx([cells[0] * (row - volt), 0, 0], rel=1e-9)


def test_tiles_have_amplifiers_of_their_own():
    cells, wires = np.random.default_rng(1).uniform(1e-5, 1e-4, (6, 4)), WireConfig(column_segment=50.0)
    conversion, volts = np.array([0, 1, 0, 1]), np.array([[1e-3, 2e-3, 3e-3, 4e-3], [-1e-3, 0, 1e-3, 2e-3]])
    found = offset_currents(cells, wires, volts, conversion, tile=3)
    parts = [offset_currents(cells[3 * t : 3 * t + 3], wires, volts[t : t + 1], conversion) for t in (0, 1)]
    assert found == pytest.approx(parts[0] + parts[1], rel=1e-8)


def test_columns_of_no_conversion_take_nothing():
    assert offset_currents([[1e-4, 1e-4]], WireConfig(driver=1.0), [[1e-3, 1e-3]], np.array([0, -1]))[1] == 0.0


def test_conductances_are_checked():
    with pytest.raises(DesignError, match=r"conductance at \(0, 0\) must be finite and not negative, not -1.0"):
        offset_currents([[-1.0]], None, [[0.0]], np.array([0]))

"""The netlist as ngspice reads it against the exact solver, and its text."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from ohmgate.analog.circuit.netlist import netlist, write_netlist
from ohmgate.analog.circuit.tiles import tiled_matrix
from ohmgate.analog.circuit.wires import WireConfig, effective_matrix
from ohmgate.model.formats import DesignError

SMALL = """\
* Two by two
* 2 rows, 2 columns; volts behind the drivers, amperes into the sense amplifiers
* row segment 1.0 ohm, column segment 2.5 ohm
* driver 50.0 ohm at both ends of each row, sense 0.0 ohm

* rows: driver and wire
Vin0 in0 0 DC 1.0
Rin0_d0 in0 d0 50.0
Rd0_r0_0 d0 r0_0 1.0
Rr0_0_r0_1 r0_0 r0_1 1.0
Rr0_1_d0far r0_1 d0far 1.0
Rd0far_in0 d0far in0 50.0
Vin1 in1 0 DC -0.5
Rin1_d1 in1 d1 50.0
Rd1_r1_0 d1 r1_0 1.0
Rr1_0_r1_1 r1_0 r1_1 1.0
Rr1_1_d1far r1_1 d1far 1.0
Rd1far_in1 d1far in1 50.0
* columns: sense resistance and wire, from the sense amplifier upwards
Rout0_c1_0 out0 c1_0 2.5
Rc1_0_c0_0 c1_0 c0_0 2.5
Rout1_c1_1 out1 c1_1 2.5
Rc1_1_c0_1 c1_1 c0_1 2.5
* sense amplifiers: i(vsense<column>) is the column current
Vsense0 out0 0 DC 0
Vsense1 out1 0 DC 0
* cells
Rcell0_0 r0_0 c0_0 1000.0
Rcell1_0 r1_0 c1_0 2000.0
Rcell1_1 r1_1 c1_1 4000.0

.control
set numdgt=15
op
print i(vsense0)
print i(vsense1)
quit
.endc
.end
"""
CELLS = np.array([[1e-3, 0.0], [5e-4, 2.5e-4]])


def column_currents(text: str) -> np.ndarray:
    """What ngspice prints for the netlist ``text``, (columns,) in amperes."""
    ran = subprocess.run(["ngspice", "-b", "/dev/stdin"], input=text, capture_output=True, text=True, timeout=60)
    found = re.findall(r"^i\(vsense(\d+)\) = (\S+)$", ran.stdout, re.MULTILINE)
    assert [int(column) for column, _ in found] == list(range(len(found))), ran.stdout + ran.stderr
    return np.array([float(current) for _, current in found])


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("seed", range(14))
def test_ngspice_agrees_with_the_exact_solver(seed, ends):
    rng = np.random.default_rng(seed)
    rows, columns = (32, 32) if seed == 0 else rng.integers(1, 33, 2)
    conductance = rng.uniform(0.05, 1, (rows, columns)) / rng.choice([1e3, 1e4, 1e5, 1e6])
    conductance[rng.random(conductance.shape) < 0.1] = 0
    without = seed % 3 == 1  # wires, drivers or sense amplifiers of 0 ohm
    ohms = rng.choice([0.0, 1.0, 30.0], 4) if without else rng.uniform(0.1, [5, 5, 500, 200])
    names = ("row_segment", "column_segment", "driver", "sense")
    wires = WireConfig(**dict(zip(names, ohms.tolist())), driver_ends=ends)
    volts = rng.uniform(-1, 1, rows)
    expected = volts @ effective_matrix(conductance, wires)
    found = column_currents(netlist(conductance, wires, volts))
    assert found.shape == (columns,)
    # Relative to the column's currents before opposite signs cancel.
    scale = np.abs(volts) @ effective_matrix(conductance, wires)
    assert (np.abs(found - expected) <= 1e-9 * scale).all()


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("driver", [0.0, 80.0])
def test_ngspice_agrees_with_tiles(ends, driver):
    rng = np.random.default_rng(ends)
    conductance, volts = rng.uniform(2e-6, 2e-4, (13, 19)), rng.uniform(-1, 1, 13)
    wires = WireConfig(row_segment=3.0, column_segment=5.0, driver=driver, sense=40.0, driver_ends=ends)
    found = column_currents(netlist(conductance, wires, volts, tile=6))
    scale = np.abs(volts) @ tiled_matrix(conductance, wires, 6, 6)
    assert (np.abs(found - volts @ tiled_matrix(conductance, wires, 6, 6)) <= 1e-9 * scale).all()
    assert np.abs(found - volts @ effective_matrix(conductance, wires)).max() > 1e-3 * scale.max()


def test_one_tile_is_the_array():
    wires = WireConfig(row_segment=1, column_segment=2.5, driver=50, driver_ends=2)
    assert netlist(CELLS, wires, [1, -0.5], "Two by two", tile=2) == SMALL


def test_text_of_a_small_array():
    wires = WireConfig(row_segment=1, column_segment=2.5, driver=50, driver_ends=2)
    assert netlist(CELLS, wires, [1, -0.5], "Two by two") == SMALL


def test_nodes_without_resistance_between_them_are_one():
    text = netlist(CELLS, WireConfig(driver=10.0, driver_ends=2), [1.0, 1.0])
    assert re.findall(r"^R.*$", text, re.MULTILINE) == [
        "Rin0_d0 in0 d0 10.0",
        "Rd0_in0 d0 in0 10.0",
        "Rin1_d1 in1 d1 10.0",
        "Rd1_in1 d1 in1 10.0",
        "Rcell0_0 d0 out0 1000.0",
        "Rcell1_0 d1 out0 2000.0",
        "Rcell1_1 d1 out1 4000.0",
    ]


def test_writing_leaves_one_file(tmp_path):
    path = tmp_path / "array.cir"
    write_netlist(path, CELLS, WireConfig(row_segment=1.0), [1.0, 0.0])
    assert path.read_text() == netlist(CELLS, WireConfig(row_segment=1.0), [1.0, 0.0])
    with pytest.raises(DesignError):
        write_netlist(path, CELLS, WireConfig(), [1.0])
    assert [entry.name for entry in tmp_path.iterdir()] == ["array.cir"]


@pytest.mark.parametrize(
    "cells, volts, title, sentence",
    [
        (CELLS, [1.0], "x", r"volts must be 2 finite numbers, one a row, not shape \(1,\)"),
        (CELLS, [1.0, np.nan], "x", "volts must be 2 finite numbers, one a row"),
        (-CELLS, [1.0, 1.0], "x", r"conductance at \(0, 0\) must be finite and not negative, not -0.001"),
        (CELLS, [1.0, 1.0], "x\n.end", "title of a netlist must be one line of text, not"),
    ],
)
def test_error_sentences(cells, volts, title, sentence):
    with pytest.raises(DesignError, match=sentence):
        netlist(cells, WireConfig(), volts, title)

"""Nonlinear cells behind wires against ngspice, and in the limits that have a closed form."""

import shutil

import numpy as np
import pytest

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.netlist import netlist
from ohmgate.analog.circuit.nonlinear import current, nonlinear_ir_drop
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.model.formats import DesignError
from tests.analog.circuit.test_netlist import column_currents

CELLS = np.array([[1e-3, 0.0], [5e-4, 2.5e-4]])


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("seed", range(20))
def test_ngspice_agrees(seed):
    """20 arrays up to 32 x 32, V0 from a quarter of the read voltage to 1.25 of it, within 1e-6."""
    rng = np.random.default_rng(seed)
    rows, columns = (32, 32) if seed == 0 else rng.integers(1, 33, 2)
    conductance = rng.uniform(0.05, 1, (rows, columns)) / rng.choice([1e4, 1e5, 1e6])
    conductance[rng.random(conductance.shape) < 0.1] = 0
    ohms = rng.choice([0.0, 1.0, 30.0], 4) if seed % 3 == 1 else rng.uniform(0.1, [5, 5, 200, 100])
    names = ("row_segment", "column_segment", "driver", "sense")
    wires = WireConfig(**dict(zip(names, ohms.tolist())), driver_ends=1 + seed % 2)
    read, volts = 0.5, rng.uniform(-0.5, 0.5, rows)
    sinh = read / [0.8, 2.0, 4.0][seed % 3]
    solved = nonlinear_ir_drop(conductance, wires, volts, read, sinh)
    assert solved.residual < 1e-9
    found = column_currents(netlist(conductance, wires, volts, law=(read, sinh)))
    scale = np.abs(current(conductance, volts[:, None], read, sinh)).sum(axis=0)
    assert (np.abs(found - solved.column_current) <= 1e-6 * scale).all()


def test_without_wires_the_law_is_the_cells():
    volts = np.array([0.3, -0.2])
    solved = nonlinear_ir_drop(CELLS, WireConfig(), volts, 0.4, 0.1)
    expected = [
        1e-3 * 0.4 * np.sinh(3) / np.sinh(4) - 5e-4 * 0.4 * np.sinh(2) / np.sinh(4),
        -2.5e-4 * 0.4 * np.sinh(2) / np.sinh(4),
    ]
    assert solved.column_current == pytest.approx(expected, rel=1e-12)


def test_a_large_sinh_voltage_is_ohms_law():
    wires = WireConfig(row_segment=30.0, column_segment=20.0, driver=50.0)
    solved = nonlinear_ir_drop(CELLS, wires, [1.0, -0.5], 1.0, 1e5)
    assert solved.column_current == pytest.approx(ir_drop(CELLS, wires, [1.0, -0.5]).column_current, rel=1e-8)


def test_one_cell_behind_its_wires_by_bisection():
    read, sinh, ohm = 1.0, 0.25, 2000.0
    solved = nonlinear_ir_drop([[1e-3]], WireConfig(driver=ohm), [0.9], read, sinh)
    low, high = 0.0, 0.9
    for _ in range(200):
        across = (low + high) / 2
        more = 1e-3 * read * np.sinh(across / sinh) / np.sinh(read / sinh) > (0.9 - across) / ohm
        low, high = (low, across) if more else (across, high)
    assert solved.column_current[0] == pytest.approx((0.9 - low) / ohm, rel=1e-10)


@pytest.mark.parametrize(
    "read, sinh, volts, sentence",
    [
        (0.0, 0.1, [1.0, 1.0], "read voltage in V must be a number from 0.001 to 10, not 0.0"),
        (1.0, 0.01, [1.0, 1.0], "sinh voltage in V must be a number from 0.02 to inf, not 0.01"),
        (1.0, 0.1, [1.0], r"volts must be 2 finite numbers, one a row, not shape \(1,\)"),
        (1.0, 0.02, [1e3, 1e3], "nonlinear cells cannot be solved for this input; wires or conductances are out of"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_error_sentences(read, sinh, volts, sentence):
    with pytest.raises(DesignError, match=sentence):
        nonlinear_ir_drop(CELLS, WireConfig(driver=10.0), volts, read, sinh)

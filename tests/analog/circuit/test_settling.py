"""Settling against ngspice's transient of the whole array, and against closed forms of one ladder."""

import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from ohmgate.analog.circuit.netlist import netlist
from ohmgate.analog.circuit.settling import settling_time
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.model.formats import DesignError


def transient(cells: np.ndarray, wires: WireConfig, seconds: float, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and column currents (times, columns) that ngspice finds after all rows step from 0 to 1 V."""
    rows, columns = cells.shape
    lines = netlist(cells, wires, np.ones(rows)).partition(".control")[0]
    lines = re.sub(r"^(Vin\d+ in\d+ 0) DC 1.0$", r"\1 PWL(0 0 1e-18 1)", lines, flags=re.MULTILINE)
    nodes = set(re.findall(r"\b([rcs]\d+(?:_\d+)?)\b", re.sub(r"^R\S+", "", lines, flags=re.MULTILINE)))
    for node in sorted(nodes):
        at = {"r": wires.row_capacitance, "c": wires.column_capacitance, "s": wires.sense_capacitance}[node[0]]
        lines += f"C{node} {node} 0 {at!r}\n" if at else ""
    columns_read = " ".join(f"i(vsense{j})" for j in range(columns))
    lines += (
        f".options reltol=1e-6 abstol=1e-15 vntol=1e-9\n.control\nset numdgt=10\nset wr_singlescale\n"
        f"tran {seconds / 1000!r} {seconds!r} 0 {seconds / 1000!r} uic\nwrdata currents.data {columns_read}\nquit\n.endc\n.end\n"
    )
    subprocess.run(
        ["ngspice", "-b", "/dev/stdin"], input=lines, cwd=folder, check=True, capture_output=True, text=True
    )
    numbers = np.loadtxt(folder / "currents.data")
    return numbers[:, 0], numbers[:, 1:]


def settled(times: np.ndarray, currents: np.ndarray, ends: np.ndarray, share: float) -> float:
    """When the last column stays within ``share`` of its end, between samples by a straight line of logarithms."""
    lacks = np.abs(1 - currents / ends).max(axis=1)
    after = int(np.flatnonzero(lacks > share)[-1])
    low, high = np.log(lacks[after : after + 2])
    return times[after] + (times[after + 1] - times[after]) * (low - math.log(share)) / (low - high)


CASES = [
    (12, 30, WireConfig(row_segment=10.0, column_segment=5.0, row_capacitance=1e-15, column_capacitance=1e-15)),
    (30, 12, WireConfig(row_segment=1.0, column_segment=20.0, row_capacitance=1e-15, column_capacitance=3e-15)),
    (20, 20, WireConfig(row_segment=5.0, column_segment=5.0, driver=500.0, row_capacitance=1e-15)),
    (10, 24, WireConfig(row_segment=20.0, driver=100.0, driver_ends=2, row_capacitance=2e-15)),
    (15, 15, WireConfig(
        row_segment=2.0, column_segment=2.0, sense=1000.0, row_capacitance=1e-16, column_capacitance=1e-16,
        sense_capacitance=1e-12,
    )),
    (16, 8, WireConfig(
        row_segment=1.0, column_segment=30.0, sense=200.0, driver=300.0, row_capacitance=4e-15, column_capacitance=1e-15,
        sense_capacitance=2e-14,
    )),
]  # fmt: skip


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_ngspice_settles_as_late(case, tmp_path):
    """Within 0.5 % for 4 and 9 bits, where the wires take up to 2 %."""
    rows, columns, wires = CASES[case]
    cells = np.random.default_rng(case).uniform(0.5e-6, 1.5e-6, (rows, columns))
    nine = settling_time(cells, wires, 2.0**-10)
    times, currents = transient(cells, wires, 2.5 * nine, tmp_path)
    for bits in (4, 9):
        share = 2.0 ** -(bits + 1)
        found = settling_time(cells, wires, share)
        assert found == pytest.approx(settled(times, currents, currents[-1], share), rel=0.005)


def test_one_lag():
    """A driver of 1 kohm and a row of 1 pF with 30 uS of cells: R and cells in parallel times C."""
    cells, wires = np.full((5, 30), 1e-6), WireConfig(driver=1000.0, row_capacitance=1e-12 / 30)
    lag = 1e-12 / (1e-3 + 30e-6)
    assert settling_time(cells, wires, 1 / 32) == pytest.approx(lag * math.log(32), rel=1e-6)
    both = replace(wires, driver_ends=2)
    assert settling_time(cells, both, 1 / 32) == pytest.approx(1e-12 / (2e-3 + 30e-6) * math.log(32), rel=1e-6)
    sense = WireConfig(sense=500.0, sense_capacitance=2e-12, column_capacitance=1e-13)
    lag = (2e-12 + 5 * 1e-13) / (2e-3 + 5e-6)
    assert settling_time(cells, sense, 2.0**-10) == pytest.approx(lag * math.log(1024), rel=1e-6)


@pytest.mark.parametrize("other", [2e-12, 1e-12, 0.3e-12])
def test_two_lags_in_a_row(other):
    """Rows of 1 ns and columns of 2, 1 and 0.3 ns, cells of next to nothing."""
    cells = np.full((5, 30), 1e-12)
    wires = WireConfig(driver=1000.0, row_capacitance=1e-12 / 30, sense=1000.0, sense_capacitance=other)
    a, b = 1.0, other * 1e12

    def lacks(t):
        return (1 + t) * math.exp(-t) if a == b else (a * math.exp(-t / a) - b * math.exp(-t / b)) / (a - b)

    assert settling_time(cells, wires, 1 / 32) == pytest.approx(
        1e-9 * brentq(lambda t: lacks(t) - 1 / 32, 0, 50), rel=1e-5
    )


def test_a_long_row_is_a_diffusion():
    """sum of 4/pi (-1)^k / (2k+1) exp(-((2k+1) pi / 2)^2 t / RC), the step at the open end of a distributed line."""
    count, ohm, farad = 1024, 1.0, 2e-16
    cells, wires = np.full((3, count), 1e-12), WireConfig(row_segment=ohm, row_capacitance=farad)
    odd = 2 * np.arange(20) + 1

    def lacks(t):
        return (4 / math.pi * (-1.0) ** np.arange(20) / odd * np.exp(-((odd * math.pi / 2) ** 2) * t)).sum()

    expected = brentq(lambda t: lacks(t) - 1 / 32, 0.05, 10) * (count * ohm) * (count * farad)
    assert settling_time(cells, wires, 1 / 32) == pytest.approx(expected, rel=3 / count)
    assert expected == pytest.approx(0.315e-9, rel=0.01)


def test_the_papers_array_settles_in_a_quarter_of_a_nanosecond():
    """356 x 1024, 1 Mohm, 1 ohm a segment: what was found for 0.2 and 2 fF a segment, at 4 bits."""
    cells = np.full((356, 1024), 1e-6)
    wires = WireConfig(row_segment=1.0, column_segment=1.0, row_capacitance=2e-16, column_capacitance=2e-16)
    assert settling_time(cells, wires, 2.0**-5) == pytest.approx(0.25e-9, rel=0.1)
    ten = replace(wires, row_capacitance=2e-15, column_capacitance=2e-15)
    assert settling_time(cells, ten, 2.0**-5) == pytest.approx(2.4e-9, rel=0.03)


def test_tiles_settle_sooner():
    cells = np.full((20, 64), 1e-6)
    wires = WireConfig(row_segment=10.0, row_capacitance=1e-15)
    whole, tiles = settling_time(cells, wires, 1 / 32), settling_time(cells, wires, 1 / 32, tile=32)
    assert tiles == pytest.approx(settling_time(cells[:, :32], wires, 1 / 32))
    assert 0.2 < tiles / whole < 0.3


@pytest.mark.parametrize("wires", [WireConfig(), WireConfig(row_segment=1.0), WireConfig(row_capacitance=1e-15)])
def test_without_resistance_or_capacitance_there_is_nothing_to_wait_for(wires):
    assert settling_time(np.full((3, 4), 1e-6), wires, 1 / 32) == 0.0
    assert settling_time(np.zeros((3, 4)), replace(wires, driver=1.0, row_capacitance=1e-15), 1 / 32) == 0.0


def test_the_share_is_checked():
    with pytest.raises(DesignError, match="share to settle within must be a number from 1e-12 to 0.999, not 0.0"):
        settling_time([[1e-6]], WireConfig(), 0.0)

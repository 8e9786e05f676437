"""Power of a read: the paper's figure, closed forms and the heat of a solved circuit."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.power import read_power, row_currents
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import preset
from ohmgate.analog.studies.datasheet import characterise
from ohmgate.model.design import Design


def test_the_papers_array_takes_a_third_of_a_watt():
    """Section VI.B: 356 x 1024 cells of 1 Mohm at 1 V, 0.364 W in print; 1.024 mA from each driver."""
    cells, volts = np.full((356, 1024), 1e-6), np.ones(356)
    assert read_power(cells, WireConfig(), volts) == pytest.approx(0.364544, rel=1e-12)
    assert row_currents(cells, WireConfig(), volts) == pytest.approx(np.full(356, 1.024e-3), rel=1e-12)


@pytest.mark.parametrize("ends", [1, 2])
def test_what_drivers_give_is_the_heat_of_cells_and_wires(ends):
    rng = np.random.default_rng(ends)
    cells, volts = rng.uniform(1e-5, 1e-4, (7, 9)), rng.uniform(-1, 1, 7)
    wires = WireConfig(row_segment=20.0, column_segment=30.0, driver=100.0 if ends == 1 else 0.0, driver_ends=ends)
    solved = ir_drop(cells, wires, volts)
    nodes = np.column_stack([volts, solved.row] if ends == 1 else [volts, solved.row, volts])
    steps = np.diff(nodes, axis=1) ** 2
    ohms = np.full(steps.shape[1], 20.0)
    ohms[0] += wires.driver
    down = np.diff(np.vstack([solved.column, np.zeros(9)]), axis=0) ** 2 / 30.0
    heat = (cells * (solved.row - solved.column) ** 2).sum() + (steps / ohms).sum() + down.sum()
    assert read_power(cells, wires, volts) == pytest.approx(heat, rel=1e-9)


def test_an_array_on_random_inputs_takes_its_mean_square():
    """Codes -7..7 alike: 18.67 of 49 of full scale's power, but for the bias row, which is always full."""
    sheet = characterise(Design.load("vowels"), None, 0, preset("paper_cells"), seed=1)
    most, usual = sheet.power
    planes = sheet.conductances.sum(axis=(0, 2))
    assert most == pytest.approx(planes.sum(), rel=1e-9)
    share = np.full(sheet.layer.rows, (7 * 8 * 15 / 3) / 15 / 49)
    share[-sheet.layer.bias_rows :] = 1
    assert usual == pytest.approx(planes @ share, rel=0.01)


def test_nonlinear_cells_and_pulses_take_their_own_power():
    """At half scale a pulse takes half of the power, a linear cell a quarter, one at 2 V0 sinh(1) / sinh(2) / 2."""
    config, design = preset("paper_cells"), Design.load("vowels")
    bent = replace(config, cells=replace(config.cells, device=replace(config.cells.device, sinh_voltage=0.5)))
    pulses = replace(bent, cells=replace(bent.cells, dacs="pulse_width"))
    for made, share in ((config, 0.25), (bent, np.sinh(1) / np.sinh(2) / 2), (pulses, 0.5)):
        sheet = characterise(design, None, 0, made, seed=1)
        assert sheet.heat(np.array([0.5]))[0] == pytest.approx(share)
        assert sheet.power[0] == pytest.approx(characterise(design, None, 0, config, seed=1).power[0])


def test_wires_save_power():
    wired = characterise(Design.load("vowels"), None, 0, preset("paper_wires"), seed=1).power
    plain = characterise(Design.load("vowels"), None, 0, preset("paper_cells"), seed=1).power
    assert 0.99 < wired[0] / plain[0] < 1
    assert wired[1] / plain[1] == pytest.approx(wired[0] / plain[0])

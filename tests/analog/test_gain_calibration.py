"""Gains set anew after drift: where all cells drift alike, a chip is as it was."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.gain_calibration import calibrate_gains
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.analog.memory.cells import Cells
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.analog.arrays import IDEAL
from tests.designs import random_inputs, random_network

LAYERS = (
    LstmLayer(inputs=5, hidden=6, adcs=4),
    DenseLayer(inputs=6, outputs=4, adcs=2, output="argmax", emit="end"),
)


def chip(drift_sigma=0.0):
    network = random_network(Design("small", LAYERS), np.random.default_rng(1))
    device = replace(IDEAL, g_min=0.0, drift_mean=(0.0, 0.08, 0.0, 1.0), drift_sigma=(0.0, drift_sigma, 0.0, 1.0))
    return network, build_arrays(network, ArrayConfig(cells=Cells(device=device, seconds=1e6)), 3)


@pytest.mark.parametrize("part", ["array", "gate"])
def test_drift_that_all_cells_share_is_undone(part):
    """(1e6)^-0.08 is a third of all currents; what is left is the rounding of a gain, half a step of its mult."""
    network, arrays = chip()
    before = [array.scale.copy() for array in arrays]
    assert arrays[0].effective() == pytest.approx(arrays[0].levels * 1e6**-0.08)
    calibrate_gains(network, arrays, part)
    for array, scale in zip(arrays, before):
        assert array.effective() * array.scale == pytest.approx(array.levels * scale, rel=1 / 128, abs=1e-12)
    codes, lengths = random_inputs(network.design, np.random.default_rng(2), 40, 6)
    ideal = reference.run(network, codes, lengths).layers[0].adc
    found = reference.run(network, codes, lengths, convert_through(arrays)).layers[0].adc
    aged = reference.run(network, codes, lengths, convert_through(chip()[1])).layers[0].adc
    assert (found != ideal).mean() < 0.3 * (aged != ideal).mean()


def test_each_gate_has_the_least_squares_factor_of_its_own_cells():
    network, arrays = chip(drift_sigma=0.03)
    held, levels, scale = arrays[0].effective(), arrays[0].levels, arrays[0].scale.copy()
    calibrate_gains(network, arrays, "gate")
    factors = arrays[0].scale / scale
    assert len(np.unique(factors)) == 4
    for factor in np.unique(factors):
        columns = factors == factor
        fitted, *_ = np.linalg.lstsq(levels[:, columns].reshape(-1, 1), held[:, columns].ravel(), rcond=None)
        assert factor * fitted[0] == pytest.approx(1, rel=1 / 128)


def test_an_unknown_part_is_named():
    network, arrays = chip()
    with pytest.raises(DesignError) as error:
        calibrate_gains(network, arrays, "column")
    assert str(error.value) == "part that shares a gain must be one of array, gate, not 'column'"

"""Gains set anew after drift: where all cells drift alike, a chip is as it was."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.fast_network import FastNetwork
from ohmgate.analog.gain_calibration import calibrate_gains
from ohmgate.analog.inference import build_arrays, classify, convert_through, network_of_chip
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


def aged(drift_sigma=0.0, **fields):
    device = replace(IDEAL, g_min=0.0, drift_mean=(0.0, 0.08, 0.0, 1.0), drift_sigma=(0.0, drift_sigma, 0.0, 1.0))
    return ArrayConfig(cells=Cells(device=device, seconds=1e6), **fields)


def chip(drift_sigma=0.0):
    network = random_network(Design("small", LAYERS), np.random.default_rng(1))
    return network, build_arrays(network, aged(drift_sigma), 3)


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


@pytest.mark.parametrize("part", ["array", "gate"])
def test_a_configuration_says_that_gains_are_set_anew(part):
    """Then every chip has them, its fast reads too, and its image is what its registers are loaded with."""
    network, arrays = chip(drift_sigma=0.03)
    own = calibrate_gains(network, arrays, part)
    config = aged(0.03, gains=part)
    made = build_arrays(network, config, 3)
    for one, other, data, before in zip(made, arrays, own.layers, network.layers):
        assert np.array_equal(one.scale, other.scale)
        gains = data.mult * 2.0**-data.shift
        assert sorted(set(one.scale)) == sorted(set(gains))
        assert (gains > 2 * before.mult * 2.0**-before.shift).all(), "a third of the current is left"
    assert network_of_chip(network, config, 3) == own
    assert network_of_chip(network, aged(0.03), 3) == network
    codes, lengths = random_inputs(network.design, np.random.default_rng(2), 200, 6)
    classes = classify(network, codes, lengths, made)
    assert np.array_equal(FastNetwork(network, made).classify(codes, lengths), classes)
    assert not np.array_equal(classify(network, codes, lengths, chip(drift_sigma=0.03)[1]), classes)


def test_cells_that_hold_what_they_should_keep_their_gains():
    network, _ = chip()
    for one, other in zip(build_arrays(network, ArrayConfig(gains="gate")), build_arrays(network)):
        assert np.array_equal(one.scale, other.scale)


def test_an_unknown_part_is_named():
    network, arrays = chip()
    with pytest.raises(DesignError) as error:
        calibrate_gains(network, arrays, "column")
    assert str(error.value) == "part that shares a gain must be one of array, gate, not 'column'"
    with pytest.raises(DesignError) as error:
        ArrayConfig(gains="column")
    assert str(error.value) == "gains must be one of as_trained, array, gate, not 'column'"

"""Retraining around stuck cells: weights stay within their reach, and the others make up for it."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog import inference
from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import Device
from ohmgate.analog.memory.repair import Repair
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.layers.noise import Noise
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.retrain import gentle, retrain
from ohmgate.train.training import train

DATASET = load_dataset("vowels")
DEVICE = Device(name="ideal", g_min=1e-6, g_max=50e-6, levels=16, read_voltage=0.2)


def config(share, **repair):
    return ArrayConfig(cells=Cells(device=DEVICE, stuck_on=share / 2, stuck_off=share / 2, repair=Repair(**repair)))


def accuracy(network, arrays) -> float:
    test = DATASET.test
    classes = inference.classify(network, network.encode(test.features), test.lengths, arrays)
    return float((classes == test.labels).mean())


@pytest.fixture(scope="module")
def trained():
    return train(Design.load("vowels"), DATASET, replace(PROTOCOLS["vowels"], epochs=20))


def test_a_retrained_network_fits_the_chip_and_brings_accuracy_back(trained):
    """30 % of the cells stuck: every weight is held exactly, and what remapping leaves is made up for."""
    arrays = inference.build_arrays(trained.network, config(0.3), 1)
    made = retrain(trained, DATASET, inference.reachable(arrays))
    after = inference.build_arrays(made.network, config(0.3), 1)
    for before, array in zip(arrays, after):
        assert np.array_equal(before.cell_array.stuck, array.cell_array.stuck)
        assert np.abs(array.effective() - array.levels).max() < 1e-9
    assert accuracy(made.network, after) == made.accuracy
    assert made.accuracy > accuracy(trained.network, arrays) + 0.05


def test_without_faults_the_reach_is_every_code(trained):
    arrays = inference.build_arrays(trained.network, config(0.0))
    for limits, layer in zip(inference.reachable(arrays), trained.network.design.layers):
        assert np.array_equal(limits, np.broadcast_to([[[-7]], [[7]]], (2, layer.rows, layer.columns)))
    chosen = gentle(trained.config)
    assert (chosen.epochs, chosen.learning_rate) == (5, trained.config.learning_rate / 10)


def test_the_reach_is_what_the_cells_can_do():
    """Against all digits of the healthy cells of each pair, flipped columns included."""
    layer = DenseLayer(inputs=20, outputs=32, adcs=4)
    array = Array(layer, config(0.3), 2)
    array.program(np.random.default_rng(0).integers(-7, 8, (21, 32)))
    low, high = array.cell_array.reach(array.levels)
    plan = array.cell_array.plan(array.levels)
    assert 5 < (plan.gain < 0).sum() < 27
    for row, column in np.ndindex(21, 32):
        choices = []
        for stuck in array.cell_array.stuck[:, row, plan.place[column]]:
            choices.append(range(8) if stuck == 0 else [7 if stuck > 0 else 0])
        codes = {int(plan.gain[column]) * (p - n) for p in choices[0] for n in choices[1]}
        assert codes == set(range(low[row, column], high[row, column] + 1))


@pytest.mark.parametrize("fast", [False, True])
def test_weights_stay_within_reach_while_the_rest_learns(fast):
    """With the kernel, which else would round the weights itself, and without."""
    few = replace(DATASET, train=DATASET.train.take(np.arange(0, 270, 10)))
    settings = TrainConfig(epochs=2, batch=10, fast=fast)
    trained = train(Design.load("vowels"), few, settings)
    rng = np.random.default_rng(0)
    reach = []
    for data in trained.network.layers:
        low = rng.integers(-7, 8, data.weights.shape)
        reach.append(np.stack([low, np.minimum(low + rng.integers(0, 15, low.shape), 7)]))
    made = retrain(trained, few, reach, settings)
    for data, before, (low, high) in zip(made.network.layers, trained.network.layers, reach):
        assert ((data.weights >= low) & (data.weights <= high)).all()
        assert (data.weights != np.clip(before.weights, low, high)).any()
    assert trained.model.export(labels=few.classes).layers == trained.network.layers


def test_noise_of_retraining_acts():
    few = replace(DATASET, train=DATASET.train.take(np.arange(0, 270, 10)))
    settings = TrainConfig(epochs=1, batch=10)
    trained = train(Design.load("vowels"), few, settings)
    reach = [np.stack([0 * data.weights - 7, 0 * data.weights + 7]) for data in trained.network.layers]
    plain = retrain(trained, few, reach, settings)
    noisy = retrain(trained, few, reach, replace(settings, train_noise=Noise(weight=0.2, adc=0.3)))
    assert {layer.train_noise.weight for layer in noisy.model.layers} == {0.2}
    assert any((a.weights != b.weights).any() for a, b in zip(plain.network.layers, noisy.network.layers))
    with pytest.raises(DesignError) as error:
        retrain(trained, few, reach, replace(settings, quantiser="lsq"))
    assert str(error.value) == "retraining must have the training's quantiser, 'absmax', not 'lsq'"
    for name in ("learn_tables", "forget_ceiling"):
        with pytest.raises(DesignError) as error:
            retrain(trained, few, reach, replace(settings, **{name: True}))
        said = name.replace("_", " ")
        assert str(error.value) == f"retraining must have the training's {said}, False, not True"


RULE = (
    "weights have a range each only in pairs of one cell a polarity and above 1 bit, without column scaling, "
    "repaired by partner and without spare columns"
)


@pytest.mark.parametrize(
    "cells",
    [
        Cells(device=DEVICE),
        Cells(device=DEVICE, repair=Repair(spares=1)),
        Cells(device=DEVICE, repair=Repair(partner=False)),
        Cells(device=DEVICE, repair=Repair(), scheme="offset"),
        Cells(device=DEVICE, repair=Repair(), column_scaling=True),
        Cells(device=replace(DEVICE, levels=4), repair=Repair()),
    ],
)
def test_cells_whose_weights_have_no_range_are_refused(trained, cells):
    with pytest.raises(DesignError) as error:
        inference.reachable(inference.build_arrays(trained.network, ArrayConfig(cells=cells)))
    assert str(error.value) == RULE


def test_errors_are_one_clear_sentence(trained):
    with pytest.raises(DesignError) as error:
        inference.reachable(inference.build_arrays(trained.network))
    assert str(error.value) == "ranges of weights need arrays of cells, not of ideal weights"
    with pytest.raises(DesignError) as error:
        retrain(replace(trained, network=None), DATASET, [])
    assert str(error.value) == "only a quantised network can be retrained around stuck cells, not a float one"
    with pytest.raises(DesignError) as error:
        retrain(trained, DATASET, [])
    assert str(error.value) == "the reach of weights must be given for 2 layers, not 0"
    with pytest.raises(DesignError) as error:
        retrain(trained, DATASET, [np.zeros((2, 3, 4))] * 2)
    assert str(error.value) == (
        "layer 0: the reach of weights must be ascending integers of shape (2, 45, 128), not float64 of (2, 3, 4)"
    )

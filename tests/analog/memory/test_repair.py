"""Fault-aware mapping: the best that the healthy cells can do, and what it saves."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.analog import inference
from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.memory import devices
from ohmgate.analog.memory.cells import SCHEMES, Cells
from ohmgate.analog.memory.mapping import Mapping
from ohmgate.analog.memory.repair import Repair, fit, plan
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import vowels
from ohmgate.train.training import train

LAYER = DenseLayer(inputs=44, outputs=128, adcs=16)
LEVELS = np.random.default_rng(0).integers(-7, 8, (45, 128))


def device(levels=16):
    return devices.Device(name="ideal", g_min=1e-6, g_max=50e-6, levels=levels, read_voltage=0.2)


def array(repair=None, seed=0, rate=0.02, cell_levels=16, **cells):
    config = Cells(device=device(cell_levels), stuck_on=rate / 2, stuck_off=rate / 2, repair=repair, **cells)
    made = Array(LAYER, ArrayConfig(cells=config), seed)
    made.program(LEVELS)
    return made


def errors(made):
    return made.effective() - made.levels


@settings(max_examples=40, deadline=None)
@given(scheme=st.sampled_from(SCHEMES), cell_levels=st.sampled_from([2, 3, 4, 16]), seed=st.integers(0, 10_000))
def test_partners_do_the_best_that_they_can(scheme, cell_levels, seed):
    """Against every combination of digits of the healthy cells, for 3-bit weights and many faults."""
    layer = DenseLayer(inputs=6, outputs=4, adcs=2, bias_rows=0, weight_bits=3)
    mapping = Mapping(layer, Cells(device=device(cell_levels), scheme=scheme))
    rng = np.random.default_rng(seed)
    wanted = rng.integers(-3, 4, (6, 4))
    planes = mapping.shape[0]
    healthy = rng.random((planes, 6, 4)) > 0.3
    frozen = np.where(healthy, -1, rng.choice([0, mapping.base - 1], (planes, 6, 4)))
    reference = np.full(6, 0 if mapping.paired else mapping.top)
    digits, missing = fit(mapping, wanted, frozen, reference, partner=True)
    assert np.array_equal(digits[~healthy], frozen[~healthy])
    assert np.array_equal(missing, wanted + reference[:, None] - np.tensordot(mapping.digit_weights, digits, axes=1))
    choices = np.array(list(itertools.product(range(mapping.base), repeat=planes)))
    sums = choices @ mapping.digit_weights
    for row, column in np.ndindex(6, 4):
        stuck = frozen[:, row, column]
        allowed = ((choices == stuck) | (stuck < 0)).all(axis=1)
        best = np.abs(sums[allowed] - wanted[row, column] - reference[row]).min()
        assert abs(missing[row, column]) == best


def test_without_faults_nothing_moves():
    mapping = Mapping(LAYER, Cells(device=device(), repair=Repair(spares=3)))
    made = plan(mapping, LEVELS, np.zeros(mapping.shape, int), Repair(spares=3))
    assert np.array_equal(made.place, np.arange(128))
    assert (made.gain == 1).all()
    assert np.array_equal(made.digits[:, :, :128], mapping.nominal(LEVELS))
    assert not made.digits[:, :, 128:].any()


@pytest.mark.parametrize(
    "cells",
    [{}, {"column_scaling": True}, {"scheme": "offset"}, {"cell_levels": 2}, {"cell_levels": 4, "scheme": "offset"}],
)
def test_the_plan_says_what_the_array_then_holds(cells):
    made = array(Repair(spares=4), **cells)
    assert np.allclose(made.cell_array.plan(LEVELS).error, -errors(made), atol=1e-9)
    share = np.abs(errors(made)).sum() / np.abs(errors(array(**cells))).sum()
    assert share < (1.0 if cells == {"scheme": "offset"} else 0.5)  # one cell a weight has no partner


def test_each_cure_helps():
    def rms(repair):
        return np.mean([np.sqrt((errors(array(repair, seed)) ** 2).mean()) for seed in range(10)])

    nothing, flip, partner, both, spares = (
        rms(r) for r in (None, Repair(partner=False), Repair(flip=False), Repair(), Repair(spares=6))
    )
    assert flip < 0.97 * nothing
    assert partner < 0.7 * nothing
    assert both < 0.7 * partner
    assert spares < 0.9 * both


def test_a_flipped_column_exchanges_its_planes():
    made = array(Repair())
    sign = made.cell_array.plan(LEVELS).gain
    assert 20 < (sign < 0).sum() < 70
    healthy = (made.cell_array.stuck == 0).all(axis=0)
    assert np.array_equal(made.effective()[healthy], LEVELS[healthy])
    column = int(np.flatnonzero(sign < 0)[0])
    row = int(np.flatnonzero(healthy[:, column] & (LEVELS[:, column] > 0))[0])
    assert made.conductances[0, row, column] == 1e-6  # a positive weight lies in the plane of the negative ones


def test_spares_take_the_place_of_the_worst_columns():
    made = array(Repair(spares=4), rate=0.05)
    place = made.cell_array.plan(LEVELS).place
    assert (place >= 128).sum() == 4
    assert len(np.unique(place)) == 128
    drive = np.random.default_rng(1).integers(-7, 8, (3, 45))
    assert np.array_equal(made.analog(drive), drive @ made.effective())


@pytest.mark.parametrize("scaled", [False, True])
def test_a_spare_goes_where_it_saves_most(scaled):
    """Against every column that one spare could stand in for: the least sum of squares of what weights lack, in codes.

    Columns of few codes are stretched where they are scaled, so that what they lack in digits counts for less.
    """
    layer = DenseLayer(inputs=9, outputs=6, adcs=2, bias_rows=0)
    cells = Cells(device=device(), repair=Repair(spares=1), column_scaling=scaled)
    mapping = Mapping(layer, cells)
    chosen = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        levels = np.clip(rng.integers(-7, 8, (9, 6)), -(top := rng.choice([1, 2, 7], 6)), top)
        stuck = rng.choice([-1, 0, 0, 0, 1], mapping.shape)
        made = plan(mapping, levels, stuck, cells.repair)
        costs = {}
        for column in range(6):
            place = np.arange(6)
            place[column] = 6
            plain = Mapping(layer, Cells(device=device(), repair=Repair(), column_scaling=scaled))
            costs[column] = (plan(plain, levels, stuck[:, :, place], Repair()).error ** 2).sum()
        costs[None] = (plan(plain, levels, stuck[:, :, :6], Repair()).error ** 2).sum()
        assert (made.error**2).sum() == pytest.approx(min(costs.values()))
        chosen.add(int(made.place.argmax()) if made.place.max() == 6 else None)
    assert len(chosen) > 3


def test_repair_does_not_depend_on_the_order_of_programming():
    config = array(Repair(spares=4)).config
    layer = DenseLayer(inputs=7, outputs=12, adcs=4)
    levels = np.random.default_rng(0).integers(-7, 8, (8, 12))
    whole, cells = Array(layer, config, 1), Array(layer, config, 1)
    whole.program(levels)
    for row, column in np.random.default_rng(1).permutation(np.argwhere(np.ones((8, 12)))):
        cells.program_cell(int(row), int(column), int(levels[row, column]))
    assert np.array_equal(whole.effective(), cells.effective())


@pytest.mark.slow
def test_repair_restores_the_accuracy_of_the_embedded_network():
    """1 % stuck cells, 20 chips: the mean comes back to within 0.2 points of the network without faults."""
    dataset = vowels()
    result = train(Design.load("vowels"), dataset, TrainConfig())
    test = dataset.test
    codes = result.network.encode(test.features)
    accuracy = {}
    for name, repair in (("before", None), ("after", Repair())):
        config = ArrayConfig(cells=Cells(device=device(), stuck_on=0.005, stuck_off=0.005, repair=repair))
        accuracy[name] = inference.accuracy_draws(result.network, codes, test.lengths, test.labels, config, 20)
    assert accuracy["before"].mean() < result.accuracy - 0.01
    assert accuracy["after"].mean() > result.accuracy - 0.002
    assert accuracy["after"].min() > result.accuracy - 0.01


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: Repair(partner=1), "repair by partner must be true or false, not 1"),
        (lambda: Repair(flip="no"), "repair by flip must be true or false, not 'no'"),
        (lambda: Repair(spares=-1), "spare columns must be an integer from 0 to 4096, not -1"),
    ],
)
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

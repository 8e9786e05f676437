"""Placement: every weight as near as its cells allow, and the worst columns in the spares, against brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ohmgate.firmware.chip.faults import ALIKE, HEALTHY, HIGH, LOW, POSITIVE_OFF, STUCK, around, held
from ohmgate.firmware.chip.placement import place
from ohmgate.model.layers import DenseLayer, LstmLayer

LAYER = DenseLayer(inputs=3, outputs=6, adcs=2, diagnostics=True, spares=1)
RNG = np.random.default_rng(4)


def drawn(layer, share: float, seed: int = 0):
    """Weights and kinds at random."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-7, 8, size=(layer.rows, layer.columns))
    kinds = np.where(
        rng.random((layer.rows, layer.all_columns)) < share,
        rng.choice(list(STUCK), (layer.rows, layer.all_columns)),
        0,
    )
    return weights, kinds


def lost(layer, holds, weights) -> float:
    reach = np.array([7.0 * getattr(layer, "input_drive", 1)] * layer.inputs + [7.0] * (layer.rows - layer.inputs))
    return float((((holds - weights) * reach[:, None]) ** 2).sum())


def test_nothing_known_is_nothing_changed():
    weights, _ = drawn(LAYER, 0)
    for kinds in (None, np.zeros((LAYER.rows, LAYER.all_columns), dtype=np.int8)):
        placed = place(LAYER, weights, kinds)
        assert np.array_equal(placed.levels[:, :6], weights)
        assert (placed.levels[:, 6:] == 0).all()
        assert np.array_equal(placed.holds, weights)
        assert (placed.spares == -1).all()


@pytest.mark.parametrize("seed", range(20))
def test_one_spare_goes_where_it_helps_most(seed):
    layer = LAYER if seed % 2 else LstmLayer(inputs=3, hidden=2, adcs=4, input_drive=3, diagnostics=True, spares=1)
    weights, kinds = drawn(layer, 0.2, seed)
    placed = place(layer, weights, kinds)
    alone = held(layer, around(layer, weights, kinds[:, : layer.columns]), kinds[:, : layer.columns])
    best = 0.0
    for adc in range(layer.adcs):  # every step in turn, and none
        options = []
        for step in range(-1, layer.conversions):
            holds = alone.copy()
            if step >= 0:
                column, own = adc * layer.conversions + step, kinds[:, layer.columns + adc]
                holds[:, column] = held(layer, around(layer, weights[:, column], own), own)
            mine = slice(adc * layer.conversions, (adc + 1) * layer.conversions)
            options.append(lost(layer, holds[:, mine], weights[:, mine]))
        best += min(options)
    assert lost(layer, placed.holds, weights) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(10))
def test_what_holds_says_is_what_the_cells_and_spares_give(seed):
    layer = replace(LAYER, spares=3)
    weights, kinds = drawn(layer, 0.4, seed)
    placed = place(layer, weights, kinds)
    cells = held(layer, placed.levels, kinds)
    expected = cells[:, : layer.columns].copy()
    for adc, spare in product(range(layer.adcs), range(layer.spares)):
        if (step := placed.spares[adc, spare]) >= 0:
            expected[:, adc * layer.conversions + step] = cells[:, layer.columns + adc * layer.spares + spare]
    assert np.array_equal(placed.holds, expected)
    for steps in placed.spares:
        used = steps[steps >= 0]
        assert len(set(used.tolist())) == len(used)
    fewer = place(LAYER, weights, kinds[:, [*range(6), 6, 9]])
    assert lost(layer, placed.holds, weights) <= lost(layer, fewer.holds, weights)


def test_a_better_spare_takes_a_column_from_a_worse_one():
    layer = DenseLayer(inputs=1, outputs=1, adcs=1, bias_rows=0, diagnostics=True, spares=2)
    placed = place(layer, np.array([[7]]), np.array([[LOW, ALIKE, HEALTHY]]))
    assert placed.spares.tolist() == [[-1, 0]]
    assert placed.holds.tolist() == [[7]]
    placed = place(layer, np.array([[7]]), np.array([[LOW, HEALTHY, POSITIVE_OFF]]))
    assert placed.spares.tolist() == [[0, -1]]
    placed = place(layer, np.array([[7]]), np.array([[HIGH, HEALTHY, HEALTHY]]))
    assert placed.spares.tolist() == [[-1, -1]]

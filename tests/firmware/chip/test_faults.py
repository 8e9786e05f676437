"""Stuck cells: the map that is found over the bus is the model's own, and what it says of a weight is exact."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.firmware.chip import faults
from ohmgate.firmware.chip.faults import (
    ALIKE,
    HEALTHY,
    HIGH,
    LOW,
    NAMES,
    NEGATIVE_OFF,
    NEGATIVE_ON,
    POSITIVE_OFF,
    POSITIVE_ON,
    STUCK,
    UNCLEAR,
    around,
    classify,
    find_faults,
    held,
)
from ohmgate.firmware.transactions import run
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import ADJUST_GAIN, ADJUST_OFFSET
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.firmware.chip.chips import DESIGN, own_kinds, stopped, worn

TOP = 7


def pair(kind: int, level: int) -> int:
    """What two cells hold, one after the other: an oracle of its own."""
    cells = [max(level, 0), max(-level, 0)]
    for cell, stuck in enumerate(STUCK[kind]):
        if stuck:
            cells[cell] = TOP if stuck > 0 else 0
    return cells[0] - cells[1]


@pytest.mark.parametrize("share", [0.005, 0.01, 0.05])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
def test_the_map_is_the_models_own_list_with_all_noise_on(share, seed):
    chip, parts = stopped(DESIGN, worn(share, offset_sigma=0.7, gain_sigma=0.025), seed)
    for index, part in enumerate(parts):
        run(part.begin(), chip)
        kinds = run(find_faults(part), chip)
        expected = own_kinds(chip, index)
        assert (expected != HEALTHY).sum() > 3 or share < 0.05
        assert np.array_equal(kinds, expected)


def test_trims_that_were_set_do_not_matter():
    chip, [part, _] = stopped(DESIGN, worn(0.05), 1)
    run(part.begin(), chip)
    run(part.adjust(ADJUST_GAIN, np.full(part.layer.adcs, -120)), chip)  # 0.53
    run(part.adjust(ADJUST_OFFSET, np.full(part.layer.adcs, 40)), chip)  # 5 LSB
    assert np.array_equal(run(find_faults(part), chip), own_kinds(chip, 0))


@pytest.mark.parametrize("adc_bits", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("weight_bits", [2, 3, 5])
def test_converters_of_any_width_find_them(adc_bits, weight_bits):
    config = replace(worn(0.1), adc=None, dac=None)
    config = replace(config, cells=replace(config.cells, thermal=False, shot=False))
    widths = {"adc_bits": adc_bits, "weight_bits": weight_bits}
    design = Design("x", (LstmLayer(inputs=3, hidden=4, adcs=8, diagnostics=True, spares=1, **widths),))
    chip, [part] = stopped(design, config)
    assert np.array_equal(run(find_faults(part), chip), own_kinds(chip, 0))


def test_weights_of_one_bit_are_refused():
    design = Design("x", (DenseLayer(inputs=2, outputs=2, adcs=1, weight_bits=1, diagnostics=True),))
    chip, [part] = stopped(design)
    with pytest.raises(DesignError) as error:
        run(find_faults(part), chip)
    assert str(error.value) == "stuck cells are found in weights of at least 2 bits, as those of 1 bit are never 0"


def test_several_bias_rows_are_taken_for_healthy():
    layer = DenseLayer(inputs=2, outputs=2, adcs=1, bias_rows=2, diagnostics=True)
    chip, [part] = stopped(Design("x", (layer,)), worn(1.0))
    kinds = run(find_faults(part), chip)
    assert (kinds[2:] == HEALTHY).all()
    assert (kinds[:2] != HEALTHY).all()


def test_progress_ends_with_all_rows():
    chip, parts = stopped(DESIGN)
    told = []
    run(find_faults(parts[0], lambda done, total: told.append((done, total))), chip)
    rows = 3 * DESIGN.layers[0].rows
    assert told == [(k, rows) for k in range(rows + 1)]


def test_every_kind_is_classified_within_half_of_full_scale():
    shares = {kind: [pair(kind, level) / TOP for level in (TOP, -TOP, 0)] for kind in STUCK}
    assert len({tuple(share) for share in shares.values()}) == len(STUCK) == len(NAMES) - 1
    for kind, share in shares.items():
        assert classify(np.array(share)) == kind
        for away in np.array(np.meshgrid(*[[-0.49, 0, 0.49]] * 3)).reshape(3, -1).T:
            assert classify(np.array(share) + away) == kind
    assert classify(np.array([0.0, 1.0, 0.0])) == UNCLEAR
    assert classify(np.array([1.0, -0.5, 0.51])) == UNCLEAR


def test_what_was_not_read_is_healthy():
    assert classify(np.array([[np.nan, 1.0], [np.nan, -1.0], [np.nan, 1.0]])).tolist() == [HEALTHY, UNCLEAR]


@pytest.mark.parametrize("kind", list(STUCK))
def test_pairs_hold_what_two_cells_do(kind):
    layer = DenseLayer(inputs=1, outputs=1, adcs=1)
    levels = np.arange(-TOP, TOP + 1)
    kinds = np.full(levels.shape, kind)
    assert held(layer, levels, kinds).tolist() == [pair(kind, level) for level in levels.tolist()]


@pytest.mark.parametrize("kind", list(STUCK))
def test_a_weight_around_stuck_cells_is_the_nearest_of_all(kind):
    layer = DenseLayer(inputs=1, outputs=1, adcs=1)
    wanted = np.arange(-TOP, TOP + 1)
    kinds = np.full(wanted.shape, kind)
    levels = around(layer, wanted, kinds)
    assert np.abs(levels).max() <= TOP
    least = [min(abs(pair(kind, level) - w) for level in range(-TOP, TOP + 1)) for w in wanted.tolist()]
    assert np.abs(held(layer, levels, kinds) - wanted).tolist() == least


def test_names_stand_for_the_indices():
    assert [NAMES[k] for k in (POSITIVE_ON, POSITIVE_OFF, NEGATIVE_ON, NEGATIVE_OFF)] == [
        "positive cell on",
        "positive cell off",
        "negative cell on",
        "negative cell off",
    ]
    assert [NAMES[k] for k in (HEALTHY, ALIKE, HIGH, LOW, UNCLEAR)] == [
        "healthy",
        "both alike",
        "always high",
        "always low",
        "unclear",
    ]
    assert faults.SURE == 0.5

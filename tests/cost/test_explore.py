"""Variants of a design fit together, the grid is whole, the front is what nothing beats."""

from dataclasses import replace

import pytest

from ohmgate.cost.explore import (
    MOST_POINTS,
    TRAINED,
    USUAL,
    Point,
    explore,
    front,
    grid,
    integers,
    one_change,
    standing,
    trained_choice,
    variant,
)
from ohmgate.model.design import Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, Layer, LstmLayer, RnnLayer

VOWELS = Design.load("vowels")


def latency(layer: Layer, contexts: int) -> int:
    return 6 if layer.kind == "lstm" else 3


def point(energy: float, time: float, area: float) -> Point:
    return Point({}, VOWELS, None, energy, time, area)


def test_the_front_is_what_nothing_beats():
    best = [point(1, 9, 5), point(9, 1, 5), point(5, 5, 1), point(3, 3, 3)]
    beaten = [point(1, 9, 6), point(3, 4, 3), point(9, 9, 9)]
    assert front([beaten[0], best[0], best[1], beaten[1], *best[2:], beaten[2]]) == best


def test_equal_points_are_all_on_the_front_even_where_rounding_parts_them():
    points = [point(1, 1, 1), point(1 + 1e-12, 1, 1), point(1, 1, 1.001)]
    assert front(points) == points[:2]


def test_the_grid_has_every_combination_and_every_number_of_adcs():
    found = grid(VOWELS, {"adc_bits": [3, 4], "clock_mhz": [320, 640]})
    assert len(found) == 2 * 2 * 6
    assert {choice["adcs"] for choice in found} == {4, 8, 16, 32, 64, 128}
    assert {(choice["adc_bits"], choice["clock_mhz"]) for choice in found} == {(3, 320), (3, 640), (4, 320), (4, 640)}
    assert all(choice["hidden"] == 32 and choice["cell_bits"] == 32 for choice in found)
    assert len(grid(VOWELS, USUAL)) == 5 * 3 * 3 * 3 * 6 == 810


def test_adcs_that_do_not_divide_the_columns_are_left_out():
    found = grid(VOWELS, {"hidden": [6, 8], "adcs": [4, 6, 12, 16, 16]})
    assert [(c["hidden"], c["adcs"]) for c in found] == [(6, 4), (6, 12), (8, 4), (8, 16)]


@pytest.mark.parametrize("preset", presets())
def test_variants_of_every_preset_are_designs(preset):
    design = Design.load(preset)
    choice = standing(design) | {"hidden": 24, "adcs": 8, "dac_bits": 3, "cell_bits": 16, "adc_bits": 5}
    own = variant(design, choice, "own")
    lstm = next(layer for layer in own.layers if isinstance(layer, LstmLayer))
    assert (lstm.hidden, lstm.adcs, lstm.dac_bits, lstm.adc_bits) == (24, 8, 3, 5)
    assert (lstm.cell_bits, lstm.cell_fraction) == (16, 11)
    if own.layers[-1] is not lstm:
        assert (own.layers[-1].inputs, own.layers[-1].dac_bits) == (24, 3)
        assert own.layers[-1].outputs == design.layers[-1].outputs
    assert own.layers[0].inputs == design.layers[0].inputs


def test_the_standing_choice_is_the_design_itself():
    for preset in presets():
        design = Design.load(preset)
        assert variant(design, standing(design), preset) == design


def test_inputs_of_their_own_width_keep_it():
    layers = (
        DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=8),
        LstmLayer(inputs=3, hidden=4, adcs=16, input_dac_bits=8),
    )
    own = variant(Design("x", layers), {"dac_bits": 2}, "own")
    assert (own.layers[0].output_bits, own.layers[1].input_bits, own.layers[1].dac_bits) == (8, 8, 2)


def test_an_index_into_tanh_of_other_width_keeps_its_range():
    own = variant(VOWELS, {"tanh_bits": 6}, "own").layers[0]
    assert (own.tanh_bits, own.tanh_fraction) == (6, 3)  # from 8 and 5: both span -4..4
    assert own.tanh_bits - own.tanh_fraction == VOWELS.layers[0].tanh_bits - VOWELS.layers[0].tanh_fraction


def test_constant_tables_and_a_shorter_tanh_are_smaller():
    choices = [standing(VOWELS) | own for own in ({}, {"tables": "constant"}, {"tanh_bits": 6})]
    there, constant, short = explore(VOWELS, choices, latency, 20)
    assert there.area - constant.area == pytest.approx(4 * 16 * 8 * 5.98)  # entries of four gates, um2 a bit
    assert there.area - short.area == pytest.approx((2**8 - 2**6) * 8 * 5.98)


def test_what_changes_no_integer_shares_a_training():
    there = standing(VOWELS)
    assert integers(there | {"adcs": 4, "clock_mhz": 100.0}) == integers(there)
    for field in TRAINED:
        assert integers(there | {field: "other"}) != integers(there)


def test_a_training_stands_for_the_adcs_and_the_clock_of_the_design():
    other = standing(VOWELS) | {"adcs": 128, "clock_mhz": 100.0}
    assert trained_choice(VOWELS, other) == standing(VOWELS)
    assert trained_choice(VOWELS, other | {"hidden": 6})["adcs"] == 4  # 16 would need a multiple of 4 units


def test_a_front_by_other_figures():
    points = [
        replace(point(1, 1, 1), score=0.5),
        replace(point(2, 2, 2), score=0.9),
        replace(point(3, 3, 3), score=0.9),
    ]
    assert front(points, lambda point: (*point.figures, 1 - (point.score or 0))) == points[:2]


def test_costs_of_a_choice_are_those_of_its_design():
    [first, second] = explore(VOWELS, [standing(VOWELS), standing(VOWELS) | {"adcs": 128}], latency, 20)
    assert first.energy == pytest.approx(21_178, rel=1e-3)  # pJ: 20 of the LSTM and a head
    assert first.time == pytest.approx((19 * 37 + 38 + 7) / 0.64)
    assert second.time == pytest.approx((19 * 9 + 10 + 7) / 0.64)
    assert second.area > first.area
    assert second.design.name == "vowels_1"


def test_one_change_at_a_time():
    choices = grid(VOWELS, {"adc_bits": [3, 4], "hidden": [24, 32], "adcs": [16, 32]})
    found = one_change(VOWELS, choices)
    there = standing(VOWELS)
    assert found[0] == there
    assert [{k: v for k, v in one.items() if v != there[k]} for one in found[1:]] == [
        {"hidden": 24},
        {"adc_bits": 3},
        {"adcs": 32},
    ]
    assert {"hidden": 6} not in [
        {k: v for k, v in one.items() if v != there[k]} for one in one_change(VOWELS, [there | {"hidden": 6}])
    ]


def test_a_grid_that_is_too_large_or_empty_is_refused():
    with pytest.raises(
        DesignError, match=f"^an exploration must have at most {MOST_POINTS} points; vary fewer values$"
    ):
        grid(VOWELS, {"clock_mhz": list(range(1, 5000))})
    said = "^an exploration must have a number of ADCs that is 4 times a divisor of the hidden units$"
    for adcs in ([6], [0], [-4], [12]):
        with pytest.raises(DesignError, match=said):
            grid(VOWELS, {"adcs": adcs})


def test_other_mistakes_are_refused():
    with pytest.raises(DesignError, match="^what is varied must be one of hidden, .*, clock_mhz, not 'colour'$"):
        grid(VOWELS, {"colour": [1]})
    alone = Design("alone", (DenseLayer(inputs=1, outputs=1, adcs=1),))
    said = "^an exploration must be of a design with an LSTM layer, but alone has none$"
    with pytest.raises(DesignError, match=said):
        grid(alone, {})
    with pytest.raises(DesignError, match="^layer 0: ADC bits must be an integer from 1 to 16, not 17$"):
        explore(VOWELS, [standing(VOWELS) | {"adc_bits": 17}], latency, 20)
    with pytest.raises(DesignError, match="^layer 0: tanh fraction bits must be an integer from 0 to 3, not 5$"):
        explore(VOWELS, [standing(VOWELS) | {"cell_bits": 8}], latency, 20)


def test_rnn_layers_are_refused():
    rnn = RnnLayer(inputs=12, hidden=12, adcs=4)
    with pytest.raises(DesignError) as error:
        standing(replace(VOWELS, layers=(rnn, *VOWELS.layers)))
    assert str(error.value) == "an exploration must be of a design without RNN layers, but vowels has some"


def test_layers_in_reverse_are_refused():
    turned = replace(VOWELS.layers[0], direction="reverse", max_steps=29)
    with pytest.raises(DesignError) as error:
        standing(replace(VOWELS, layers=(turned, VOWELS.layers[1])))
    said = "an exploration must be of a design without layers in reverse, but vowels has some"
    assert str(error.value) == said

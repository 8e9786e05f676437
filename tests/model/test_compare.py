"""The one comparator: every stage is looked at, the first in time is named, and nothing outside a sequence counts."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.compare import OUTPUT_STREAM, STAGES, Check, Comparison, check_layers, compare
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import run, steps_read
from tests.designs import random_inputs, random_network

LSTM = LstmLayer(inputs=3, hidden=2, adcs=4)
HEAD = DenseLayer(inputs=2, outputs=3, adcs=1, output="codes", emit="end")
NETWORK = random_network(Design("compared", (LSTM, HEAD)), np.random.default_rng(1))
CODES, _ = random_inputs(NETWORK.design, np.random.default_rng(2), batch=2, steps=3)
LENGTHS = np.array([2, 3])
EXPECTED = run(NETWORK, CODES, LENGTHS)


def stages() -> list[dict[str, np.ndarray]]:
    return [{name: values.copy() for name, values in trace.stages().items()} for trace in EXPECTED.layers]


def verdict(got, **options) -> Comparison:
    return compare(check_layers(NETWORK.design.layers, EXPECTED.layers, got, LENGTHS), **options)


def test_equal_runs_agree_in_every_integer_of_their_sequences():
    result = verdict(stages())
    assert (result.mismatches, result.first, result.agrees) == (0, None, True)
    assert result.integers == 5 * (6 + 8 + 8 + 2 + 2 + 2) + 2 * (3 + 3 + 3)
    assert str(result) == "158 integers compared, 0 differ"
    assert result.by_stage() == []
    assert list(result.stages) == [
        (0, "row"), (0, "ADC code"), (0, "gate activation"), (0, "cell state"), (0, "hidden code"), (0, "output"),
        (1, "row"), (1, "ADC code"), (1, "output"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "index, name", [(k, name) for k, trace in enumerate(EXPECTED.layers) for name in trace.stages()]
)
def test_one_wrong_integer_is_found_in_every_stage(index, name):
    got = stages()
    at = (1, 2, *[0] * (got[index][name].ndim - 3), -1)
    want = int(got[index][name][at])
    got[index][name][at] = want + 7
    result = verdict(got)
    first = result.first
    assert (result.mismatches, result.agrees) == (1, False)
    assert (first.layer, first.sequence, first.step, first.stage) == (index, 1, 2, STAGES[name])
    assert (first.expected, first.got, first.cycle) == (want, want + 7, None)
    assert result.by_stage() == [
        f"layer {index}, {STAGES[name]}: 1 of {result.stages[index, STAGES[name]][0]} differ"
    ]


def test_what_is_past_a_sequence_or_not_read_is_no_integer_of_the_network():
    got = stages()
    got[0]["cell"][0, 2] += 1  # a sequence of two steps
    got[1]["adc"][1, :2] += 1  # a head that is read at the end only
    assert verdict(got).agrees


def test_the_steps_that_are_read():
    assert steps_read(LSTM, LENGTHS, 4).tolist() == [[True, True, False, False], [True, True, True, False]]
    assert steps_read(HEAD, LENGTHS, 4).tolist() == [[False, True, False, False], [False, False, True, False]]


def test_first_is_first_in_time_then_on_the_way_of_the_data():
    got = stages()
    got[0]["drive"][1, 0, 0] += 1  # an earlier stage of a later sequence
    got[0]["adc"][0, 1, 7] += 1  # a later step
    got[0]["hidden"][0, 0, 1] += 1
    got[0]["out"][0, 0, 0] += 1  # the same moment, further on
    result = verdict(got, keep=True)
    assert result.first.stage == "hidden code"
    order = [(m.sequence, m.step, m.stage) for m in result.differences]
    assert order == [(0, 0, "hidden code"), (0, 0, "output"), (0, 1, "ADC code"), (1, 0, "row")]
    assert result.by_stage() == [
        "layer 0, row: 1 of 30 differ", "layer 0, ADC code: 1 of 40 differ", "layer 0, hidden code: 1 of 10 differ",
        "layer 0, output: 1 of 10 differ",
    ]  # fmt: skip
    assert verdict(got).differences == ()
    assert str(result) == f"158 integers compared, 4 differ; first: {result.first}"


def test_a_layer_before_the_next_at_the_same_step():
    got = stages()
    got[1]["drive"][0, 1, 0] += 1
    got[0]["out"][0, 1, 1] += 1
    assert [m.layer for m in verdict(got, keep=True).differences] == [0, 1]


def check(stage: str, expected, got, cycles=None, **other) -> Check:
    expected, got = np.array(expected), np.array(got)
    places = np.array([(4, k) for k in range(len(expected))])
    cycles = None if cycles is None else np.array(cycles)
    return Check(**{"index": 0, "layer": LSTM} | other, stage=stage, places=places, expected=expected, got=got,
                 cycles=cycles)  # fmt: skip


def test_clock_cycles_decide_what_was_first():
    late_row = check("row", [[1] * 6, [1] * 6], [[1] * 6, [2] + [1] * 5], [[10], [30]])
    hidden = check("hidden code", [[1, 2], [3, 4]], [[1, 5], [3, 4]], [[18, 22], [38, 42]])
    cell = check("cell state", [[1, 2], [3, 4]], [[1, 5], [0, 4]], [[21, 22], [37, 41]])
    result = compare([late_row, hidden, cell], keep=True)
    assert [(m.stage, m.cycle) for m in result.differences] == [
        ("cell state", 22), ("hidden code", 22), ("row", 30), ("cell state", 37),
    ]  # fmt: skip
    assert str(result.first) == (
        "layer 0, sequence 4, step 0, unit 1, cell state: expected 2, got 5, in clock cycle 22"
    )


def test_within_a_stage_the_clock_decides_too():
    """Columns come conversion by conversion: a higher unit can be there before a lower one."""
    result = compare([check("ADC code", [[0] * 8], [[1] * 8], [[7, 9, 7, 9, 7, 9, 7, 9]])], keep=True)
    assert [m.unit for m in result.differences] == [0, 2, 4, 6, 1, 3, 5, 7]
    assert compare([check("ADC code", [[0] * 8], [[1] * 8], [[9, 7] * 4])]).first.unit == 1


@pytest.mark.parametrize("got, mismatches, sentence", [
    ([[1, 2]], 4, "layer 0, sequence -1, step 1, unit 0, number of steps seen (hidden code): expected 3, got 1"),
    ([[1, 2], [3, 4], [5, 6], [7, 8]], 2,
     "layer 0, sequence -1, step 3, unit 0, number of steps seen (hidden code): expected 3, got 4"),
    (np.zeros((0, 2), dtype=int), 6,
     "layer 0, sequence -1, step 0, unit 0, number of steps seen (hidden code): expected 3, got 0"),
])  # fmt: skip
def test_missing_and_surplus_steps_differ(got, mismatches, sentence):
    result = compare([check("hidden code", [[1, 2], [3, 4], [5, 6]], got, np.zeros((len(got), 1)))])
    assert (result.integers, result.mismatches, str(result.first)) == (6, mismatches, sentence)


def test_a_wrong_integer_comes_before_a_missing_step():
    missing = check("row", [[1] * 6, [1] * 6], [[1] * 6], [[10]])
    wrong = check("output", [[1, 2], [3, 4]], [[1, 2], [3, 5]], [[900], [901]])
    result = compare([missing, wrong])
    assert (result.mismatches, result.first.stage) == (7, "output")


WORDS = [
    (LSTM, "row", 1, "unit 1 (input 1)"),
    (LSTM, "row", 4, "unit 4 (hidden unit 1)"),
    (LSTM, "row", 5, "unit 5 (bias row 0)"),
    (LSTM, "ADC code", 3, "unit 3 (gate i of hidden unit 1)"),
    (LSTM, "gate activation", 6, "unit 6 (gate g of hidden unit 0)"),
    (LSTM, "cell state", 1, "unit 1"),
    (HEAD, "row", 2, "unit 2"),
    (HEAD, "ADC code", 2, "unit 2"),
    (HEAD, OUTPUT_STREAM, 2, "unit 2"),
    (HEAD, OUTPUT_STREAM, 3, "unit 3 (mark of the first step)"),
    (HEAD, OUTPUT_STREAM, 4, "unit 4 (mark of the last step)"),
]  # fmt: skip


@pytest.mark.parametrize("layer, stage, unit, words", WORDS)
def test_units_in_words(layer, stage, unit, words):
    width = {"row": layer.rows, "cell state": 2, OUTPUT_STREAM: 5}.get(stage, layer.columns)
    got = np.zeros((1, width), dtype=int)
    got[0, unit] = 1
    found = compare([check(stage, np.zeros((1, width), dtype=int), got, layer=layer)]).first
    assert str(found) == f"layer 0, sequence 4, step 0, {words}, {stage}: expected 0, got 1"


def test_a_number_that_is_no_integer_is_shown_as_it_is():
    first = compare([check("cell state", [[2**31 - 1, 0]], [[2**31 - 2.0, 0.5]])]).first
    assert (first.got, type(first.got)) == (2**31 - 2, int)
    assert compare([check("cell state", [[0, 0]], [[0, 0.5]])]).first.got == 0.5


def test_all_differences_as_a_table():
    one = check("cell state", [[1, 2], [3, 4]], [[1, 5], [0, 4]], [[21, 22], [20, 41]])
    assert compare([one], keep=True).csv() == (
        "layer,sequence,step,unit,stage,expected,got,cycle\n"
        "0,4,1,0,cell state,3,0,20\n"
        "0,4,0,1,cell state,2,5,22\n"
    )  # fmt: skip


def test_nothing_compared_is_no_agreement():
    result = compare([])
    assert (str(result), result.agrees) == ("0 integers compared, 0 differ", False)


def test_a_broken_rule_is_a_verdict_too():
    result = compare([check("cell state", [[1, 2]], [[1, 2]])], violations=["rows changed (clock cycle 7)"])
    assert (result.mismatches, result.agrees) == (0, False)
    assert str(result) == "2 integers compared, 0 differ; rule broken: rows changed (clock cycle 7)"
    assert replace(result, violations=()).agrees

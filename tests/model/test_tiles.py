"""Layers on several tiles: how they are cut, their codes, and what a design says of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.model.compare import Check, compare
from ohmgate.model.design import Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.integer_noise import IntegerNoise, noisy_codes
from ohmgate.model.layers import DenseLayer, LstmLayer, RnnLayer
from ohmgate.model.network import LayerData, Network, nominal_tables
from ohmgate.model.reference import column_codes, run
from ohmgate.model.registers import BY_NAME, layer_fields
from ohmgate.model.tables import sigmoid_entry, tanh_entry


def lstm(**changes):
    return LstmLayer(**({"inputs": 3, "hidden": 8, "adcs": 8} | changes))


def rnn(**changes):
    return RnnLayer(**({"inputs": 3, "hidden": 8, "adcs": 8} | changes))


def dense(**changes):
    return DenseLayer(**({"inputs": 8, "outputs": 6, "adcs": 3} | changes))


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_tiles_cover_the_array_once_and_are_no_larger_than_asked(inputs, tile_rows, adcs, conversions, width):
    layer = dense(inputs=inputs, outputs=adcs * conversions, adcs=adcs, tile_rows=tile_rows,
                  tile_columns=width * conversions)  # fmt: skip
    rows = [row for part in layer.row_slices for row in range(part.start, part.stop)]
    columns = [column for part in layer.column_slices for column in range(part.start, part.stop)]
    assert rows == list(range(inputs + 1))
    assert columns == list(range(adcs * conversions))
    assert len(layer.row_slices) == layer.row_tiles == -(-(inputs + 1) // tile_rows)
    assert len(layer.column_slices) == layer.column_tiles
    assert max(part.stop - part.start for part in layer.row_slices) <= tile_rows
    assert max(part.stop - part.start for part in layer.column_slices) <= width * conversions
    assert all(part.start % conversions == 0 for part in layer.column_slices), "an ADC's columns stay together"


def test_the_paper_s_arrays_in_tiles():
    """Penn Treebank's 601 x 1200 in 128 x 128: 5 tiles of at most 121 rows, 10 of 120 columns, which M = 20 divides."""
    layer = replace(Design.load("ptb").layers[0], tile_rows=128, tile_columns=120)
    assert [part.stop - part.start for part in layer.row_slices] == [121, 121, 121, 121, 117]
    assert [part.stop - part.start for part in layer.column_slices] == [120] * 10
    assert (layer.sum_bits, layer.sum_range, layer.table_entries, layer.codes_at_once) == (7, (-40, 35), 76, 300)
    assert layer.code_middle == 2.5


def test_the_reference_of_two_tiles_by_hand():
    """Rows 7, 7 | 7 (bias): the first tile's sum clips, so the codes add up to less than the whole sum's."""
    layer = dense(inputs=2, outputs=1, adcs=1, output="codes", tile_rows=2)
    data = LayerData(np.array([[7], [5], [-3]]), np.array([1]), np.array([3]), None)
    network = Network(Design("two", (layer,)), (data,))
    result = run(network, np.array([[[7, 7], [0, 0], [-7, -7]]]))
    assert result.layers[0].adc[0].tolist() == [[7, -3], [0, -3], [-8, -3]]
    assert result.out[0].tolist() == [[4], [-3], [-11]]
    whole = Network(Design("one", (replace(layer, tile_rows=0),)), (data,))
    assert run(whole, np.array([[[7, 7], [0, 0], [-7, -7]]])).out[0].tolist() == [[7], [-3], [-8]]


def test_codes_of_tiles_with_inputs_count_more():
    """Rows x, x | h, bias: the first tile's steps are 4 times as large, and each of its codes counts 4."""
    layer = rnn(inputs=2, hidden=1, adcs=1, tile_rows=2, input_tile_shift=2, function="identity")
    assert (layer.tile_shifts, layer.code_units, layer.code_middle) == ((2, 0), 5, 2.5)
    assert (layer.sum_range, layer.sum_bits, layer.table_entries) == ((-40, 35), 7, 76)
    table = (np.arange(76) % 15 - 7)[None]  # of sums -40..35
    data = LayerData(np.array([[7], [5], [1], [-1]]), np.array([1]), np.array([1]), table)
    result = run(Network(Design("two", (layer,)), (data,)), np.array([[[7, 7], [1, 0], [-7, -7], [0, 0]]]))
    # of inputs 84, 7, -84, 0 over 8; of h and bias -7, -3 - 7, -2 - 7, -4 - 7 over 2
    assert result.layers[0].adc[0].tolist() == [[7, -4], [0, -5], [-8, -5], [0, -6]]
    assert result.out[0, :, 0].tolist() == [-3, -2, -4, -3], "entries of 24, -5, -37, -6"


def test_a_gain_s_shift_and_a_tile_s_may_exceed_a_word():
    """2^-63 and 4 bits more: a sum of either sign is 0 or -1 of both tiles' steps."""
    layer = rnn(inputs=1, hidden=1, adcs=1, bias_rows=0, tile_rows=1, input_tile_shift=4, function="identity")
    data = LayerData(np.array([[-1], [1]]), np.array([1]), np.array([63]), np.zeros((1, layer.table_entries), int))
    result = run(Network(Design("two", (layer,)), (data,)), np.array([[[7], [-7]]]))
    assert result.layers[0].adc[0].tolist() == [[-1, 0], [0, 0]]


def test_decoded_values_are_those_of_the_tiles_middles():
    """Each converter's code stands for the middle of its step: two of them for one step more than their sum."""
    layer = dense(inputs=2, outputs=1, adcs=1, output="codes", tile_rows=2, adc_range=4.0)
    data = LayerData(np.array([[1], [1], [1]]), np.array([1]), np.array([0]), None)
    network = Network(Design("two", (layer,)), (data,))
    assert network.decode(np.array([[4], [-16], [14]])).tolist() == [[2.5], [-7.5], [7.5]]
    with pytest.raises(DesignError, match=r"^output codes must be from -16 to 14, not 15$"):
        network.decode(np.array([[15]]))


def test_nominal_tables_have_an_entry_for_each_sum():
    layer = lstm(tile_rows=4, adc_bits=2)  # 12 rows: three tiles, sums from -6 to 3
    tables = nominal_tables(layer)
    assert tables.shape == (4, 10)
    for entry, code in enumerate(range(-6, 4)):
        z = (code + 1.5) * 2.0  # a step is 2 * 4 / 2^2
        assert tables[0, entry] == sigmoid_entry(z, 8)
        assert tables[3, entry] == tanh_entry(z, 8)
    table = nominal_tables(dense(tile_rows=5, adc_bits=2, output_bits=4, adc_range=0.5))
    assert table.tolist() == [[-5, -3, -2, 0, 2, 4, 5]], "of sums -4..2: multiples of a step of 1/4, times 7"


def test_one_bit_converters_count_their_ones():
    layer = dense(inputs=5, outputs=1, adcs=1, adc_bits=1, output="codes", tile_rows=2)
    assert (layer.row_tiles, layer.sum_range, layer.sum_bits, layer.table_entries) == (3, (-3, 0), 3, 4)
    assert column_codes(layer, np.array([[-1, 0, -1]])).tolist() == [[-2]]


def test_argmax_compares_sums():
    """Output 0 wins in the first tile, output 1 by the sum; a tie goes to the lower index."""
    layer = dense(inputs=2, outputs=2, adcs=2, output="argmax", bias_rows=0, tile_rows=1)
    data = LayerData(np.array([[3, 2], [1, 4]]), np.array([1]), np.array([0]), None)
    network = Network(Design("two", (layer,)), (data,))
    assert run(network, np.array([[[1, 1], [1, 0], [2, 1]]])).out[0].tolist() == [[1], [0], [1]]
    assert run(network, np.array([[[2, 2], [3, 1], [0, 0]]])).layers[0].adc[0].tolist() == [
        [6, 4, 2, 7], [7, 6, 1, 4], [0, 0, 0, 0]]  # fmt: skip
    assert run(network, np.array([[[2, 2], [3, 1], [0, 0]]])).out[0].tolist() == [[1], [1], [0]]


# -- what a design says --------------------------------------------------------------------------------------------------


def design(*layers):
    return Design("test", layers)


def test_only_the_number_of_row_tiles_decides_numbers():
    whole, two = design(lstm()), design(lstm(tile_rows=6))
    assert design(lstm(tile_rows=12, tile_columns=4)).fingerprint == whole.fingerprint
    assert two.fingerprint != whole.fingerprint
    assert design(lstm(tile_rows=11)).fingerprint == two.fingerprint, "two tiles of six rows both"
    assert design(lstm(tile_rows=5)).fingerprint != two.fingerprint


def test_names_of_macros_say_their_tiles():
    assert lstm(tile_rows=5, tile_columns=8).macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4_r3c4"
    assert lstm(tile_columns=8, conversion_cycles=9).macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4_t9_r1c4"
    assert lstm(tile_rows=3, input_tile_shift=2).macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4_r4c1h2"
    assert lstm(tile_rows=12, tile_columns=32).macro_name == lstm().macro_name, "of one tile"


def test_registers_tell_the_tiles():
    fields = BY_NAME["FORMAT"].unpack(BY_NAME["FORMAT"].pack(**layer_fields(lstm(tile_rows=4))["FORMAT"]))
    assert fields["MORE_TILES"] == 2
    assert layer_fields(lstm(tile_columns=4))["FORMAT"]["MORE_TILES"] == 0
    fields = layer_fields(lstm(tile_rows=3, input_tile_shift=4))["FORMAT"]
    assert BY_NAME["FORMAT"].unpack(BY_NAME["FORMAT"].pack(**fields))["INPUT_TILE_SHIFT"] == 4


def test_a_macro_table_cuts_the_layers_that_do_not_fit(tmp_path):
    text = (
        'name = "cut"\n[macro]\nrows = 12\ncolumns = 14\n'
        + """
[[layer]]
kind = "lstm"
inputs = 3
hidden = 8
adcs = 8

[[layer]]
kind = "lstm"
inputs = 8
hidden = 8
adcs = 8

[[layer]]
kind = "dense"
inputs = 8
outputs = 30
adcs = 10
tile_columns = 0
"""
    )
    (tmp_path / "d.toml").write_text(text)
    cut = Design.load(tmp_path / "d.toml")
    assert [(x.tile_rows, x.tile_columns) for x in cut.layers] == [(0, 12), (12, 12), (0, 0)]
    cut.save(tmp_path / "saved.toml")
    assert Design.load(tmp_path / "saved.toml") == cut
    assert "macro" not in (tmp_path / "saved.toml").read_text()


def test_a_macro_table_makes_the_tiles_that_a_shift_needs():
    entry = {"kind": "lstm", "inputs": 20, "hidden": 8, "adcs": 8, "input_tile_shift": 2}
    [layer] = Design.from_dict({"name": "x", "macro": {"rows": 12, "columns": 32}, "layer": [entry]}, "f").layers
    assert layer.tile_shifts == (2, 2, 0)


@pytest.mark.parametrize("preset", presets())
def test_a_macro_that_holds_all_layers_changes_nothing(preset):
    content = Design.load(preset).to_dict()
    assert Design.from_dict(content | {"macro": {"rows": 601, "columns": 1200}}) == Design.load(preset)


def test_designs_without_tiles_are_written_as_before():
    assert not any("tile" in key for preset in presets() for key in str(Design.load(preset).to_dict()).split("'"))


SENTENCES = [
    (lambda: design(lstm(tile_rows=-1)), "layer 0: tile rows must be an integer from 0 to 65536, not -1"),
    (lambda: design(lstm(tile_columns=True)), "layer 0: tile columns must be an integer from 0 to 65536, not True"),
    (lambda: design(lstm(), dense(tile_columns=3)),
     "layer 1: tile columns must be a multiple of the 2 columns behind an ADC, not 3"),
    (lambda: design(lstm(inputs=100, tile_rows=6)),
     "layer 0: tile rows must be at least 7, so that 109 rows are at most 16 tiles, not 6"),
    (lambda: design(lstm(diagnostics=True, tile_rows=6)),
     "layer 0: diagnostics need a layer whose rows are in one tile, as they read single columns, not in 2"),
    (lambda: design(lstm(tile_rows=3, input_tile_shift=5)),
     "layer 0: input tile shift must be an integer from 0 to 4, not 5"),
    (lambda: design(lstm(input_tile_shift=1)),
     "layer 0: an input tile shift of 1 needs row tiles with inputs and row tiles without, not 1 and 0"),
    (lambda: design(lstm(inputs=60, tile_rows=23, input_tile_shift=1)),
     "layer 0: an input tile shift of 1 needs row tiles with inputs and row tiles without, not 3 and 0"),
    (lambda: noisy_codes(IntegerNoise(adc=9), 0, lstm(tile_rows=6), None, None, None),
     "noise in integers needs the rows of ohmgate_array_3p8b1x32_k8_d4w4n4g4_r2c1 in one tile, not in 2"),
    (lambda: Design.from_dict({"macro": 3, "layer": []}, "f"),
     "f: macro must be a table of rows and columns, not 3"),
    (lambda: Design.from_dict({"macro": {"rows": 3}, "layer": []}, "f"),
     "f: macro must be a table of rows and columns, not {'rows': 3}"),
    (lambda: Design.from_dict({"macro": {"rows": 0, "columns": 3}, "layer": []}, "f"),
     "f: macro rows must be an integer from 1 to 65536, not 0"),
    (lambda: Design.from_dict({"name": "x", "macro": {"rows": 9, "columns": 3}, "layer": [
        {"kind": "dense", "inputs": 2, "outputs": 8, "adcs": 2}]}, "f"),
     "f: layer 0: a macro must have at least the 4 columns behind an ADC, not 3"),
]  # fmt: skip


@pytest.mark.parametrize("make, sentence", SENTENCES, ids=[s for _, s in SENTENCES])
def test_a_broken_rule_is_one_sentence(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence


def test_a_difference_names_its_tile():
    layer = lstm(tile_rows=6)
    expected = np.zeros((1, layer.all_codes), dtype=np.int64)
    got = expected.copy()
    got[0, 32 + 9] = 1
    found = compare([Check(0, layer, "ADC code", np.array([[2, 5]]), expected, got)])
    assert str(found.first) == (
        "layer 0, sequence 2, step 5, unit 41 (row tile 1, gate i of hidden unit 1), ADC code: expected 0, got 1"
    )


def test_a_difference_of_a_dense_layer_names_its_tile():
    layer = DenseLayer(inputs=5, outputs=4, adcs=2, tile_rows=3)
    expected = np.zeros((1, layer.all_codes), dtype=np.int64)
    found = compare([Check(0, layer, "ADC code", np.array([[2, 5]]), expected, expected + (np.arange(8) == 6))])
    assert str(found.first) == (
        "layer 0, sequence 2, step 5, unit 6 (row tile 1, output 2), ADC code: expected 0, got 1"
    )

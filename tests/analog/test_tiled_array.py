"""Arrays of several tiles: noiseless they are the reference; noise, wires and programming are each tile's own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.converters import AdcErrors
from ohmgate.analog.fast import make_reader
from ohmgate.analog.fast_network import FastNetwork, why_not_network
from ohmgate.analog.inference import build_arrays, classify, convert_through
from ohmgate.analog.tiled_array import TiledArray, make_array
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import code_order, row_drive
from tests.designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network, seeds

LSTM = LstmLayer(inputs=5, hidden=6, adcs=8, tile_rows=4)  # 12 rows: three tiles
WIDE = DenseLayer(inputs=20, outputs=400, adcs=40, adc_bits=16, bias_rows=0, tile_rows=10)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_whole_networks_give_the_references_integers(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(perhaps_simple(random_design(rng), rng), rng), rng)
    codes, lengths = random_inputs(network.design, rng)
    expected = reference.run(network, codes, lengths)
    actual = reference.run(network, codes, lengths, convert_through(build_arrays(network)))
    for a, b in zip(actual.layers, expected.layers):
        assert np.array_equal(a.adc, b.adc)
        assert np.array_equal(a.out, b.out)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_fast_networks_in_tiles_are_the_references(seed):
    rng = np.random.default_rng(seed)
    body = random_design(rng, layers=2, max_bits=6, tanh_bits=int(rng.integers(1, 9))).layers[:1]
    head = DenseLayer(inputs=body[0].outputs, outputs=5, adcs=5, dac_bits=body[0].output_bits, output="codes")
    inner = (
        replace(body[0], output="codes") if body[0].kind == "lstm" else replace(body[0], output="table", emit="step")
    )
    head = replace(head, dac_bits=inner.output_bits)
    network = random_network(perhaps_tiled(perhaps_simple(Design("random", (inner, head)), rng), rng), rng)
    arrays = build_arrays(network)
    codes, lengths = random_inputs(network.design, rng, batch=40, steps=6)
    assume(why_not_network(network, arrays) == "")  # a shift may make tables too large
    fast = FastNetwork(network, arrays)
    assert np.array_equal(fast.classify(codes, lengths), classify(network, codes, lengths, arrays))
    expected = reference.run(network, codes, lengths).out
    live = np.arange(6) < lengths[:, None]
    assert np.array_equal(fast.forecast(codes, lengths)[live], expected[live])
    drive = rng.integers(-1, 2, (30, head.rows))
    read = make_reader(arrays[1]).read(drive)
    assert np.array_equal(read, arrays[1].convert_all(drive)[:, code_order(network.design.layers[1])])


def test_a_cell_is_programmed_in_its_tile():
    rng = np.random.default_rng(0)
    levels, config = rng.integers(-7, 8, (12, 24)), ArrayConfig(weight_noise=0.1)
    whole, single = TiledArray(LSTM, config, 3), TiledArray(LSTM, config, 3)
    whole.program(levels)
    for row, column in np.ndindex(12, 24):
        single.program_cell(row, column, int(levels[row, column]))
    assert np.array_equal(whole.levels, levels)
    assert np.array_equal(whole.effective(), single.effective())
    assert (whole.writes == 1).all()
    for gate in range(4):
        whole.set_gain(gate, 255, 0)
    drive = np.zeros(12, np.int64)
    drive[7] = 7  # in the second tile: the other tiles' converters see nothing
    codes = whole.convert_all(drive).reshape(3, 24)
    assert set(codes[1].tolist()) <= {-8, 7}
    assert not codes[[0, 2]].any()


def test_noise_is_each_tiles_own():
    """Converter noise of 3 LSB and two tiles: errors of the tiles' codes are independent."""
    made = TiledArray(WIDE, ArrayConfig(adc_noise="physical", adc_sigma=3.0), 1)
    made.program(np.zeros((20, 400), np.int64))
    made.set_gain(0, 1, 0)
    codes = made.convert_all(np.zeros((200, 20), np.int64)).reshape(200, 2, 400) + 0.5
    first, second = codes[:, 0].ravel(), codes[:, 1].ravel()
    assert first.std() == pytest.approx(np.sqrt(9 + 1 / 12), rel=0.01)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert codes.sum(1).std() == pytest.approx(np.sqrt(2 * (9 + 1 / 12)), rel=0.01)


def test_converters_of_tiles_err_each_for_itself():
    made = TiledArray(WIDE, ArrayConfig(adc=AdcErrors(offset_sigma=5.0)), 1)
    offsets = np.array([tile.adcs.offset for tile in made.tiles])
    assert offsets.shape == (2, 40)
    assert abs(np.corrcoef(offsets)[0, 1]) < 0.5
    made.set_gain(0, 1, 0)
    made.program(np.zeros((20, 400), np.int64))
    codes = made.convert_all(np.zeros((1, 20), np.int64)).reshape(2, 40, 10)
    assert np.array_equal(codes, np.broadcast_to(np.floor(offsets)[..., None], codes.shape))


def test_fast_noise_has_the_law_of_exact_noise():
    config = ArrayConfig(weight_noise=0.1, redraw="per_step", adc_noise="paper")
    made = make_array(WIDE, config, 5)
    made.program(np.random.default_rng(2).integers(-7, 8, (20, 400)))
    made.set_gain(0, 1, 2)
    drive = np.tile(np.random.default_rng(3).integers(-7, 8, 20), (500, 1))
    order = code_order(WIDE)
    fast, slow = make_reader(made, seed=1).read(drive), made.convert_all(drive)[:, order]
    assert np.abs(fast.mean(0) - slow.mean(0)).mean() < 0.4  # LSB, of deviations of about 6
    assert fast.std(0).mean() == pytest.approx(slow.std(0).mean(), rel=0.01)


def test_wires_are_as_long_as_their_tile():
    """Against node voltages of each tile of 6 x 8 alone, one driven row at a time."""
    layer = DenseLayer(inputs=12, outputs=16, adcs=4, bias_rows=0, tile_rows=6, tile_columns=8)
    wires = WireConfig(row_segment=200.0, column_segment=100.0, driver=50.0)
    cells = replace(preset("paper_cells").cells, wires=wires)
    made = TiledArray(layer, ArrayConfig(cells=cells), 0)
    levels = np.random.default_rng(4).integers(-7, 8, (12, 16))
    made.program(levels)
    for tile, rows in zip(made.tiles, (slice(0, 6), slice(6, 12))):
        mapping, sensed = tile.cell_array.mapping, np.zeros((2, 6, 16))
        for plane, siemens in enumerate(tile.conductances):
            for columns in (slice(0, 8), slice(8, 16)):
                for row in range(6):
                    volts = np.eye(6)[row]
                    sensed[plane, row, columns] = ir_drop(siemens[:, columns], wires, volts).column_current
        assert tile.effective() == pytest.approx(mapping.weigh(sensed), abs=1e-6)
        assert np.abs(tile.effective() - levels[rows]).max() > 0.05, "the wires do take something"
    whole = Array(replace(layer, tile_rows=0, tile_columns=0), ArrayConfig(cells=cells), 0)
    whole.program(levels)
    error = np.abs(whole.effective() - levels).max()
    assert np.abs(made.effective() - levels).max() < 0.6 * error


def test_rows_are_driven_in_tiles_as_in_one_array():
    """Inputs driven harder, of more bits than the hidden units, in a tile of both kinds and in one without inputs."""
    layer = LstmLayer(inputs=5, hidden=6, adcs=8, tile_rows=4, input_drive=3, input_dac_bits=6, adc_bits=16)
    made, rng = TiledArray(layer), np.random.default_rng(0)
    levels = rng.integers(-7, 8, (12, 24))
    made.program(levels)
    for gate in range(4):
        made.set_gain(gate, 1, 0)
    drive = rng.integers(-7, 8, (3, 12))
    sums = (drive * row_drive(layer))[:, :, None] * levels
    expected = np.concatenate([sums[:, tile].sum(1) for tile in (slice(0, 4), slice(4, 8), slice(8, 12))], axis=1)
    assert np.array_equal(made.convert_all(drive), expected)


def sheet(row_tile=0, **changes):
    from ohmgate.analog.studies.datasheet import characterise

    layer = replace(LSTM, **changes)
    return characterise(Design("tiles", (layer,)), None, 0, preset("paper_cells"), row_tile=row_tile)


SENTENCES = [
    (lambda: Array(LSTM), "an array holds one row tile, but ohmgate_array_5p6b1x24_k8_d4w4n4g4_r3c1 has 3 of them"),
    (lambda: sheet(row_tile=3), "row tile must be an integer from 0 to 2, not 3"),
    (lambda: sheet(tile_columns=12),
     "the sheet of an array is of columns that share their rows' wires, and those of layer 0 are in 2 tiles"),
    (lambda: TiledArray(LSTM).cell_array,
     "the cells of ohmgate_array_5p6b1x24_k8_d4w4n4g4_r3c1 are those of 3 row tiles, each to be looked at by itself "
     "(ohmgate array --row-tile)"),
    (lambda: TiledArray(LSTM).convert_step(np.zeros(12, int), 0),
     "ohmgate_array_5p6b1x24_k8_d4w4n4g4_r3c1 has row tiles, and so no diagnostics that read single columns"),
    (lambda: TiledArray(LSTM).adjust(0, 0, 1), "trims and spare columns need a layer with diagnostics = true"),
    (lambda: TiledArray(LSTM).program(np.zeros((2, 2), int)),
     "levels must be integers of shape (12, 24), not int64 of (2, 2)"),
    (lambda: TiledArray(LSTM).program_cell(12, 0, 1), "row must be an integer from 0 to 11, not 12"),
    (lambda: Array(replace(LSTM, tile_rows=0, tile_columns=12),
                   ArrayConfig(cells=replace(preset("paper_cells").cells, scheme="offset"))),
     "cells of ohmgate_array_5p6b1x24_k8_d4w4n4g4_r1c2, whose columns are in 2 tiles, must be in the scheme pair, as "
     "each tile would need a reference column, not offset"),
]  # fmt: skip


@pytest.mark.parametrize("act, sentence", SENTENCES, ids=range(len(SENTENCES)))
def test_what_tiles_cannot_do_is_one_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

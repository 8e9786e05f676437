"""What wires would take that a configuration leaves out."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.wires import WireConfig, column_loss, effective_matrix
from ohmgate.analog.config import preset
from ohmgate.analog.studies.fit import one_ohm_loss, wires_left_out
from ohmgate.model.design import Design
from ohmgate.model.formats import symmetric_codes
from tests.designs import random_network

VOWELS = random_network(Design.load("vowels"), np.random.default_rng(1))


def test_binary_cells_of_mram_lose_a_third_in_a_small_array():
    """38 % at 45 x 128, as an independent solver found: cells of 50 uS, but for 100 uS in one of four."""
    layer = VOWELS.design.layers[0]
    levels = np.random.default_rng(0).choice(symmetric_codes(4), (layer.rows, layer.columns))
    assert one_ohm_loss(layer, preset("mram"), levels) == pytest.approx(0.38, abs=0.005)
    mean = (50e-6 * 11 + 100e-6 * 4) / 15  # a binary digit of |w| is 1 in 4 of 15 codes, for either sign
    plane = np.full((45, 128), mean)
    expected = column_loss(plane, effective_matrix(plane, WireConfig(row_segment=1.0, column_segment=1.0))).max()
    assert one_ohm_loss(layer, preset("mram"), levels) == pytest.approx(expected, rel=0.02)


@pytest.mark.slow
def test_and_nearly_all_in_the_papers():
    layer = Design.load("names").layers[0]
    assert one_ohm_loss(layer, preset("mram"), np.zeros((layer.rows, layer.columns), dtype=int)) > 0.985


def test_the_sentence_names_the_layer_that_loses_most():
    assert wires_left_out(VOWELS, preset("mram")) == (
        "the array of mram cells has no wires; 1 ohm a segment would take 38% of a column's current in layer 0, 45 x 128"
    )
    assert "1 ohm a segment would take 9% of" in wires_left_out(VOWELS, preset("reram"))


def test_a_tile_has_wires_of_its_own():
    """Of 23 x 64 of the array's 45 x 128: what an array of that size would lose."""
    layer = VOWELS.design.layers[0]
    cut = replace(layer, tile_rows=23, tile_columns=64)
    design = replace(VOWELS.design, layers=(cut, *VOWELS.design.layers[1:]))
    network = random_network(design, np.random.default_rng(1))
    said = wires_left_out(network, preset("mram"))
    assert said.endswith("of a column's current in layer 0, 23 x 64")
    plane = np.full((23, 64), (50e-6 * 11 + 100e-6 * 4) / 15)
    expected = column_loss(plane, effective_matrix(plane, WireConfig(row_segment=1.0, column_segment=1.0))).max()
    assert float(re.search("take ([0-9]+)%", said)[1]) == pytest.approx(100 * expected, abs=1.5)


def test_nothing_is_said_where_nothing_is_left_out():
    mram = preset("mram")
    wired = replace(mram, cells=replace(mram.cells, wires=WireConfig(row_segment=0.1)))
    tiled = replace(mram, cells=replace(mram.cells, wires=WireConfig(), tile=8))
    for config in (preset("ideal"), preset("paper"), preset("paper_cells"), preset("nor_flash"), wired, tiled):
        assert wires_left_out(VOWELS, config) == ""

"""Cells, switches, sample and hold, the digital part, programming: each worked out by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ohmgate.analog.circuit.power import read_power
from ohmgate.analog.circuit.selection import floating_power, selections
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.cost.components import (
    array_row,
    conducting,
    hold_row,
    mean_square,
    programming_row,
    switch_row,
)
from ohmgate.cost.converters import adc_row, dac_row
from ohmgate.cost.digital import Operations, digital_row, operations
from ohmgate.model.formats import symmetric_codes
from ohmgate.model.layers import DenseLayer, LstmLayer

NAMES = LstmLayer(inputs=100, hidden=256, adcs=64)


@pytest.mark.parametrize("bits", range(1, 9))
def test_mean_square_of_all_codes(bits):
    codes = symmetric_codes(bits)
    assert mean_square(bits) == pytest.approx(np.mean((codes / codes.max()) ** 2))


def test_the_array_of_names():
    row = array_row(0, NAMES, 100)
    assert row.energy.high == pytest.approx(357 * 2048 * 0.1)  # 1 uW for 100 ns each
    assert row.energy.value == pytest.approx((356 * 8 / 21 + 1) * 2048 * 0.1)
    assert row.energy.low == pytest.approx(731_136 * 0.0018311)
    assert row.area.value == row.area.high == pytest.approx(731_136 * 0.16)
    assert row.area.low == pytest.approx(731_136 * 0.001526)
    assert row.note == ""


def test_inputs_driven_harder_take_the_square():
    layer = LstmLayer(inputs=10, hidden=4, adcs=16, bias_rows=0, input_drive=3, dac_bits=1, weight_bits=6)
    row = array_row(0, layer, 10)
    assert row.energy.value == row.energy.high == pytest.approx((90 + 4) * 32 * 0.01)
    assert row.note == "a cell has shown 5 bits at most"


@pytest.mark.parametrize("unselected", ["grounded", "floating", "cut_off"])
def test_what_waiting_columns_take_is_what_the_array_model_solves(unselected):
    """Every input of a small array of cells of 1 S, each conversion solved: mean, and what its ends are."""
    layer = LstmLayer(inputs=2, hidden=4, adcs=4, dac_bits=2, input_drive=3, bias_rows=1)
    cells, powers = np.ones((layer.rows, layer.columns)), {}
    for codes in product((-1, 0, 1), repeat=6):
        volts = np.array([*codes, 1]) * [3, 3, 1, 1, 1, 1, 1]
        masks = list(selections(layer.columns, layer.conversions))
        if unselected == "grounded":
            masks = [np.ones(layer.columns, dtype=bool)] * layer.conversions
        solved = [read_power(cells * mask, WireConfig(), volts) for mask in masks]
        if unselected == "floating":
            solved = [own + floating_power(cells[:, ~mask], volts) for own, mask in zip(solved, masks)]
        powers[codes] = np.mean(solved) / layer.columns
    value, low, high = conducting(layer, unselected)
    assert value == pytest.approx(np.mean(list(powers.values())), rel=1e-12)
    assert max(powers.values()) <= high * (1 + 1e-12)
    assert max(powers.values()) >= high * (0.95 if unselected == "floating" else 1 - 1e-12)
    assert low == layer.rows if unselected == "grounded" else low == layer.rows / 4


def test_the_papers_array_takes_a_sixteenth_where_waiting_columns_do_not_conduct():
    """0.364 W with all 1,024 columns at ground, 0.023 W with 64; rows of one voltage leave floating ones nothing."""
    cells, volts = np.full((356, 1024), 1e-6), np.ones(356)
    mask = next(selections(1024, 16))
    own = read_power(cells * mask, WireConfig(), volts)
    assert own == pytest.approx(0.022784, rel=1e-12)
    assert floating_power(cells[:, ~mask], volts) == pytest.approx(0, abs=1e-12)
    grounded, cut = (array_row(0, NAMES, 100, each).energy for each in ("grounded", "cut_off"))
    assert (cut.value, cut.low, cut.high) == pytest.approx(
        [x / 16 for x in (grounded.value, grounded.low, grounded.high)]
    )
    floating = array_row(0, NAMES, 100, "floating").energy
    rows = 356 * 8 / 21 + 1
    assert floating.value == pytest.approx((rows - 15 / 16 * (356 * 8 / 21 + 1) / 357) * 2048 * 0.1)
    assert (floating.low, floating.high) == (cut.low, grounded.high)
    assert floating.formula.endswith("100 ns, waiting columns floating")


def test_switches_and_holds_of_names():
    switch, hold = switch_row(0, NAMES), hold_row(0, NAMES)
    assert (switch.energy.value, switch.area.value) == pytest.approx((4096 * 0.0116, 2048 * 9.31))
    assert (switch.energy.low, switch.energy.high) == pytest.approx((4096 * 0.00116, 4096 * 0.0348))
    assert switch.energy.origin == switch.area.origin == "estimate"
    assert (hold.energy.value, hold.energy.high) == pytest.approx((2048 * 0.000977, 2048 * 0.01))
    assert (hold.area.value, hold.area.high) == pytest.approx((128 * 0.0391, 128 * 5))


def test_operations_of_an_lstm_layer():
    state = 100 * 4 + 256 * (32 + 4)  # of a context: inputs, cell states, hidden codes
    assert operations(NAMES, 4).kept == operations(NAMES).kept + 3 * state
    found = operations(NAMES)
    assert found == Operations(
        products=256 * (32 * 8 + 2 * 64),
        sums=256 * 32,
        moved=256 * (64 + 40 + 4),
        lane_products=16 * (32 * 8 + 2 * 64),
        lane_sums=16 * 32,
        kept=400 + 4 * 16 * 8 + 256 * (32 + 8) + 256 * 8,
    )
    constant = operations(LstmLayer(**(vars(NAMES) | {"tables": "constant"})))
    assert found.kept - constant.kept == 512


def test_operations_of_dense_layers():
    argmax = DenseLayer(inputs=32, outputs=9, adcs=9, adc_bits=8, output="argmax")
    assert operations(argmax) == Operations(0, 72, 0, 0, 72, 32 * 4 + 4)
    votes = DenseLayer(inputs=32, outputs=9, adcs=3, adc_bits=8, output="argmax", emit="end", votes=5)
    kept = 2 * (32 * 4 + 4 + 9 * 11)  # sums of 11 bits
    assert operations(votes, contexts=2) == Operations(0, 9 * 22, 0, 0, 3 * 22, kept)
    codes = DenseLayer(inputs=256, outputs=100, adcs=20, adc_bits=8, output="codes")
    assert operations(codes) == Operations(0, 0, 800, 0, 0, 1024 + 800)
    table = DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=5)
    assert operations(table) == Operations(0, 0, 15, 0, 0, 8 + 16 * 5 + 15)


def test_the_digital_part_of_names():
    row = digital_row(0, NAMES)
    assert row.energy.value == pytest.approx(98304 * 0.2 / 64 + 8192 * 0.1 / 32 + 27648 * 5 / 32)
    assert row.energy.low == pytest.approx(98304 * 0.2 / 64 + 8192 * 0.1 / 32)
    assert row.energy.high == pytest.approx(3 * (98304 * 12.7 / 1024 + 8192 * 0.21 / 32 + 27648 * 5 / 32))
    area = 6144 * 6350 / 1024 + 512 * 278 / 32 + 13200 * 5.98
    assert (row.area.value, row.area.high) == pytest.approx((area, 2 * area))
    assert row.energy.formula == "98304 bit products x 3.13 fJ + 8192 bit sums x 3.13 fJ + 27648 bits x 156 fJ"


def test_a_formula_leaves_out_what_is_not_there():
    row = digital_row(0, DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=5))
    assert row.energy.formula == "15 bits x 156 fJ"
    assert row.area.formula == "103 bits x 5.98 um2"


def test_programming_is_a_number_of_pulses_for_every_cell():
    row = programming_row(0, NAMES)
    assert (row.energy.value, row.energy.low, row.energy.high) == pytest.approx((2_924_544, 292_454.4, 29_245_440))
    assert row.area.value == 0


def test_tiles_have_converters_and_drivers_of_their_own():
    """Names in tiles of 60 x 256: six of rows, four of columns; the cells are as many as before."""
    whole, tiles = NAMES, replace(NAMES, tile_rows=64, tile_columns=256)
    assert array_row(0, tiles, 100) == array_row(0, whole, 100)
    assert programming_row(0, tiles).energy.value == programming_row(0, whole).energy.value
    for row, times in ((switch_row, 6), (hold_row, 6), (lambda k, x: adc_row(k, x, 100), 6), (dac_row, 4)):
        for figure in ("energy", "area"):
            one, many = (getattr(row(0, layer), figure).value for layer in (whole, tiles))
            assert many == pytest.approx(times * one)
    assert adc_row(0, tiles, 100).area.formula.startswith("384 x (81.73")
    own, before = operations(tiles), operations(whole)
    assert own.sums - before.sums == 5 * 7 * 1024, "five additions of seven bits for each column"
    assert own.lane_sums - before.lane_sums == 5 * 7 * 64
    assert own.kept - before.kept == 4 * (91 - 16) * 8, "of a table's entries: 6 x 16 - 5 in place of 16"

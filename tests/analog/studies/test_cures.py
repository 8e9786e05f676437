"""Wires and their cures on one programmed array, and the study around it."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.tiles import tiled_matrix
from ohmgate.analog.circuit.wires import WireConfig, effective_matrix
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import mram, nor_flash, paper
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.studies.budget import random_drives
from ohmgate.analog.studies.cures import outcomes, sensed_matrix
from ohmgate.analog.studies.datasheet import characterise
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer

LAYER = DenseLayer(inputs=29, outputs=40, adcs=8)
WIRES = WireConfig(row_segment=50.0, column_segment=50.0)


def programmed(layer=LAYER, **cells) -> Array:
    array = Array(layer, ArrayConfig(cells=Cells(**{"device": paper()} | cells)), 1)
    array.program(np.random.default_rng(0).integers(-7, 8, (layer.rows, layer.columns)))
    return array


def test_without_wires_every_outcome_is_the_weights():
    array = programmed()
    for outcome in outcomes(array, WireConfig()):
        assert np.allclose(outcome.weights / outcome.factor, array.levels, atol=1e-9)
        assert (outcome.loss, outcome.error) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("device, scheme", [(paper(), "pair"), (nor_flash(), "offset")])
def test_a_layer_without_weights_has_no_factor_and_no_error(device, scheme):
    """Rounding leaves 1e-16 of a weight in some, exactly 0 in others."""
    array = programmed(device=device, scheme=scheme)
    array.program(np.zeros_like(array.levels))
    for outcome in outcomes(array, WIRES):
        assert np.abs(outcome.wanted).max() < 1e-12
        assert (outcome.factor, outcome.error) == (1, 0)
        assert 0 < outcome.loss < 0.2


def test_each_cure_helps():
    array = programmed()
    bare, ends, tiles, compensated = outcomes(array, WIRES, tile=16)
    names = ["no cure", "drivers at both ends", "tiles of 16 x 16", "weights compensated"]
    assert [o.name for o in (bare, ends, tiles, compensated)] == names
    planes = [
        effective_matrix(plane, WIRES)
        for plane in array.cell_array.mapping.conductances(array.cell_array.plan(array.levels).digits)
    ]
    assert np.allclose(bare.weights, (planes[0] - planes[1]) / array.cell_array.mapping.unit, rtol=1e-12)
    assert bare.loss > 0.02
    assert ends.loss < 0.7 * bare.loss
    assert tiles.loss < 0.7 * bare.loss
    assert ends.error < 0.7 * bare.error
    assert tiles.error < 0.7 * bare.error
    assert compensated.error < 1e-4 < bare.error / 50


def test_the_loss_and_the_reading_error_are_the_worst_and_the_mean_square():
    """Loss: of all planes and columns the largest. Error: of readings, the best common factor undone but without a cure."""
    sheet = characterise(Design("one", (LAYER,)), None, 0, preset("paper_wires"), seed=2)
    array, wires = sheet.array, sheet.wires
    planes = array.cell_array.mapping.conductances(array.cell_array.place(array.levels).digits)
    sensed = [effective_matrix(plane, wires) for plane in planes]
    losses = [1 - seen.sum(axis=0) / plane.sum(axis=0) for seen, plane in zip(sensed, planes)]
    bare, ends, *_ = sheet.cures
    assert bare.loss == pytest.approx(np.max(losses))
    assert np.max(losses[0]) != pytest.approx(np.max(losses[1]), rel=1e-6)
    drives = random_drives(LAYER, 500, np.random.default_rng(2))
    for cure, factor in ((bare, 1.0), (ends, ends.factor)):
        error = (drives @ (cure.weights / factor - cure.wanted)) * array.scale
        assert sheet.reading_error(cure) == pytest.approx(np.sqrt((error**2).mean()))
    assert ends.factor < 1


def test_a_study_follows_its_seed():
    design = Design("one", (LAYER,))
    same, again, other = (characterise(design, None, 0, preset("reram"), seed) for seed in (3, 3, 4))
    for get in (lambda s: s.array.levels, lambda s: s.conductances, lambda s: s.drive("random")):
        assert np.array_equal(get(same), get(again))
        assert not np.array_equal(get(same), get(other))
    assert same.budget == again.budget != other.budget
    stuck = replace(preset("reram"), cells=replace(preset("reram").cells, stuck_on=0.2))
    chips = [characterise(design, None, 0, stuck, seed).array.cell_array.stuck for seed in (3, 4)]
    assert not np.array_equal(*chips), "the chip too, not the weights alone"


def test_inputs_that_do_not_fit_are_refused():
    sheet = characterise(
        Design("one", (LAYER, replace(LAYER, inputs=40, output="codes"))), None, 1, preset("paper_cells")
    )
    assert sheet.layer.inputs == 40
    for codes, sentence in (
        (np.zeros(40), "an input must have 41 DAC codes, one a row, not shape (40,)"),
        (np.full(41, 8), "DAC codes must be from -7 to 7, not 8"),
        (np.full(41, -8), "DAC codes must be from -7 to 7, not -8"),
    ):
        with pytest.raises(DesignError) as error:
            sheet.volts(codes)
        assert str(error.value) == sentence
    with pytest.raises(DesignError, match="^layer must be an integer from 0 to 0, not 1$"):
        characterise(Design("one", (LAYER,)), None, 1, preset("paper_cells"))


def test_cells_that_cannot_be_compensated_are_not():
    assert len(outcomes(programmed(device=mram()), WIRES)) == 3
    assert len(outcomes(programmed(scheme="offset"), WIRES)) == 3


def test_an_array_of_tiles_is_read_through_their_wires():
    array = programmed(wires=WIRES, tile=16)
    planes = [tiled_matrix(plane, WIRES, 16, 16) for plane in array.conductances]
    assert np.allclose(array.effective(), (planes[0] - planes[1]) / array.cell_array.mapping.unit, rtol=0, atol=1e-9)
    worst = [np.abs(made.effective() - made.levels).max() for made in (array, programmed(wires=WIRES))]
    assert worst[0] < 0.7 * worst[1]
    assert np.array_equal(programmed(wires=WIRES, tile=40).effective(), programmed(wires=WIRES).effective())


@pytest.mark.parametrize("tile", [0, 16])
def test_a_compensated_array_holds_its_weights_behind_wires(tile):
    """... as far as cells can be programmed: an error of programming weighs more by what the cure costs."""
    array, bare = programmed(wires=WIRES, tile=tile, compensate=True), programmed(wires=WIRES, tile=tile)
    assert np.abs(array.effective() - array.levels).max() < 1e-3
    assert np.abs(bare.effective() - bare.levels).max() > 0.05
    gain = array.cell_array.plan(array.levels).gain
    assert (gain == gain[0]).all()
    assert 1.005 < gain[0] < 1.2
    assert np.abs(array.conductances).max() <= paper().g_max * (1 + 1e-12)
    noise = [made.fresh_variance()[2].mean() for made in (array, bare)]
    assert noise[0] > noise[1]


def test_compensation_and_cures_start_from_the_same_weights():
    array = programmed(wires=WIRES, compensate=True)
    for one, other in zip(outcomes(array, WIRES), outcomes(programmed(), WIRES)):
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: Cells(device=paper(), tile=-1), "rows and columns of a tile must be an integer from 0 to 65536, not -1"),
        (lambda: Cells(device=paper(), compensate=1), "compensation of wires must be true or false, not 1"),
        (lambda: Cells(device=paper(), tile=8), "tiles and compensation of wires need cells with wires"),
        (lambda: Cells(device=paper(), compensate=True), "tiles and compensation of wires need cells with wires"),
        (lambda: programmed(device=mram(), wires=WIRES, compensate=True),
         "compensation of wires needs pairs of one cell a polarity that never turn off and have more than 2 levels, "
         "not 3 of 2 levels from 5e-05 S by 'pair'"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence


def test_large_arrays_are_solved_to_the_stated_error():
    conductance = np.random.default_rng(1).uniform(0, 2e-6, (150, 250))
    wires = WireConfig(row_segment=1.0, column_segment=1.0)
    error = np.abs(sensed_matrix(conductance, wires) - effective_matrix(conductance, wires)).max()
    assert 0 < error < 1e-4 * conductance.max()


def test_a_study_sees_the_array_that_is_read():
    design = Design("one", (LAYER,))
    sheet = characterise(design, None, 0, preset("paper_wires"), seed=2)
    array = sheet.array
    sensed = array.cell_array.mapping.weigh(sheet.effective)
    assert np.allclose(sensed, array.effective(), atol=1e-9)
    plain = sheet.conductances.sum(axis=1)
    assert np.allclose(sheet.losses, 1 - sheet.effective.sum(axis=1) / plain)
    bare, *cured = sheet.cures
    errors = [sheet.reading_error(cure) for cure in cured]
    assert all(error < sheet.reading_error(bare) / 2 for error in errors)
    assert sheet.volts(sheet.drive("full")).tolist() == [1.0] * LAYER.rows


@pytest.mark.parametrize("repair", [Repair(), Repair(spares=4), None])
def test_what_stuck_cells_do_is_no_error_of_the_wires(repair):
    """Not where weights are placed around them and a few cannot be held, nor where the plan knows nothing of them."""
    config = ArrayConfig(cells=Cells(device=paper(), wires=WireConfig(), stuck_on=0.1, stuck_off=0.1, repair=repair))
    sheet = characterise(Design("one", (LAYER,)), None, 0, config, seed=2)
    lacking = np.abs(sheet.cures[0].weights - sheet.array.levels).max()
    assert (lacking > 1) == (repair is not None)
    assert [sheet.reading_error(cure) for cure in sheet.cures] == pytest.approx([0] * 4, abs=1e-9)
    behind = replace(config, cells=replace(config.cells, wires=WIRES))
    assert sheet.cures[0].error < 1e-9 < characterise(Design("one", (LAYER,)), None, 0, behind, 2).cures[0].error


def test_a_study_knows_which_rows_are_driven_harder():
    """Inputs get the read voltage, the other rows a share of it, and the budget and the cures see one array."""
    layer = LstmLayer(inputs=30, hidden=32, adcs=16, bias_rows=2, input_drive=8)
    sheet = characterise(Design("one", (layer,)), None, 0, preset("paper_wires"), seed=2)
    assert sheet.volts(sheet.drive("full")) == pytest.approx([1.0] * 30 + [0.125] * 34)
    wires = next(share for share in sheet.budget.shares if share.source == "wires")
    assert sheet.reading_error(sheet.cures[0]) == pytest.approx(wires.lsb, rel=0.2)
    drives = np.random.default_rng(0).integers(-7, 8, (2000, layer.rows))
    level = Array(layer).analog(drives)
    assert not level.any()  # nothing is programmed yet
    ideal = Array(layer)
    ideal.program(sheet.array.levels)
    ideal.scale[:] = sheet.array.scale
    assert 8 / 6 < ideal.analog(drives).std() <= 8 / 3 * 1.1  # three deviations just fit


def test_a_study_knows_the_codes_of_inputs_with_dacs_of_their_own():
    layer = LstmLayer(inputs=30, hidden=32, adcs=16, bias_rows=2, input_dac_bits=8)
    sheet = characterise(Design("one", (layer,)), None, 0, preset("paper_wires"), seed=2)
    assert sheet.volts(sheet.drive("full")) == pytest.approx([1.0] * 30 + [112 / 127] * 34)
    wires = next(share for share in sheet.budget.shares if share.source == "wires")
    assert sheet.reading_error(sheet.cures[0]) == pytest.approx(wires.lsb, rel=0.2)
    with pytest.raises(DesignError, match="^DAC codes must be from -7 to 7, not 8$"):
        sheet.volts(np.full(64, 8))
    rng, top = np.random.default_rng(0), np.repeat([127, 7], [30, 34])
    ideal = Array(layer)
    ideal.program(sheet.array.levels)
    ideal.scale[:] = sheet.array.scale
    assert 8 / 6 < ideal.analog(rng.integers(-top, top, (2000, 64), endpoint=True)).std() <= 8 / 3 * 1.1
    drives = random_drives(layer, 500, rng)
    assert np.abs(drives[:, :30]).max() == 127
    assert np.abs(drives[:, 30:62]).max() == 7
    assert (drives[:, 62:] == 7).all()


def test_random_inputs_are_ones_that_a_chip_can_have():
    """Its bias rows are at full scale whatever the input."""
    layer = LstmLayer(inputs=30, hidden=32, adcs=16, bias_rows=2)
    sheet = characterise(Design("one", (layer,)), None, 0, preset("paper_cells"), seed=2)
    drive = sheet.drive("random")
    assert drive[-2:].tolist() == [7, 7]
    assert set(drive[:-2].tolist()) == set(range(-7, 8))


def test_planes_have_names():
    design = Design("one", (LAYER,))
    assert len(characterise(design, None, 0, preset("paper_cells")).plane_names()) == 2
    assert (
        characterise(design, None, 0, preset("mram")).plane_names()[3]
        == "the negative cell of each pair, digit 1 of base 2"
    )
    flash = characterise(design, None, 0, preset("nor_flash"))
    assert len(flash.plane_names()) == len(flash.conductances) == 4


def test_ideal_weights_have_no_cells_to_look_at():
    with pytest.raises(DesignError, match="^the array must have cells, not ideal weights$"):
        characterise(Design("one", (LAYER,)), None, 0, preset("paper"))

"""Designs that are made to fit a board."""

from dataclasses import replace

import pytest

from ohmgate.boards.catalogue import BOARDS
from ohmgate.boards.fit import fit, step_cycles
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer


@pytest.mark.parametrize(
    "name, key, adcs, rows",
    [
        ("vowels", "icebreaker", (4, 1), (4, 1)),
        ("vowels", "ulx3s-25f", (16, 1), (23, 20)),
        ("names", "ulx3s-85f", (32, 4), (120, 72)),
    ],
)
def test_the_slowest_layer_gets_what_the_board_has_and_others_what_keeps_up(name, key, adcs, rows):
    design, board = Design.load(name), BOARDS[key]
    fitted, config = fit(design, board)
    assert tuple(layer.adcs for layer in fitted.layers) == adcs
    assert config == BoardConfig(key, board.clock_hz, rows)
    for layer, other in zip(design.layers, fitted.layers):
        changed = {field for field in vars(layer) if getattr(layer, field) != getattr(other, field)}
        assert changed <= {"adcs"}


def test_a_step_takes_as_long_as_its_slowest_layer():
    """vowels with 4 ADCs: 32 columns an ADC, 12 groups of 4 rows and 4 bits, so 1536 cycles and one start and end."""
    fitted, config = fit(Design.load("vowels"), BOARDS["icebreaker"])
    assert 32 * 12 * 4 < step_cycles(fitted, config) < 32 * 12 * 4 + 60


def test_noise_takes_eight_cycles_of_a_step_and_wider_cells():
    fitted, config = fit(Design.load("vowels"), BOARDS["icebreaker"])
    assert step_cycles(fitted, replace(config, noise=True)) == step_cycles(fitted, config) + 8
    noisy, there = fit(Design.load("vowels"), BOARDS["icebreaker"], noise=True)
    assert there.noise
    assert not config.noise
    assert [layer.adcs for layer in noisy.layers] == [4, 1]


def test_no_twin_takes_most_of_the_boards_flip_flops_or_memories():
    board, design = replace(BOARDS["ulx3s-85f"], adcs=64, rows=64), Design.load("names")
    assert fit(design, board)[1].rows[0] == 64  # 64 * (2 * 64 * 5 + 60) flip-flops, 128 blocks
    fewer = fit(design, replace(board, flip_flops=60_000))
    assert fewer[0].layers[0].adcs * (2 * fewer[1].rows[0] * 5 + 60) <= 37_500
    fewer = fit(design, replace(board, memories=150))
    assert fewer[0].layers[0].adcs == 32  # 64 ADCs take two blocks each at least
    wide, config = fit(Design("wide", (replace(design.layers[0], weight_bits=8),)), board)
    assert wide.layers[0].adcs * config.rows[0] * 2 * 9 < 52_000


def test_a_board_that_is_too_small_is_no_obstacle_to_a_simulation():
    fitted, _config = fit(Design.load("names"), BOARDS["ulx3s-25f"])
    assert fitted.layers[0].adcs == 16


def test_clock_and_baud_can_be_chosen():
    _design, config = fit(Design.load("vowels"), BOARDS["icebreaker"], clock_hz=20_000_000, baud=500_000)
    assert (config.clock_hz, config.baud) == (19_875_000, 500_000)  # 12 MHz * 53 / 32


def test_a_board_with_too_few_adcs_is_refused():
    lstm = LstmLayer(inputs=2, hidden=2, adcs=4)
    board = BOARDS["icebreaker"]
    small = replace(board, adcs=3)
    with pytest.raises(DesignError) as error:
        fit(Design("tiny", (lstm,)), small)
    assert str(error.value) == "layer 0: icebreaker has room for 3 ADCs, but the layer needs 4"

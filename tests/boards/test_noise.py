"""Noise in a board's gateware: set, run and begun anew over the line; and what a board without it says."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.boards.noise import noise_of, restart_noise, set_noise
from ohmgate.boards.simulation import SimulatedBoard, build
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_stream import run_over
from ohmgate.firmware.transactions import LoadError
from ohmgate.model import reference
from ohmgate.model.integer_noise import IntegerNoise
from tests.boards.desk import CODES, CONFIG, DESIGN, LENGTHS, NEW, OLD, expected, linked, runs

NOISE = IntegerNoise(0xFEDCBA98, 20, 91)


def test_a_board_without_it_is_a_sentence(board):
    with linked(board) as link:
        assert noise_of(link) == IntegerNoise()
        with pytest.raises(LoadError) as error:
            set_noise(link, NOISE)
        assert str(error.value) == (
            "the board has no noise in its gateware: build and program one with ohmgate board build --noise"
        )
        set_noise(link, IntegerNoise(seed=5))  # as none is asked for
        load_over(link, OLD)
        link.verify()
        assert runs(link, OLD)


@pytest.mark.full
def test_a_board_with_it_gives_the_array_models_integers():
    """Two networks one after the other, each run twice from a count begun anew; a reset; a power cut."""
    config = replace(CONFIG, noise=True)
    with SimulatedBoard(build(DESIGN, config), config) as board:
        with linked(board) as link:
            for network, noise in ((OLD, NOISE), (NEW, IntegerNoise(1, 100, 255)), (NEW, IntegerNoise(9))):
                set_noise(link, noise)
                load_over(link, network)
                link.verify()
                assert noise_of(link) == noise
                for _ in range(2):
                    restart_noise(link, noise)
                    found = run_over(link, DESIGN, CODES, LENGTHS)
                    assert np.array_equal(found, with_noise(network, noise))
                    run_over(link, DESIGN, CODES[:1], LENGTHS[:1])
                assert np.array_equal(found, expected(network)) == noise.silent
            set_noise(link, NOISE)
            load_over(link, OLD)
        board.reset()
        with linked(board) as link:
            assert noise_of(link) == NOISE
            load_over(link, OLD, weights=False)
            assert np.array_equal(run_over(link, DESIGN, CODES, LENGTHS), with_noise(OLD, NOISE))
        board.power()
        with linked(board) as link:
            assert noise_of(link) == IntegerNoise()


def with_noise(network, noise: IntegerNoise) -> np.ndarray:
    """What the array model gives; 0 past the sequences' ends."""
    convert = integer_noise_codes(network, noise, LENGTHS, CODES.shape[1])
    out = reference.run(network, CODES, LENGTHS, convert).out
    return np.where((np.arange(CODES.shape[1]) < LENGTHS[:, None])[..., None], out, 0)

"""A small board that many tests share, compiled once."""

import pytest

from ohmgate.boards.simulation import SimulatedBoard, build
from tests.boards.desk import CONFIG, DESIGN


@pytest.fixture(scope="session")
def desk():
    """The program of a board of ``DESIGN``."""
    return build(DESIGN, CONFIG)


@pytest.fixture
def board(desk):
    """That board, with power and without a network."""
    with SimulatedBoard(desk, CONFIG, seed=1) as board:
        yield board

"""A board on the desk: two layers with a handful of cells, two networks for them, and what these give."""

from contextlib import contextmanager

import numpy as np

from ohmgate.firmware.link import Link
from ohmgate.firmware.link_stream import run_over
from ohmgate.firmware.serial_line import SerialLine
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.designs import random_inputs, random_network

DESIGN = Design(
    "desk",
    (
        LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=3, weight_bits=2, adc_bits=2),
        DenseLayer(inputs=2, outputs=3, adcs=3, dac_bits=3, weight_bits=3, adc_bits=5, output="codes"),
    ),
)
CONFIG = BoardConfig("desk", clock_hz=8_000_000, rows=(2, 1), baud=1_000_000)
RNG = np.random.default_rng(17)
OLD, NEW = (random_network(DESIGN, RNG) for _ in range(2))
CODES, LENGTHS = random_inputs(DESIGN, RNG, batch=6, steps=8)


def expected(network) -> np.ndarray:
    """What the reference gives for the sequences; 0 past their ends, as :func:`run_over` has it."""
    out = reference.run(network, CODES, LENGTHS).out
    return np.where((np.arange(CODES.shape[1]) < LENGTHS[:, None])[..., None], out, 0)


def runs(link: Link, network) -> bool:
    """Does the board give for all sequences what ``network`` does?"""
    return np.array_equal(run_over(link, DESIGN, CODES, LENGTHS), expected(network))


@contextmanager
def linked(board):
    """A session with a simulated board."""
    with Link(SerialLine(board.port, CONFIG.baud)) as link:
        yield link

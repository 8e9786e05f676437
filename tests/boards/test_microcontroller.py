"""A microcontroller loads a board over its UART: a Cortex-M3 in QEMU at the simulated board's port."""

import numpy as np
import pytest

from ohmgate.boards.simulation import SimulatedBoard, compiled
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_stream import run_over
from ohmgate.firmware.serial_line import SerialLine
from ohmgate.hdl.board.board_chip import BoardChip
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import run
from tests.designs import random_inputs, random_network
from tests.firmware import microcontroller
from tests.firmware.microcontroller import needs_compiler, needs_qemu

LAYERS = (
    LstmLayer(inputs=5, hidden=6, adcs=8),
    DenseLayer(inputs=6, outputs=4, adcs=2, output="argmax"),
)
CONFIG = BoardConfig("words", clock_hz=8_000_000, rows=(4, 7))


@pytest.mark.full
@needs_compiler
@needs_qemu
@pytest.mark.parametrize("share", [0, 0.001])
def test_a_board_that_a_microcontroller_loaded_computes_the_references_integers(tmp_path, share):
    design = Design("words", LAYERS)
    network = random_network(design, np.random.default_rng(1))
    codes, lengths = random_inputs(design, np.random.default_rng(2), batch=4, steps=6)
    program = microcontroller.build(tmp_path, network)
    with SimulatedBoard(compiled(BoardChip(design, CONFIG)), CONFIG, seed=3) as board:
        for way in ("in", "out"):
            board.faults(way, drop=share, flip=share, repeat=share)
        assert microcontroller.run_at(program, board.port) == "OK"
        with Link(SerialLine(board.port, CONFIG.baud), seed=1) as link:
            out = run_over(link, design, codes, lengths)
    assert np.array_equal(out, run(network, codes, lengths).layers[-1].out)

"""What a board is made for: each rule's sentence."""

import pytest

from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer

GOOD = {"name": "desk", "clock_hz": 8_000_000, "rows": (2,)}


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"name": ""}, "the board's name must be 1 to 16 ASCII letters, not ''"),
        ({"name": "a" * 17}, f"the board's name must be 1 to 16 ASCII letters, not '{'a' * 17}'"),
        ({"name": "Tüte"}, "the board's name must be 1 to 16 ASCII letters, not 'Tüte'"),
        ({"clock_hz": 0}, "clock in Hz must be an integer from 1000000 to 400000000, not 0"),
        ({"baud": 300}, "baud must be an integer from 9600 to 4000000, not 300"),
        ({"baud": 1_000_001}, "baud must be at most an eighth of the clock of 8000000 Hz, not 1000001"),
        (
            {"clock_hz": 9_500_000},
            "the clock of 9500000 Hz must be a multiple of the baud within 2 %, not 10 * 1000000",
        ),
        ({"queue_bytes": 24}, "bytes of the result queue must be a power of two, not 24"),
        ({"window": 3}, "the window must be 2, 4 or 8 frames, not 3"),
        ({"queue_bytes": 15}, "bytes of the result queue must be an integer from 16 to 32768, not 15"),
        ({"buffer_bytes": 65536}, "bytes of the sequence buffer must be an integer from 16 to 65535, not 65536"),
    ],
)
def test_each_rule_has_a_sentence(change, sentence):
    with pytest.raises(DesignError) as error:
        BoardConfig(**GOOD | change)
    assert str(error.value) == sentence


def test_rows_a_cycle_are_of_each_layer():
    design = Design("head", (DenseLayer(inputs=3, outputs=2, adcs=2),))
    BoardConfig(**GOOD).check(design)
    with pytest.raises(DesignError, match=r"^rows a cycle must be given for 1 layers, not 2$"):
        BoardConfig(**GOOD | {"rows": (1, 1)}).check(design)
    with pytest.raises(DesignError, match=r"^layer 0: rows a cycle must be an integer from 1 to 4, not 5$"):
        BoardConfig(**GOOD | {"rows": (5,)}).check(design)


def test_a_board_has_no_layers_in_reverse():
    layer = LstmLayer(inputs=3, hidden=2, adcs=4, direction="reverse", max_steps=5)
    with pytest.raises(DesignError) as error:
        BoardConfig(**GOOD).check(Design("turned", (layer,)))
    assert str(error.value) == "layer 0: the direction of a layer on a board must be 'forward', not 'reverse'"

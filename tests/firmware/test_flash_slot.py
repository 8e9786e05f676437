"""What a slot of the flash holds, taken apart, and what a board in numbers makes of it."""

import zlib

import numpy as np
import pytest
from cobs import cobs

from ohmgate.firmware.flash_slot import slot_frames, slot_record
from ohmgate.firmware.transactions import LoadError
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.model.design import Design
from ohmgate.model.flash import FlashLayout, Record
from ohmgate.model.link import parse
from tests.boards.desk import CONFIG, DESIGN, NEW, OLD
from tests.designs import random_network

LAYOUT = FlashLayout(0x100000, 0x10000)


def requests(frames: bytes) -> list[tuple[int, int, int, int, bytes]]:
    found = [parse(cobs.decode(code)) for code in frames.split(b"\0") if code]
    assert None not in found
    return [one for one in found if one is not None]


def test_frames_are_a_session_that_ends_with_enable():
    found = requests(slot_frames(OLD))
    assert [(session, number) for session, number, *_ in found] == [(0, k) for k in range(len(found))]
    assert found[0][2:] == (1, 1, b"")  # HELLO, version 1
    assert {op for _, _, op, *_ in found[1:]} == {4, 5, 6}  # writes only
    assert found[-1][2:] == (4, 0x14, b"\1\0\0\0")  # CONTROL.ENABLE
    assert found[-2][2:] == (4, 0x64, b"\1\0\0\0")  # the last layer's SEAL


def test_names_is_as_long_as_on_the_line():
    frames = slot_frames(random_network(Design.load("names"), np.random.default_rng(1)))
    levels = [payload for _, _, op, _, payload in requests(frames) if op == 6]
    assert sum(map(len, levels)) * 2 == 391_268  # cells of four bits
    assert len(frames) < 1.2 * 391_268 / 2


@pytest.mark.parametrize("network", [OLD, NEW])
def test_a_board_that_takes_them_has_the_network(network):
    board = BoardTwin(DESIGN, CONFIG)
    board.receive(slot_frames(network))
    assert board.registers.enable
    found = loaded_network(DESIGN, board.registers)
    for got, want in zip(found.layers, network.layers):
        np.testing.assert_array_equal(got.weights, want.weights)
        np.testing.assert_array_equal([got.mult, got.shift], [want.mult, want.shift])


def test_the_record_is_of_the_frames():
    frames = slot_frames(OLD)
    record = slot_record(OLD, frames, 7, LAYOUT)
    assert record == Record(7, len(frames), zlib.crc32(frames), int(DESIGN.fingerprint, 16))


def test_frames_that_a_slot_has_no_room_for():
    with pytest.raises(LoadError) as error:
        slot_record(OLD, bytes(0xFF01), 1, LAYOUT)
    assert str(error.value) == "a slot of the board's flash must hold the network's 65281 bytes, and has 65280"

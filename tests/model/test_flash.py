"""Slots of a flash: the record by hand, what makes a slot valid, and which one starts."""

import zlib

import pytest

from ohmgate.model.flash import FlashLayout, Record, parse_record, starting_slot, valid_record
from ohmgate.model.formats import DesignError

LAYOUT = FlashLayout(0x100000, 0x20000)
FRAMES = bytes(range(1, 200))
RECORD = Record(0x01020304, len(FRAMES), zlib.crc32(FRAMES), 0x1122334455667788)
PACKED = b"OHMF\4\3\2\1\xc7\0\0\0" + zlib.crc32(FRAMES).to_bytes(4, "little") + b"\x88\x77\x66\x55\x44\x33\x22\x11"


def slot(record: bytes, frames: bytes = FRAMES) -> bytes:
    return (record.ljust(256, b"\xff") + frames).ljust(LAYOUT.slot_bytes, b"\xff")


def test_a_record_by_hand():
    assert RECORD.pack() == PACKED + zlib.crc32(PACKED).to_bytes(4, "little")
    assert parse_record(slot(RECORD.pack()), LAYOUT) == valid_record(slot(RECORD.pack()), LAYOUT) == RECORD


@pytest.mark.parametrize("content", [b"\xff" * 256, bytes(256), RECORD.pack()[:27]])
def test_no_record(content):
    assert parse_record(slot(content), LAYOUT) is None


def test_a_bit_of_record_or_frames():
    for bit in range(8 * 28):
        damaged = bytearray(RECORD.pack())
        damaged[bit // 8] ^= 1 << bit % 8
        assert parse_record(bytes(damaged), LAYOUT) is None
    assert valid_record(slot(RECORD.pack(), FRAMES[:-1] + b"\0"), LAYOUT) is None
    assert valid_record(slot(RECORD.pack(), FRAMES + b"\0"), LAYOUT) == RECORD


def test_another_magic_with_its_own_crc():
    content = b"OHMG" + PACKED[4:]
    assert parse_record(content + zlib.crc32(content).to_bytes(4, "little"), LAYOUT) is None


@pytest.mark.parametrize("length, there", [(0, False), (1, True), (0x20000 - 256, True), (0x20000 - 255, False)])
def test_lengths_for_which_a_slot_has_room(length, there):
    assert (parse_record(RECORD._replace(length=length).pack(), LAYOUT) is not None) == there


def test_the_newer_of_two_starts():
    old, new = RECORD, RECORD._replace(generation=RECORD.generation + 1)
    pairs = [(None, None), (old, None), (None, old), (old, new), (new, old), (old, old)]
    assert [starting_slot(pair) for pair in pairs] == [None, 0, 1, 1, 0, 0]


def test_addresses():
    assert (LAYOUT.address(0), LAYOUT.address(1), LAYOUT.end, LAYOUT.room) == (0x100000, 0x120000, 0x140000, 0x1FF00)


@pytest.mark.parametrize(
    "first, slot_bytes, sentence",
    [
        (0x10001, 0x10000, "the first slot's address must be a multiple of 65536, not 65537"),
        (0x10000, 0x10100, "bytes of a slot must be a multiple of 65536, not 65792"),
        (0, 0x10000, "the first slot's address must be an integer from 65536 to 16711680, not 0"),
        (0x800000, 0x410000, "both slots must end by 16777216, the last address of 24 bits, not at 16908288"),
    ],
)
def test_a_place_that_cannot_be(first, slot_bytes, sentence):
    with pytest.raises(DesignError) as error:
        FlashLayout(first, slot_bytes)
    assert str(error.value) == sentence

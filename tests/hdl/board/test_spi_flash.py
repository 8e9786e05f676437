"""The flash in numbers, as data sheets have its commands."""

import pytest

from ohmgate.hdl.board.spi_flash import SpiFlash

SIZE = 0x40000


def do(flash: SpiFlash, *sent: int, more: int = 0) -> bytes:
    """A command, and ``more`` bytes that come behind it."""
    flash.select(True)
    for byte in sent:
        flash.exchange(byte)
    found = bytes(flash.exchange(0) for _ in range(more))
    flash.select(False)
    return found


def write(flash: SpiFlash, *sent: int) -> None:
    do(flash, 0x06)
    do(flash, *sent)
    while do(flash, 0x05, more=1)[0] & 1:
        pass


@pytest.fixture
def flash():
    awake = SpiFlash(SIZE)
    do(awake, 0xAB)
    return awake


def test_it_sleeps_until_it_is_woken():
    flash = SpiFlash(SIZE)
    flash.content[5] = 7
    assert do(flash, 3, 0, 0, 5, more=1) == b"\xff"
    do(flash, 0xAB)
    assert do(flash, 3, 0, 0, 5, more=2) == b"\x07\xff"


def test_programming_makes_zeros_and_erasing_ones(flash):
    write(flash, 2, 1, 2, 3, 0xF0, 0x0F)
    write(flash, 2, 1, 2, 3, 0xAA)
    assert do(flash, 3, 1, 2, 2, more=4) == bytes([0xFF, 0xA0, 0x0F, 0xFF])
    write(flash, 0xD8, 1, 99, 99)
    assert flash.content == b"\xff" * SIZE


def test_an_erase_takes_its_sector_only(flash):
    for sector in range(4):
        write(flash, 2, sector, 0, 0, 0)
        write(flash, 2, sector, 0xFF, 0xFF, 0)
    write(flash, 0xD8, 2, 0x12, 0x34)
    assert [flash.content[0x10000 * k] for k in range(4)] == [0, 0, 0xFF, 0]
    assert [flash.content[0x10000 * k + 0xFFFF] for k in range(4)] == [0, 0, 0xFF, 0]


def test_a_program_goes_round_in_its_page(flash):
    write(flash, 2, 0, 1, 0xFE, 1, 2, 3)
    assert flash.content[0x1FE:0x201] == b"\1\2\xff"
    assert flash.content[0x100] == 3
    write(flash, 2, 0, 4, 0, *([0x55] * 100), *range(256))
    # 356 bytes: of those that came to one place the last one counts
    assert flash.content[0x400:0x500] == bytes([*range(156, 256), *range(156)])


@pytest.mark.parametrize("sent", [(2, 0, 0, 0, 0), (0xD8, 0, 0, 0)])
def test_nothing_is_written_without_leave(flash, sent):
    flash.content[0] = 0x5A
    do(flash, *sent)
    assert flash.content[0] == 0x5A
    do(flash, 0x06)
    assert do(flash, 5, more=1) == b"\2"
    do(flash, *sent)
    assert flash.content[0] == {2: 0, 0xD8: 0xFF}[sent[0]]
    assert do(flash, 5, more=3) == b"\1\1\0"


def test_a_busy_flash_says_nothing_else(flash):
    do(flash, 0x06)
    do(flash, 2, 0, 0, 0, 0)
    assert do(flash, 3, 0, 0, 0, more=1) == b"\xff"
    do(flash, 0x06)
    assert do(flash, 5, more=3) == b"\1\1\0"
    assert do(flash, 3, 0, 0, 0, more=1) == b"\0"


def test_unselected_it_hears_nothing():
    flash = SpiFlash(SIZE)
    assert flash.exchange(0xAB) == 0xFF
    assert flash.asleep

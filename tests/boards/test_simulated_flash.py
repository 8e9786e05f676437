"""The simulated flash beside the one in numbers, command by command, and the file that keeps its bytes."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.boards.simulation import SimulatedBoard, build, check_flash
from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link_requests import Request
from ohmgate.hdl.board.spi_flash import SpiFlash
from ohmgate.model.formats import DesignError
from ohmgate.model.link import Op
from ohmgate.model.programs import ProgramError
from tests.boards.desk import CONFIG, DESIGN, linked
from tests.boards.flash_desk import COMMAND, DATA, FLASH_CONFIG, SELECT, SIZE, put


class Flash:
    """A command to the simulated flash and to the one in numbers; both must say the same."""

    def __init__(self, link):
        self.link, self.other = link, SpiFlash(SIZE)
        self.one(0xAB)

    def one(self, byte: int) -> None:
        self.link.write(COMMAND, byte)
        self.other.select(True)
        self.other.exchange(byte)
        self.other.select(False)

    def do(self, op: int, address: int, content: bytes = b"", more: int = 0) -> None:
        sent = bytes([op]) + address.to_bytes(3, "big") + content
        self.link.ask(Request(Op.WRITE_NEXT, SELECT, struct.pack("<I", 1) + sent[:4]))
        if content:
            self.link.ask(Request(Op.WRITE, DATA, content))
        got = self.link.ask(Request(Op.READ, DATA, words=more // 4)).payload if more else b""
        self.link.write(SELECT, 0)
        self.other.select(True)
        for byte in sent:
            self.other.exchange(byte)
        assert got == bytes(self.other.exchange(0) for _ in range(more))
        self.other.select(False)

    def settle(self) -> None:
        """Both have done what they were asked, and are asked no more than whether they may be written."""
        status = 1
        while status & 1:
            self.link.ask(Request(Op.WRITE_NEXT, SELECT, struct.pack("<II", 1, 5)))
            status = self.link.read(DATA) & 0xFF
            self.link.write(SELECT, 0)
        self.other.busy = 0
        self.other.select(True)
        self.other.exchange(5)
        assert self.other.exchange(0) == status
        self.other.select(False)


@pytest.fixture(scope="module")
def program():
    return build(DESIGN, FLASH_CONFIG)


def test_any_commands_have_the_effect_that_they_have_in_numbers(program, tmp_path):
    rng, file = np.random.default_rng(5), put(tmp_path / "flash")
    with SimulatedBoard(program, FLASH_CONFIG, flash=file) as board, linked(board) as link:
        flash = Flash(link)
        places = [0x100, 0x1F8, 0x10000, 0x2FFFC, 0xFFFFF0, int(rng.integers(1 << 24))]
        for _ in range(25):
            address, count = int(rng.choice(places)), 4 * int(rng.integers(1, 70))
            if rng.random() < 0.8:
                flash.one(6)
            op = int(rng.choice([2, 2, 2, 3, 3, 0xD8, 0x9F]))
            content = rng.integers(256, size=count, dtype=np.uint8).tobytes()
            flash.do(op, address, content if op == 2 else b"", count if op == 3 else 0)
            flash.settle()
        writes = board.flash_writes()
    assert file.read_bytes() == bytes(flash.other.content)
    assert 5 < writes < 25


def test_a_cut_write_leaves_random_bits_in_its_page(program, tmp_path):
    """Another draw with another seed; the pages around stay."""
    found = []
    for seed in (1, 2):
        file = put(tmp_path / "flash")
        with SimulatedBoard(program, FLASH_CONFIG, seed=seed, flash=file) as board:
            with linked(board) as link:
                link.ask(Request(Op.WRITE_NEXT, COMMAND, struct.pack("<II", 6, 1) + b"\2\0\1\0"))
                link.write(DATA, 0)
                board.cut(1, "middle")
                with pytest.raises(LinkError, match=r" was unplugged$"):
                    link.write(SELECT, 0)
            board.power()
        content = file.read_bytes()
        found.append(content[0x100:0x200])
        assert set(content[:0x100] + content[0x200:]) == {0xFF}
        assert abs(sum(byte.bit_count() for byte in found[-1]) - 1024) < 200
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "config, size, sentence",
    [
        (CONFIG, 0, "desk has no flash whose bytes '{}' could hold"),
        (FLASH_CONFIG, 5, "the file of a flash must have its 262144 bytes, and '{}' has 5"),
        (replace(CONFIG, name="bare"), SIZE, "bare has no flash whose bytes '{}' could hold"),
    ],
)
def test_a_file_that_is_no_flash_s(tmp_path, config, size, sentence):
    file = tmp_path / "flash"
    file.write_bytes(bytes(size))
    with pytest.raises(DesignError) as error:
        check_flash(config, file)
    assert str(error.value) == sentence.format(file)


def test_a_file_that_cannot_be_made(program, tmp_path):
    with pytest.raises(ProgramError) as error:
        SimulatedBoard(program, FLASH_CONFIG, flash=tmp_path / "no" / "flash")
    assert str(error.value) == "the simulated board: the flash's file: No such file or directory"


def test_a_file_that_cannot_be_looked_at(tmp_path):
    file = tmp_path / ("x" * 300)
    with pytest.raises(DesignError) as error:
        check_flash(FLASH_CONFIG, file)
    assert str(error.value) == f"cannot read the flash's file {str(file)!r}: File name too long"


def test_a_new_file_has_the_flash_s_size(program, tmp_path):
    with SimulatedBoard(program, FLASH_CONFIG, flash=tmp_path / "new"):
        pass
    assert (tmp_path / "new").read_bytes() == b"\xff" * SIZE

"""The catalogue against the boards' descriptions in amaranth-boards."""

import inspect
import re

import pytest

from ohmgate.boards.catalogue import BOARDS, find_board
from ohmgate.hdl.flow.mapping import FAMILIES
from ohmgate.model.flash import FlashLayout
from ohmgate.model.formats import DesignError

#: Device and package of each board, as its vendor writes them.
PARTS = {
    "ulx3s-25f": ("LFE5U-25F", "BG381", "--25k --package CABGA381 --speed 6"),
    "ulx3s-85f": (
        "LFE5U-85F",
        "BG381",
        "--85k --package CABGA381 --speed 6 --router router2 --placer-heap-timingweight 30",
    ),
    "icebreaker": ("iCE40UP5K", "SG48", "--up5k --package sg48"),
    "hx8k-b-evn": ("iCE40HX8K", "CT256", "--hx8k --package ct256"),
    "tangnano9k": ("GW1NR-LV9QN88PC6/I5", "QN88P", "--device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C"),
}


def test_the_parts_of_all_boards_are_here():
    assert set(PARTS) == set(BOARDS)
    assert all(key == board.key and len(key) <= 16 for key, board in BOARDS.items())


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.key)
def test_a_board_is_the_one_of_amaranth_boards(board):
    platform = board.make_platform()
    device, package, arguments = PARTS[board.key]
    assert (getattr(platform, "part", None) or platform.device) == device
    assert platform.package == package
    assert " ".join(board.part) == arguments
    assert board.oscillator_hz == platform.default_clk_frequency
    assert board.family in FAMILIES
    uart, led = platform.lookup("uart", 0), platform.lookup("led", 0)
    directions = {pin.name: pin.ios[0].dir for pin in uart.ios}
    assert (directions["rx"], directions["tx"], led.ios[0].dir) == ("i", "o", "o")


def test_flashes_have_room_behind_the_bitstream():
    """Of 4 MiB, where a bitstream of an HX8K has 135,100 bytes (Lattice, TN1248)."""
    assert {key: board.flash for key, board in BOARDS.items() if board.flash} == {
        "hx8k-b-evn": FlashLayout(0x100000, 0x100000)
    }
    assert BOARDS["hx8k-b-evn"].flash.end <= 4 * 1024 * 1024


@pytest.mark.parametrize("key", ["ulx3s-25f", "ulx3s-85f", "tangnano9k"])
def test_a_board_is_what_its_platform_programs(key):
    """openFPGALoader's name of a board is in the platform's own command."""
    platform = BOARDS[key].make_platform()
    names = re.findall(r'"-b", "(\w+)"', inspect.getsource(type(platform).toolchain_program))
    assert names == [BOARDS[key].loader]


def test_an_unknown_board_is_refused():
    assert find_board("icebreaker").title == "1BitSquared iCEBreaker, iCE40 UP5K"
    with pytest.raises(DesignError) as error:
        find_board("fomu")
    assert str(error.value) == (
        "board must be one of ulx3s-25f, ulx3s-85f, icebreaker, hx8k-b-evn, tangnano9k, not 'fomu'"
    )

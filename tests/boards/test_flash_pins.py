"""The pins of a board's flash, against the board's schematic."""

import re

import pytest
from amaranth.hdl import Elaboratable, Module, Signal

from ohmgate.boards.catalogue import BOARDS
from ohmgate.boards.packing import TOP
from ohmgate.boards.top import BoardTop

#: By Lattice's schematic of the ICE40HX8K-B-EVN: SCK, SS, SDO and SDI of the FPGA.
PINS = {"hx8k-b-evn": {"clk": "R11", "cs": "R12", "copi": "P12", "cipo": "P11"}}


class Echo(Elaboratable):
    """A chip with a flash: what comes from it goes to it, while it is selected."""

    def __init__(self):
        self.rx, self.tx, self.led = Signal(init=1), Signal(init=1), Signal()
        self.flash_select, self.flash_clock, self.flash_copi, self.flash_cipo = (Signal() for _ in range(4))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.tx.eq(self.rx), self.flash_copi.eq(self.flash_cipo), self.flash_select.eq(1)]
        m.d.sync += self.flash_clock.eq(~self.flash_clock)
        return m


def test_every_board_with_a_flash_is_here():
    assert set(PINS) == {key for key, board in BOARDS.items() if board.flash}


@pytest.mark.parametrize("key", PINS)
def test_a_flash_has_its_pins_and_is_selected_by_a_low_level(key, tmp_path):
    platform = BOARDS[key].make_platform()
    platform.prepare(BoardTop(BOARDS[key], Echo(), None), TOP, emit_src=False).extract(tmp_path)
    pins = dict(re.findall(r"set_io spi_flash_1x_0__(\w+)__io (\w+)", (tmp_path / f"{TOP}.pcf").read_text()))
    assert pins == PINS[key]
    text = (tmp_path / f"{TOP}.il").read_text()
    module = text[text.index("module \\top.flash_select\n") :]
    assert re.search(r"cell \$not", module[: module.index("\nend\n")])

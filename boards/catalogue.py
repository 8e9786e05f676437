"""The boards that ohmgate builds for. A new one is an entry of :data:`BOARDS`."""

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ..model.flash import FlashLayout
from ..model.formats import DesignError
from .pll import Pll, find_pll


@dataclass(frozen=True)
class Board:
    """What is on a board, what its tools are told, and what fits on it."""

    key: str  #: its name in commands, at most 16 letters
    title: str
    family: str  #: of :data:`~ohmgate.hdl.flow.mapping.FAMILIES`
    platform: str  #: module and class of amaranth-boards
    part: tuple[str, ...]  #: nextpnr's arguments
    pll: str  #: primitive that makes its clock
    oscillator_hz: int
    usb: tuple[int, int]  #: vendor and product of its serial port
    loader: str  #: openFPGALoader's name for it
    luts: int
    flip_flops: int
    memories: int  #: blocks of memory
    multipliers: int  #: of 16 or 18 bits
    clock_hz: int  #: that the presets reach on it
    adcs: int  #: of a layer, at most
    rows: int  #: that a layer's twin adds in a cycle, at most
    flash: FlashLayout | None = None  #: where its flash has room for networks; None: it starts without one
    baud: int = 1_000_000

    def make_platform(self) -> Any:
        """A platform object of amaranth-boards. It serves for one build."""
        module, name = self.platform.split(":")
        return getattr(import_module(f"amaranth_boards.{module}"), name)()


_FT2232 = (0x0403, 0x6010)  # its second channel is the serial port
_ULX3S_25F = Board(
    key="ulx3s-25f",
    title="Radiona ULX3S, ECP5 25F",
    family="ecp5",
    platform="ulx3s:ULX3S_25F_Platform",
    part=("--25k", "--package", "CABGA381", "--speed", "6"),
    pll="EHXPLLL",
    oscillator_hz=25_000_000,
    usb=(0x0403, 0x6015),  # FT231X
    loader="ulx3s",
    luts=24_288,
    flip_flops=24_288,
    memories=56,
    multipliers=28,
    clock_hz=75_000_000,
    adcs=16,
    rows=23,
)
_ULX3S_85F = replace(
    _ULX3S_25F,
    key="ulx3s-85f",
    title="Radiona ULX3S, ECP5 85F",
    platform="ulx3s:ULX3S_85F_Platform",
    # the usual router takes much longer on a full part; its paths are long, so timing weighs more than the usual 10
    part=("--85k", *_ULX3S_25F.part[1:], "--router", "router2", "--placer-heap-timingweight", "30"),
    luts=83_640,
    flip_flops=83_640,
    memories=208,
    multipliers=156,
    clock_hz=61_111_111,  # of 25 MHz: 22 / 9
    adcs=32,  # more, or more rows, take more LUTs than nextpnr found ways to
    rows=120,
)

BOARDS = {
    board.key: board
    for board in (
        _ULX3S_25F,
        _ULX3S_85F,
        Board(
            key="icebreaker",
            title="1BitSquared iCEBreaker, iCE40 UP5K",
            family="ice40",
            platform="icebreaker:ICEBreakerPlatform",
            part=("--up5k", "--package", "sg48"),
            pll="SB_PLL40_PAD",  # its oscillator is on the PLL's own pin
            oscillator_hz=12_000_000,
            usb=_FT2232,
            loader="ice40_generic",
            luts=5280,
            flip_flops=5280,
            memories=30,
            multipliers=8,
            clock_hz=24_000_000,
            adcs=4,
            rows=4,
        ),
        Board(
            key="hx8k-b-evn",
            title="Lattice iCE40-HX8K breakout board",
            family="ice40",
            platform="ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
            part=("--hx8k", "--package", "ct256"),
            pll="SB_PLL40_CORE",
            oscillator_hz=12_000_000,
            usb=_FT2232,
            loader="ice40_generic",
            luts=7680,
            flip_flops=7680,
            memories=32,
            multipliers=0,
            clock_hz=48_000_000,
            adcs=4,
            rows=4,
            flash=FlashLayout(0x100000, 0x100000),  # of 4 MiB; a bitstream has 132 KiB
        ),
        Board(
            key="tangnano9k",
            title="Sipeed Tang Nano 9K, GW1NR-9",
            family="gowin",
            platform="tang_nano_9k:TangNano9kPlatform",
            part=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
            pll="rPLL",
            oscillator_hz=27_000_000,
            usb=_FT2232,  # its BL702 passes for one
            loader="tangnano9k",
            luts=8640,
            flip_flops=6480,
            memories=26,
            multipliers=20,
            clock_hz=45_000_000,
            adcs=4,
            rows=4,
        ),
    )
}


def find_board(key: str) -> Board:
    """The board of that name. Raises :class:`DesignError` that lists them where there is none."""
    if key not in BOARDS:
        raise DesignError(f"board must be one of {', '.join(BOARDS)}, not {key!r}")
    return BOARDS[key]


def chip_clock(board: Board, clock_hz: int) -> tuple[int, Pll | None]:
    """The clock nearest to ``clock_hz`` that a board can make, in Hz, and its PLL; None for the oscillator's own.

    Raises :class:`DesignError` where none is near.
    """
    if clock_hz == board.oscillator_hz:
        return clock_hz, None
    pll = find_pll(board.pll, board.oscillator_hz, clock_hz)
    return round(pll.hertz), pll

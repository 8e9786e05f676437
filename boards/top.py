"""A chip on a board: its clock, its reset, and the pins of its serial line and light."""

import math
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from .catalogue import Board
from .pll import MHZ, Pll

#: Seconds of reset after the PLL has locked. Block memory of an iCE40 reads as zeros for 3 microseconds after start.
RESET_SECONDS = 15e-6


class BoardTop(Elaboratable):
    """``chip`` with the clock of ``pll``; None is the oscillator's own clock.

    ``chip`` has the ports ``rx``, ``tx`` and ``led``, and perhaps those of a flash, as
    :class:`~ohmgate.hdl.board.board_chip.BoardChip` has.
    """

    def __init__(self, board: Board, chip: Any, pll: Pll | None):
        self.board, self.chip, self.pll = board, chip, pll

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._clock(m, platform)
        m.submodules.chip = chip = self.chip
        uart, led = platform.request("uart", 0, dir="-"), platform.request("led", 0, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, uart.tx)
        m.submodules.led = light = io.Buffer(io.Direction.Output, led)
        m.d.comb += [chip.rx.eq(rx.i), tx.o.eq(chip.tx), light.o.eq(chip.led)]
        if hasattr(chip, "flash_select"):
            self._flash(m, platform)
        return m

    def _flash(self, m: Module, platform: Any) -> None:
        """The pins of the flash that the bitstream came from, which are free once it is there."""
        chip, pins = self.chip, platform.request("spi_flash_1x", 0, dir="-")
        for name, pin in (("select", pins.cs), ("clock", pins.clk), ("copi", pins.copi)):
            m.submodules[f"flash_{name}"] = buffer = io.Buffer(io.Direction.Output, pin)
            m.d.comb += buffer.o.eq(getattr(chip, f"flash_{name}"))
        m.submodules.flash_cipo = cipo = io.Buffer(io.Direction.Input, pins.cipo)
        m.d.comb += chip.flash_cipo.eq(cipo.i)

    def _clock(self, m: Module, platform: Any) -> None:
        """Domain ``sync``, in reset until its clock is steady."""
        clock, locked = Signal(), Signal()
        pin = platform.request(platform.default_clk, dir="-")
        if self.pll is not None and self.pll.primitive == "SB_PLL40_PAD":
            m.submodules.pll = _pll(self.pll, pin.io, clock, locked)
        else:
            m.submodules.oscillator = oscillator = io.Buffer(io.Direction.Input, pin)
            if self.pll is None:
                m.d.comb += [clock.eq(oscillator.i), locked.eq(1)]
            else:
                m.submodules.pll = _pll(self.pll, oscillator.i, clock, locked)
        hertz = self.board.oscillator_hz if self.pll is None else self.pll.hertz
        cycles = math.ceil(RESET_SECONDS * float(hertz))
        m.domains += [ClockDomain("sync"), ClockDomain("start", reset_less=True, local=True)]
        steady, ready, timer = Signal(), Signal(), Signal(range(cycles + 1))
        m.submodules.locked = FFSynchronizer(locked, steady, o_domain="start")
        m.d.comb += [ClockSignal("sync").eq(clock), ClockSignal("start").eq(clock), ResetSignal("sync").eq(~ready)]
        m.d.start += ready.eq(timer == cycles)
        with m.If(~steady):
            m.d.start += timer.eq(0)
        with m.Elif(timer != cycles):
            m.d.start += timer.eq(timer + 1)


def _pll(pll: Pll, source: Any, clock: Signal, locked: Signal) -> Instance:
    """The primitive, fed by ``source``."""
    parameters: dict[str, Any] = {f"p_{name}": value for name, value in pll.settings}
    if pll.primitive == "EHXPLLL":
        return _ecp5(parameters, source, clock, locked)
    if pll.primitive == "rPLL":
        parameters["p_FCLKIN"] = f"{pll.oscillator_hz / MHZ:g}"
        return _gowin(parameters, source, clock, locked)
    pin = "i_PACKAGEPIN" if pll.primitive == "SB_PLL40_PAD" else "i_REFERENCECLK"
    return Instance(
        pll.primitive,
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=Const(parameters["p_DIVR"], 4),
        p_DIVF=Const(parameters["p_DIVF"], 7),
        p_DIVQ=Const(parameters["p_DIVQ"], 3),
        p_FILTER_RANGE=Const(parameters["p_FILTER_RANGE"], 3),
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
        **{pin: source},
    )


def _ecp5(parameters: dict[str, Any], source: Any, clock: Signal, locked: Signal) -> Instance:
    feedback = Signal()
    return Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=parameters["p_CLKOP_DIV"] - 1,
        p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_CPHASE=parameters["p_CLKOS_DIV"] - 1,
        p_CLKOS_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        **parameters,
        i_CLKI=source,
        i_CLKFB=feedback,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        i_ENCLKOS=Const(0),
        o_CLKOP=feedback,
        o_CLKOS=clock,
        o_LOCK=locked,
    )


def _gowin(parameters: dict[str, Any], source: Any, clock: Signal, locked: Signal) -> Instance:
    zeros = {"RESET": 1, "RESET_P": 1, "CLKFB": 1, "FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "PSDA": 4, "DUTYDA": 4}
    return Instance(
        "rPLL",
        p_DEVICE="GW1NR-9C",
        p_CLKFB_SEL="internal",
        **parameters,
        **{f"i_{name}": Const(0, width) for name, width in zeros.items()},
        i_FDLY=Const(0, 4),
        i_CLKIN=source,
        o_CLKOUT=clock,
        o_LOCK=locked,
    )

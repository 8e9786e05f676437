"""The registers through which a host reaches a board's flash."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ...model.board_registers import FLASH_COMMAND, FLASH_DATA, FLASH_REGISTERS, FLASH_SELECT, FLASH_STATUS
from ...model.flash import SECTOR_BYTES, FlashLayout
from ..component import Component
from ..wishbone import WishboneSignature
from .flash_twin import FlashTwin
from .spi_flash import SpiFlash
from .spi_master import SpiMaster, SpiSignature

STATUS, COMMAND, SELECT, DATA = range(len(FLASH_REGISTERS))  #: word addresses
assert FLASH_REGISTERS == (FLASH_STATUS, FLASH_COMMAND, FLASH_SELECT, FLASH_DATA)


class FlashRegisters(Component):
    """FLASH_STATUS, FLASH_COMMAND, FLASH_SELECT and FLASH_DATA (:mod:`ohmgate.model.board_registers`), written whole.

    FLASH_COMMAND and FLASH_DATA answer when their bytes are through. A write to FLASH_STATUS is refused.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | the registers |
    | `started` | in | 2 bits | the field STARTED |
    | `spi` | out | :class:`~.spi_master.SpiSignature` | to the flash |
    """

    latency = 1  #: of an access to FLASH_STATUS or FLASH_SELECT; the others take byte_cycles for each byte more
    byte_cycles = SpiMaster.latency + 1

    def __init__(self, layout: FlashLayout):
        self.layout = layout
        super().__init__({"bus": In(WishboneSignature(2)), "started": In(2), "spi": Out(SpiSignature())})

    def model(self, flash: SpiFlash) -> FlashTwin:
        """The same registers, before ``flash``."""
        return FlashTwin(self.layout, flash)

    def elaborate(self, platform):
        m = Module()
        bus, spi = self.bus, self.spi
        word, index, chosen, done = Signal(32), Signal(2), Signal(), Signal()
        first, slot = (Const(size // SECTOR_BYTES, 8) for size in (self.layout.first, self.layout.slot_bytes))
        m.d.comb += [bus.dat_r.eq(word), spi.data.eq(word[:8])]
        m.d.sync += [bus.ack.eq(done), bus.err.eq(0)]
        with m.FSM():
            with m.State("idle"), m.If(bus.cyc & bus.stb & ~bus.ack & ~bus.err):
                m.d.sync += [word.eq(Mux(bus.we, bus.dat_w, 0)), index.eq(0)]
                with m.Switch(bus.adr):
                    with m.Case(STATUS):
                        m.d.sync += [word.eq(Cat(first, slot, self.started)), bus.err.eq(bus.we)]
                        m.d.comb += done.eq(~bus.we)
                    with m.Case(SELECT):
                        m.d.sync += word.eq(chosen)
                        m.d.comb += done.eq(1)
                        with m.If(bus.we):
                            m.d.sync += [chosen.eq(bus.dat_w[0]), spi.select.eq(bus.dat_w[0])]
                    with m.Case(COMMAND):
                        m.d.comb += done.eq(~bus.we)
                        with m.If(bus.we):
                            m.d.sync += [spi.select.eq(1), index.eq(3)]
                            m.next = "start"
                    with m.Case(DATA):
                        m.next = "start"
            with m.State("start"):
                m.d.comb += spi.start.eq(1)
                m.next = "exchange"
            with m.State("exchange"), m.If(~spi.busy):
                m.d.sync += [word.eq(Cat(word[8:], spi.received)), index.eq(index + 1)]
                m.next = "start"
                with m.If(index == 3):
                    m.d.comb += done.eq(1)
                    m.d.sync += spi.select.eq(chosen)
                    m.next = "idle"
        return m

"""A board's flash: what it starts with, and the registers through which a host writes it."""

import math

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...model.flash import FlashLayout
from ..component import Component
from ..wishbone import WishboneSignature
from .boot_reader import BootReader, BootSignature
from .flash_registers import FlashRegisters
from .flash_twin import FlashTwin
from .spi_flash import SpiFlash
from .spi_master import SpiMaster

WAKE_SECONDS = 50e-6  #: that a flash takes at most to wake


class BoardFlash(Component):
    """The flash belongs to the boot reader until all is booted, and to the registers from then on.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | :class:`~.flash_registers.FlashRegisters` |
    | `boot` | out | :class:`~.boot_reader.BootSignature` | to the link |
    | `select` | out | 1 bit | the flash is selected |
    | `clock` | out | 1 bit | its clock |
    | `copi` | out | 1 bit | to the flash |
    | `cipo` | in | 1 bit | from the flash |
    """

    latency = FlashRegisters.latency  #: of the registers, once all is booted

    def __init__(self, layout: FlashLayout, clock_hz: int):
        self.layout, self.wake_cycles = layout, math.ceil(WAKE_SECONDS * clock_hz)
        super().__init__(
            {
                "bus": In(WishboneSignature(2)),
                "boot": Out(BootSignature()),
                "select": Out(1),
                "clock": Out(1),
                "copi": Out(1),
                "cipo": In(1),
            }
        )

    def model(self, flash: SpiFlash) -> FlashTwin:
        """The same registers, before ``flash``, and the frames that are fed."""
        return FlashTwin(self.layout, flash)

    def elaborate(self, platform):
        m = Module()
        m.submodules.master = master = SpiMaster()
        m.submodules.reader = reader = BootReader(self.layout, self.wake_cycles)
        m.submodules.registers = registers = FlashRegisters(self.layout)
        wiring.connect(m, wiring.flipped(self.bus), registers.bus)
        wiring.connect(m, reader.boot, wiring.flipped(self.boot))
        m.d.comb += [
            registers.started.eq(reader.started),
            *(
                getattr(master.spi, name).eq(
                    Mux(self.boot.booting, getattr(reader.spi, name), getattr(registers.spi, name))
                )
                for name in ("select", "start", "data")
            ),
            *(asker.spi.busy.eq(master.spi.busy) for asker in (reader, registers)),
            *(asker.spi.received.eq(master.spi.received) for asker in (reader, registers)),
            self.select.eq(master.select),
            self.clock.eq(master.clock),
            self.copi.eq(master.copi),
            master.cipo.eq(self.cipo),
        ]
        return m

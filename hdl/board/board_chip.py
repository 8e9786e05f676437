"""The top level of a board: periphery, the arrays' digital twins, and the serial link in front of them."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...model.design import Design
from ..accelerator import Accelerator
from ..component import Component
from .array_twin import ArrayTwin
from .board_bus import BoardBus
from .board_flash import BoardFlash
from .board_twin import BoardTwin
from .config import BoardConfig
from .link import Link
from .noise_registers import NoiseRegisters
from .spi_flash import SpiFlash


class BoardChip(Component):
    """A chip on a board: a host loads it and runs sequences on it over a UART, as docs/link.md says.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `rx` | in | 1 bit | from the host; of no clock |
    | `tx` | out | 1 bit | to the host |
    | `led` | out | 1 bit | a network is loaded and enabled |
    | `flash_select`, `flash_clock`, `flash_copi` | out | 1 bit | to the flash; only with one |
    | `flash_cipo` | in | 1 bit | from the flash; only with one |
    """

    def __init__(self, design: Design, config: BoardConfig):
        config.check(design)
        self.design, self.config = design, config
        pins = {"flash_select": Out(1), "flash_clock": Out(1), "flash_copi": Out(1), "flash_cipo": In(1)}
        super().__init__({"rx": In(1), "tx": Out(1), "led": Out(1), **(pins if config.flash else {})})

    @property
    def latency(self) -> int:
        """Of the link; a time step's comes on top where its result is waited for."""
        return Link(self.design, self.config).latency

    def model(self, flash: SpiFlash | None = None) -> BoardTwin:
        """The same bytes on the line, before ``flash`` where the board has one."""
        return BoardTwin(self.design, self.config, flash)

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = Link(self.design, self.config)
        m.submodules.bus = bus = BoardBus(self.design, self.config.noise, self.config.flash is not None)
        m.submodules.accelerator = accelerator = Accelerator(self.design)
        wiring.connect(m, link.bus, bus.bus)
        wiring.connect(m, bus.registers, accelerator.bus)
        wiring.connect(m, link.x, accelerator.x)
        wiring.connect(m, accelerator.y, link.y)
        noise = None
        if self.config.noise:
            m.submodules.noise = noise = NoiseRegisters()
            wiring.connect(m, bus.noise, noise.bus)
        if self.config.flash:
            m.submodules.flash = flash = BoardFlash(self.config.flash, self.config.clock_hz)
            wiring.connect(m, bus.flash, flash.bus)
            wiring.connect(m, flash.boot, link.boot)
            for name in ("select", "clock", "copi"):
                m.d.comb += getattr(self, f"flash_{name}").eq(getattr(flash, name))
            m.d.comb += flash.cipo.eq(self.flash_cipo)
        for index, (layer, rows) in enumerate(zip(self.design.layers, self.config.rows)):
            m.submodules[f"array_{index}"] = twin = ArrayTwin(layer, rows, None if noise is None else index)
            wiring.connect(m, getattr(accelerator, f"array_{index}"), twin.array)
            if noise is not None:
                wiring.connect(m, noise.noise, twin.noise)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx), self.led.eq(accelerator.enabled)]
        return m

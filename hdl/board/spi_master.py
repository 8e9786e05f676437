"""The master of an SPI flash, a byte at a time."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..component import Component

BIT_CYCLES = 4  #: two with a low clock, two with a high one


class SpiSignature(wiring.Signature):
    """What somebody asks a flash, from their side: `select` holds it selected, `start` exchanges the byte `data`.

    `busy` is high from the cycle after `start` on; `received` is the flash's byte when it is low again.
    """

    def __init__(self):
        super().__init__(
            {"select": Out(1), "start": Out(1), "data": Out(8), "busy": In(1), "received": In(8)},
        )


class SpiMaster(Component):
    """Exchanges bytes in SPI mode 0, the highest bit first, with a clock of a quarter of its own.

    The flash's bit is taken at the end of the high clock, the longest after the falling edge that brought it.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `spi` | in | :class:`SpiSignature` | who asks |
    | `select` | out | 1 bit | the flash is selected |
    | `clock` | out | 1 bit | its clock |
    | `copi` | out | 1 bit | to the flash |
    | `cipo` | in | 1 bit | from the flash |
    """

    latency = 1 + 8 * BIT_CYCLES  #: from `start` to the byte received

    def __init__(self):
        super().__init__(
            {"spi": In(SpiSignature()), "select": Out(1), "clock": Out(1), "copi": Out(1), "cipo": In(1)}
        )

    def model(self, byte: int) -> list[tuple[int, int]]:
        """Levels of clock and `copi` in the cycles in which it is busy."""
        return [
            (phase >= BIT_CYCLES // 2, byte >> bit & 1) for bit in reversed(range(8)) for phase in range(BIT_CYCLES)
        ]

    def elaborate(self, platform):
        m = Module()
        spi = self.spi
        bits, counter = Signal(8), Signal(range(8 * BIT_CYCLES))
        m.d.comb += [
            self.select.eq(spi.select),
            self.clock.eq(counter[1]),
            self.copi.eq(bits[7]),
            spi.received.eq(bits),
        ]
        with m.If(spi.busy):
            m.d.sync += counter.eq(counter + 1)
            with m.If(counter[:2] == BIT_CYCLES - 1):
                m.d.sync += bits.eq(Cat(self.cipo, bits[:7]))
            with m.If(counter == 8 * BIT_CYCLES - 1):
                m.d.sync += spi.busy.eq(0)
        with m.Elif(spi.start):
            m.d.sync += [spi.busy.eq(1), bits.eq(spi.data)]
        return m

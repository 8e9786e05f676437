"""Which of a board's parts answers an access."""

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from ...model.design import Design
from ...model.registers import bus_address_bits
from ..component import Component
from ..wishbone import WishboneSignature

ADDRESS_BITS = 16  #: of a byte address on a board


class BoardBus(Component):
    """Takes accesses to the chip's register bus, which begins at 0, and refuses all others with ``err``.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | words at 16-bit byte addresses |
    | `registers` | out | :class:`~..wishbone.WishboneSignature` | the chip's |
    """

    latency = 0  #: of an access that is taken; ``err`` comes a cycle after the request

    def __init__(self, design: Design):
        self.bits = bus_address_bits(design) - 2
        super().__init__(
            {"bus": In(WishboneSignature(ADDRESS_BITS - 2)), "registers": Out(WishboneSignature(self.bits))}
        )

    def model(self, address: int) -> bool:
        """Does the chip answer at this byte address?"""
        return address < 4 << self.bits

    def elaborate(self, platform):
        m = Module()
        bus, registers = self.bus, self.registers
        nobody, refused = bus.adr[self.bits :].any(), Signal()
        m.d.sync += refused.eq(bus.cyc & bus.stb & nobody & ~refused)
        m.d.comb += [
            registers.adr.eq(bus.adr),
            registers.dat_w.eq(bus.dat_w),
            registers.sel.eq(bus.sel),
            registers.we.eq(bus.we),
            registers.stb.eq(bus.stb),
            registers.cyc.eq(bus.cyc & ~nobody),
            bus.dat_r.eq(registers.dat_r),
            bus.ack.eq(registers.ack),
            bus.err.eq(registers.err | refused),
        ]
        return m

"""Which of a board's parts answers an access."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ...model.board_registers import NOISE_SEED
from ...model.design import Design
from ...model.registers import bus_address_bits
from ..component import Component
from ..wishbone import WishboneSignature
from .noise_twin import ADDRESSES

ADDRESS_BITS = 16  #: of a byte address on a board


class BoardBus(Component):
    """Takes accesses to the chip's register bus, which begins at 0, and refuses all others with ``err``.

    With ``noise`` it also takes those to the registers of :mod:`ohmgate.model.board_registers`.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | words at 16-bit byte addresses |
    | `registers` | out | :class:`~..wishbone.WishboneSignature` | the chip's |
    | `noise` | out | :class:`~..wishbone.WishboneSignature` | the noise's; only with ``noise`` |
    """

    latency = 0  #: of an access that is taken; ``err`` comes a cycle after the request

    def __init__(self, design: Design, noise: bool = False):
        self.bits, self.noisy = bus_address_bits(design) - 2, noise
        super().__init__(
            {
                "bus": In(WishboneSignature(ADDRESS_BITS - 2)),
                "registers": Out(WishboneSignature(self.bits)),
                **({"noise": Out(WishboneSignature(1))} if noise else {}),
            }
        )

    def model(self, address: int) -> str:
        """The port behind which this byte address is; "" for none."""
        if address < 4 << self.bits:
            return "registers"
        return "noise" if self.noisy and address in ADDRESSES else ""

    def elaborate(self, platform):
        m = Module()
        bus, refused = self.bus, Signal()
        outside = bus.adr[self.bits :].any()
        parts, nobody = [(self.registers, ~outside)], outside
        if self.noisy:
            here = bus.adr[1:] == NOISE_SEED.address >> 3
            parts, nobody = [*parts, (self.noise, here)], outside & ~here
        m.d.sync += refused.eq(bus.cyc & bus.stb & nobody & ~refused)
        for part, mine in parts:
            m.d.comb += [
                part.adr.eq(bus.adr),
                part.dat_w.eq(bus.dat_w),
                part.sel.eq(bus.sel),
                part.we.eq(bus.we),
                part.stb.eq(bus.stb),
                part.cyc.eq(bus.cyc & mine),
            ]
        word, ack, err = self.registers.dat_r, self.registers.ack, self.registers.err
        if self.noisy:
            word, ack, err = Mux(self.noise.ack, self.noise.dat_r, word), ack | self.noise.ack, err | self.noise.err
        m.d.comb += [bus.dat_r.eq(word), bus.ack.eq(ack), bus.err.eq(err | refused)]
        return m

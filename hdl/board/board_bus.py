"""Which of a board's parts answers an access."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ...model.board_registers import FLASH_BASE, NOISE_SEED
from ...model.design import Design
from ...model.registers import bus_address_bits
from ..component import Component
from ..wishbone import WishboneSignature
from . import flash_twin, noise_twin

ADDRESS_BITS = 16  #: of a byte address on a board


class BoardBus(Component):
    """Takes accesses to the chip's register bus, which begins at 0, and refuses all others with ``err``.

    With ``noise`` and with ``flash`` it also takes those to their registers (:mod:`ohmgate.model.board_registers`).

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | words at 16-bit byte addresses |
    | `registers` | out | :class:`~..wishbone.WishboneSignature` | the chip's |
    | `noise` | out | :class:`~..wishbone.WishboneSignature` | the noise's; only with ``noise`` |
    | `flash` | out | :class:`~..wishbone.WishboneSignature` | the flash's; only with ``flash`` |
    """

    latency = 0  #: of an access that is taken; ``err`` comes a cycle after the request

    def __init__(self, design: Design, noise: bool = False, flash: bool = False):
        self.bits = bus_address_bits(design) - 2
        #: Of each further part the word address, the bits of an address within, and its byte addresses.
        self.parts = {
            **({"noise": (NOISE_SEED.address // 4, 1, noise_twin.ADDRESSES)} if noise else {}),
            **({"flash": (FLASH_BASE // 4, 2, flash_twin.ADDRESSES)} if flash else {}),
        }
        super().__init__(
            {
                "bus": In(WishboneSignature(ADDRESS_BITS - 2)),
                "registers": Out(WishboneSignature(self.bits)),
                **{name: Out(WishboneSignature(bits)) for name, (_, bits, _) in self.parts.items()},
            }
        )

    def model(self, address: int) -> str:
        """The port behind which this byte address is; "" for none."""
        if address < 4 << self.bits:
            return "registers"
        return next((name for name, (*_, addresses) in self.parts.items() if address in addresses), "")

    def elaborate(self, platform):
        m = Module()
        bus, refused = self.bus, Signal()
        outside = bus.adr[self.bits :].any()
        parts, nobody = [(self.registers, ~outside)], outside
        for name, (first, bits, _) in self.parts.items():
            here = bus.adr[bits:] == first >> bits
            parts.append((getattr(self, name), here))
            nobody &= ~here
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
        for part, _ in parts[1:]:
            word, ack, err = Mux(part.ack, part.dat_r, word), ack | part.ack, err | part.err
        m.d.comb += [bus.dat_r.eq(word), bus.ack.eq(ack), bus.err.eq(err | refused)]
        return m

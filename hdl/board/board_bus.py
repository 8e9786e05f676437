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
    Registers hold a request, as it is a long way from the link to the arrays of a large part.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | words at 16-bit byte addresses |
    | `registers` | out | :class:`~..wishbone.WishboneSignature` | the chip's |
    | `noise` | out | :class:`~..wishbone.WishboneSignature` | the noise's; only with ``noise`` |
    | `flash` | out | :class:`~..wishbone.WishboneSignature` | the flash's; only with ``flash`` |
    """

    latency = 1  #: of a request; a refusal comes with as many

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
        bus, refused, pending = self.bus, Signal(), Signal()
        m.d.comb += pending.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err)
        outside = bus.adr[self.bits :].any()
        parts, nobody = [(self.registers, ~outside)], outside
        for name, (first, bits, _) in self.parts.items():
            here = bus.adr[bits:] == first >> bits
            parts.append((getattr(self, name), here))
            nobody &= ~here
        m.d.sync += refused.eq(pending & nobody)
        said = {"adr": bus.adr[: max(len(part.adr) for part, _ in parts)]}
        said |= {name: getattr(bus, name) for name in ("dat_w", "sel", "we")}
        held = {name: Signal(len(value), name=f"held_{name}", reset_less=True) for name, value in said.items()}
        m.d.sync += [held[name].eq(value) for name, value in said.items()]
        for number, (part, mine) in enumerate(parts):
            asks = Signal(name=f"asks_{number}")
            m.d.sync += asks.eq(pending & mine)
            m.d.comb += [getattr(part, name).eq(register) for name, register in held.items()]
            m.d.comb += [part.stb.eq(asks), part.cyc.eq(asks)]
        word, ack, err = self.registers.dat_r, self.registers.ack, self.registers.err
        for part, _ in parts[1:]:
            word, ack, err = Mux(part.ack, part.dat_r, word), ack | part.ack, err | part.err
        m.d.comb += [bus.dat_r.eq(word), bus.ack.eq(ack), bus.err.eq(err | refused)]
        return m

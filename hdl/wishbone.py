"""Wishbone B4 classic bus of 32-bit words."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out, Signature


class WishboneSignature(Signature):
    """Named from the initiator's side; ``adr`` counts words. Every access ends with ``ack`` or ``err``."""

    def __init__(self, address_bits: int):
        self.address_bits = address_bits
        super().__init__(
            {
                "adr": Out(address_bits),
                "dat_w": Out(32),
                "dat_r": In(32),
                "sel": Out(4),
                "cyc": Out(1),
                "stb": Out(1),
                "we": Out(1),
                "ack": In(1),
                "err": In(1),
            }
        )

    def __eq__(self, other):
        return isinstance(other, WishboneSignature) and self.address_bits == other.address_bits


def decode(m: Module, bus, low, high) -> None:
    """Connect ``bus`` to two others of half its addresses: the highest address bit chooses ``high``.

    Without ``high``, None, its addresses are answered with ``err``.
    """
    if high is None:
        _decode_low(m, bus, low)
        return
    chosen = bus.adr[-1]
    for half, mine in ((low, ~chosen), (high, chosen)):
        m.d.comb += [getattr(half, name).eq(getattr(bus, name)) for name in ("adr", "dat_w", "sel", "stb", "we")]
        m.d.comb += half.cyc.eq(bus.cyc & mine)
    m.d.comb += [
        bus.ack.eq(low.ack | high.ack),
        bus.err.eq(low.err | high.err),
        bus.dat_r.eq(Mux(high.ack, high.dat_r, low.dat_r)),
    ]


def _decode_low(m: Module, bus, low) -> None:
    chosen, missing = bus.adr[-1], Signal()
    m.d.sync += missing.eq(bus.cyc & bus.stb & chosen & ~missing)
    m.d.comb += [getattr(low, name).eq(getattr(bus, name)) for name in ("adr", "dat_w", "sel", "stb", "we")]
    m.d.comb += [
        low.cyc.eq(bus.cyc & ~chosen),
        bus.ack.eq(low.ack),
        bus.err.eq(low.err | missing),
        bus.dat_r.eq(low.dat_r),
    ]

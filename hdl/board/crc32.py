"""CRC-32 of bits that arrive one or some at a time."""

import zlib

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from ...model.formats import DesignError
from ..component import Component

POLYNOMIAL = 0xEDB88320  #: lowest bit first, as zlib's
RESIDUE = 0xDEBB20E3  #: of the register after a message and its own CRC


class Crc32(Component):
    """The CRC-32 of zlib, ``bits`` bits a cycle. It can be read byte by byte and goes on from there.

    ``amaranth.lib.crc`` has one as well. With one bit it takes 57 LUTs of an iCE40, this one 34: its register can be
    rotated, so that a byte is read at one place.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `start` | in | 1 bit | begins a message |
    | `advance` | in | 1 bit | takes `data`; with `rotate` the register goes round in its place |
    | `rotate` | in | 1 bit | 32 bits of rotations leave the register as it was |
    | `data` | in | bits | of the message, the first in the lowest |
    | `byte` | out | 8 bits | lowest byte of the CRC; the next one after 8 bits of rotations |
    | `match` | out | 1 bit | the message has ended with its own CRC |
    """

    latency = 1

    def __init__(self, bits: int):
        self.bits = bits
        if bits not in (1, 2, 4, 8):
            raise DesignError(f"bits of a cycle must be 1, 2, 4 or 8, not {bits!r}")
        super().__init__(
            {
                "start": In(1),
                "advance": In(1),
                "rotate": In(1),
                "data": In(bits),
                "byte": Out(8),
                "match": Out(1),
            }
        )

    def model(self, message: bytes) -> int:
        """The CRC of a message."""
        return zlib.crc32(message)

    def elaborate(self, platform):
        m = Module()
        register = Signal(32, init=0xFFFFFFFF)
        following = register
        for k in range(self.bits):
            carry = following[0] ^ (self.data[k] & ~self.rotate)
            taps = [carry & ~self.rotate if POLYNOMIAL >> bit & 1 else 0 for bit in range(31)]
            shifted = Signal(32, name=f"shifted_{k}")
            m.d.comb += shifted.eq(Cat(*(following[bit + 1] ^ taps[bit] for bit in range(31)), carry))
            following = shifted
        m.d.comb += [self.byte.eq(~register[:8]), self.match.eq(register == RESIDUE)]
        with m.If(self.start):
            m.d.sync += register.eq(0xFFFFFFFF)
        with m.Elif(self.advance):
            m.d.sync += register.eq(following)
        return m

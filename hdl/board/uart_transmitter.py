"""The sending half of a UART."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ...model.formats import check_integer
from ..component import Component


class UartTransmitter(Component):
    """Bytes onto a serial line: 8 bits, lowest first, no parity, one stop bit.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bytes` | in | stream of 8 bits | taken while the line is idle |
    | `tx` | out | 1 bit | the line, straight from a flip-flop |
    """

    latency = 1

    def __init__(self, divisor: int):
        self.divisor = check_integer("cycles of a bit", divisor, 8, 65535)
        super().__init__({"bytes": In(stream.Signature(8)), "tx": Out(1)})

    def model(self, content: bytes) -> list[int]:
        """The line's levels, one a cycle, for bytes that follow each other at once."""
        bits = [bit for byte in content for bit in (0, *(byte >> k & 1 for k in range(8)), 1)]
        return [bit for bit in bits for _ in range(self.divisor)]

    def elaborate(self, platform):
        m = Module()
        bits = Signal(10, init=1)  #: what is still to be sent; the stop bit alone is an idle line
        left = Signal(range(self.divisor))
        m.d.comb += [self.tx.eq(bits[0]), self.bytes.ready.eq((bits[1:] == 0) & (left == 0))]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.bytes.ready), m.If(self.bytes.valid):
            m.d.sync += [bits.eq(Cat(Const(0, 1), self.bytes.payload, Const(1, 1))), left.eq(self.divisor - 1)]
        with m.Else():
            m.d.sync += [bits.eq(bits[1:]), left.eq(self.divisor - 1)]
        return m

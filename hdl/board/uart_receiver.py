"""The receiving half of a UART."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ...model.formats import check_integer
from ..component import Component


class UartReceiver(Component):
    """Bytes from a serial line: 8 bits, lowest first, no parity, one stop bit.

    Each bit is sampled in its middle. A start bit that is over by its middle was a glitch. A byte without a stop bit
    is dropped, and the line must rise before the next one begins.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `rx` | in | 1 bit | the line, of no clock: two flip-flops synchronise it |
    | `data` | out | 8 bits | the byte, in the cycle of `valid` |
    | `valid` | out | 1 bit | high for one cycle, in the middle of the stop bit |
    """

    def __init__(self, divisor: int):
        self.divisor = check_integer("cycles of a bit", divisor, 8, 65535)
        super().__init__({"rx": In(1), "data": Out(8), "valid": Out(1)})

    @property
    def latency(self) -> int:
        """Cycles from the first one with a low line to ``valid``: 9 and a half bits and the synchroniser."""
        return 9 * self.divisor + self.divisor // 2 + 2

    def model(self, line: list[int]) -> list[int]:
        """Bytes of a line's levels, one a cycle, high before."""
        found, levels, at = [], [1, *line], 1
        while at < len(levels):
            middles = [at + self.divisor // 2 + self.divisor * k for k in range(10)]
            if levels[at] or not levels[at - 1]:
                at += 1
            elif middles[-1] >= len(levels):
                break
            elif levels[middles[0]]:
                at = middles[0] + 1
            else:
                *bits, stop = (levels[middle] for middle in middles[1:])
                found += [sum(bit << k for k, bit in enumerate(bits))] if stop else []
                at = middles[-1] + 1
        return found

    def elaborate(self, platform):
        m = Module()
        line, before = Signal(init=1), Signal(init=1)
        left, bits = Signal(range(self.divisor)), Signal(9)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        m.d.comb += self.data.eq(bits[1:])
        m.d.sync += [before.eq(line), left.eq(left - 1)]
        with m.FSM():
            with m.State("idle"):
                m.d.sync += left.eq(self.divisor // 2 - 1)
                with m.If(before & ~line):
                    m.next = "start"
            with m.State("start"), m.If(left == 0):
                m.d.sync += [left.eq(self.divisor - 1), bits.eq(0x1FF)]
                with m.If(line):
                    m.next = "idle"
                with m.Else():
                    m.d.sync += bits[8].eq(0)
                    m.next = "bits"
            with m.State("bits"), m.If(left == 0):
                m.d.sync += left.eq(self.divisor - 1)
                with m.If(bits[0]):
                    m.d.sync += bits.eq(Cat(bits[1:], line))
                with m.Else():  # the start bit has arrived at the bottom: this is the stop bit
                    m.d.comb += self.valid.eq(line)
                    m.next = "idle"
        return m

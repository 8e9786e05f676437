"""Results to bytes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ...model.design import Design
from ...model.link import result_bytes
from ..component import Component
from ..streams import output_stream


class ResultSplitter(Component):
    """Hands a result on byte by byte, the lowest first, and takes it in the cycle after its last byte.

    ``y`` is ready by a register: the way from the queue of bytes to the arrays is long on a large part.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `y` | in | stream of results, marks | of the network |
    | `bytes` | out | stream of 8 bits | the same |
    | `whole` | out | 1 bit | in this cycle a result's last byte goes |
    | `ended` | out | 1 bit | it is of a sequence's last step |
    | `flush` | in | 1 bit | drops the result that waits |
    """

    latency = 0

    def __init__(self, design: Design):
        self.result_bytes = result_bytes(design)
        super().__init__(
            {
                "y": In(output_stream(design.layers[-1])),
                "bytes": Out(stream.Signature(8)),
                "whole": Out(1),
                "ended": Out(1),
                "flush": In(1),
            }
        )

    def model(self, payload: int) -> bytes:
        """Bytes of a result."""
        return payload.to_bytes(self.result_bytes, "little")

    def elaborate(self, platform):
        m = Module()
        at, spent = Signal(range(max(self.result_bytes, 2))), Signal()
        last = at == self.result_bytes - 1
        m.d.comb += [
            self.bytes.payload.eq(self.y.payload.as_value().word_select(at, 8)),
            self.bytes.valid.eq(self.y.valid & ~spent),
            self.whole.eq(self.bytes.valid & self.bytes.ready & last),
            self.ended.eq(self.whole & self.y.payload.last),
            self.y.ready.eq(spent),
        ]
        m.d.sync += spent.eq(self.whole | (self.bytes.valid & self.flush))
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += at.eq(at + 1)
        with m.If(self.whole | self.flush):
            m.d.sync += at.eq(0)
        return m

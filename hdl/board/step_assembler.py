"""Bytes to time steps."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ...model.design import Design
from ...model.link import step_bytes
from ..component import Component
from ..streams import input_stream


class StepAssembler(Component):
    """Gathers the bytes of a time step, the lowest first, and offers it. The next one's bytes wait until it is taken.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bytes` | in | stream of 8 bits | time steps |
    | `x` | out | stream of m x Dx bits, marks | for the network |
    | `ended` | out | 1 bit | in this cycle a sequence's last step is taken |
    | `flush` | in | 1 bit | drops bytes, and a step that waits |
    """

    latency = 1

    def __init__(self, design: Design):
        self.step_bytes = step_bytes(design)
        super().__init__(
            {
                "bytes": In(stream.Signature(8)),
                "x": Out(input_stream(design.layers[0])),
                "ended": Out(1),
                "flush": In(1),
            }
        )

    def model(self, content: bytes) -> list[int]:
        """Payloads of the whole steps in the bytes."""
        size, payload = self.step_bytes, len(self.x.payload.as_value())
        whole = range(0, len(content) - size + 1, size)
        return [int.from_bytes(content[at : at + size], "little") % 2**payload for at in whole]

    def elaborate(self, platform):
        m = Module()
        step = Signal(8 * self.step_bytes, reset_less=True)
        count = Signal(range(self.step_bytes + 1))
        m.d.comb += [
            self.x.payload.eq(step),
            self.x.valid.eq(count == self.step_bytes),
            self.bytes.ready.eq(~self.x.valid),
            self.ended.eq(self.x.valid & self.x.ready & self.x.payload.last),
        ]
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += [step.eq(Cat(step[8:], self.bytes.payload)), count.eq(count + 1)]
        with m.If(self.flush | (self.x.valid & self.x.ready)):
            m.d.sync += count.eq(0)
        return m

"""The ADC multiplexer controller: steps the column multiplexers and the ADCs through one time step."""

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from ..model.layers import Layer
from .component import Component


def time_step_cycles(conversions: int, cycles: int, tail: int, contexts: int = 1) -> int:
    """Cycles from one time step's first ``convert`` to the next one's, when input and output do not wait.

    Of interleaved sequences, of which the tail of one is time for the others: the mean, rounded up.
    """
    if contexts == 1:
        return conversions * cycles + tail
    return max(conversions * cycles, -(-(conversions * cycles + tail) // contexts))


class AdcSequencer(Component):
    """Converts the M columns behind every ADC, one after the other, once for each time step.

    1. Wait until ``ready_rows`` says that the rows hold a whole time step: the input is there and, for an LSTM,
       all of h(t-1) is.
    2. Put ``select`` on column 0 and pulse ``convert``.
    3. Wait for the macro: its ``done``, or the design's fixed number of cycles.
    4. Pulse ``take`` in the cycle in which the codes are valid; ``step`` says which columns they are.
    5. If columns are left: advance ``select``, pulse ``convert`` in the next cycle and go to 3. The pipeline
       behind works on the codes of the last conversion meanwhile.
    6. Before the last column's ``convert``, wait until ``result_free`` says that the result of the time step
       before has been handed on: the pipeline behind it then never has to stop.
    7. After the last column pulse ``take_last`` with ``take``; for ``tail`` cycles the pipeline drains; go to 1.
       With a tail of 0 the next time step begins in the next cycle, if it is there by then.

    ``convert`` answers ``ready_rows``, and ``take`` ``done``, in the same cycle.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `ready_rows` | in | 1 bit | the rows hold a time step |
    | `result_free` | in | 1 bit | the result of the time step before is handed on |
    | `done` | in | 1 bit | of the macro; not looked at where the design fixes a conversion's time |
    | `select` | out | 0..M-1 | column that the multiplexers connect |
    | `convert` | out | 1 bit | begins a conversion |
    | `take` | out | 1 bit | the codes are valid in this cycle |
    | `take_last` | out | 1 bit | and are the time step's last |
    | `step` | out | 0..M-1 | which columns they are |
    | `busy` | out | 1 bit | from a time step's first ``convert`` to the end of its tail |
    """

    latency = 0

    def __init__(self, layer: Layer, tail: int):
        self.conversions = layer.conversions
        self.conversion_cycles = layer.conversion_cycles
        self.tail = check_integer("tail", tail, 0, 6)
        index = range(max(self.conversions, 2))
        super().__init__(
            {
                "ready_rows": In(1),
                "result_free": In(1),
                "done": In(1),
                "select": Out(index),
                "convert": Out(1),
                "take": Out(1),
                "take_last": Out(1),
                "step": Out(index),
                "busy": Out(1),
            }
        )

    def model(self, conversion: int) -> np.ndarray:
        """Cycles of ``convert`` and ``take`` of each column (M, 2) from a time step's first one, nothing waiting.

        ``conversion`` counts the cycles of ``convert`` and of ``done`` and all between.
        """
        return np.arange(self.conversions)[:, None] * conversion + np.array([0, conversion - 1])

    def cycles(self, conversion: int) -> int:
        """Cycles of a time step whose conversions take ``conversion``, nothing waiting."""
        return time_step_cycles(self.conversions, conversion, self.tail)

    def elaborate(self, platform):
        m = Module()
        converting = Signal()
        between = Signal()  # columns of this time step are left
        draining = Signal(max(self.tail.bit_length(), 1))  # a signal of no bits is no Verilog
        done = Signal()
        last = Signal()
        m.d.comb += [
            last.eq(self.select == self.conversions - 1),
            self.convert.eq(~converting & (draining == 0) & (between | self.ready_rows) & (~last | self.result_free)),
            self.take.eq(converting & done),
            self.take_last.eq(self.take & last),
            self.step.eq(self.select),
            self.busy.eq(converting | between | (draining != 0)),
        ]
        if self.conversion_cycles:
            elapsed = Signal(range(self.conversion_cycles))
            m.d.comb += done.eq(elapsed == self.conversion_cycles - 1)
            with m.If(self.convert):
                m.d.sync += elapsed.eq(1)
            with m.Else():
                m.d.sync += elapsed.eq(elapsed + 1)
        else:
            m.d.comb += done.eq(self.done)
        with m.If(draining != 0):
            m.d.sync += draining.eq(draining - 1)
        with m.If(self.convert):
            m.d.sync += converting.eq(1)
        with m.If(self.take):
            m.d.sync += converting.eq(0)
            with m.If(last):
                m.d.sync += [self.select.eq(0), between.eq(0), draining.eq(self.tail)]
            with m.Else():
                following = self.select + 1 if self.conversions > 1 else 0  # constant: what it addresses shrinks
                m.d.sync += [self.select.eq(following), between.eq(1)]
        return m

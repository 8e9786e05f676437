"""In which order the results of interleaved sequences are handed on, and when a context may have a new one."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from .component import Component


class ContextResults(Component):
    """A queue of contexts whose results are there, in the order of their steps; each has one at most.

    A result waits in the bank of its context. The step after it may begin its last conversion when the result has
    been handed on, at the latest in that very cycle. So no bank is overwritten, and no pipeline has to stop.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `context` | in | 0..B-1 | of the step that is converted |
    | `free` | out | 1 bit | it may begin its last conversion |
    | `begun` | in | 1 bit | it does in this cycle |
    | `first`, `last` | in | 1 bit | its marks |
    | `finished` | in | 1 bit | the result of a step is in its bank from the next cycle on |
    | `finished_context` | in | 0..B-1 | whose |
    | `valid` | out | 1 bit | a result is there |
    | `ready` | in | 1 bit | it is taken |
    | `shown` | out | 0..B-1 | whose it is |
    | `shown_first`, `shown_last` | out | 1 bit | its marks |
    | `busy` | out | 1 bit | a result is on its way or waits |
    """

    latency = 1

    def __init__(self, contexts: int):
        self.contexts = check_integer("contexts", contexts, 2, 16)
        context = range(contexts)
        super().__init__(
            {
                "context": In(context),
                "free": Out(1),
                "begun": In(1),
                "first": In(1),
                "last": In(1),
                "finished": In(1),
                "finished_context": In(context),
                "valid": Out(1),
                "ready": In(1),
                "shown": Out(context),
                "shown_first": Out(1),
                "shown_last": Out(1),
                "busy": Out(1),
            }
        )

    def model(self, finished: Iterable[int]) -> list[int]:
        """Contexts in the order in which their results are handed on."""
        return list(finished)

    def elaborate(self, platform):
        m = Module()
        contexts = range(self.contexts)
        waiting, firsts, lasts = (Signal(self.contexts, name=name) for name in ("waiting", "firsts", "lasts"))
        order = [Signal.like(self.shown, name=f"order_{k}", reset_less=True) for k in contexts]
        count = Signal(range(self.contexts + 1))
        taken = Signal()
        m.d.comb += [
            self.valid.eq(count != 0),
            self.shown.eq(order[0]),
            taken.eq(self.valid & self.ready),
            self.free.eq(~waiting.bit_select(self.context, 1) | (taken & (self.shown == self.context))),
            self.shown_first.eq(firsts.bit_select(self.shown, 1)),
            self.shown_last.eq(lasts.bit_select(self.shown, 1)),
            self.busy.eq(waiting.any()),
        ]
        for k in contexts:
            with m.If(taken & (self.shown == k)):
                m.d.sync += waiting[k].eq(0)
            with m.If(self.begun & (self.context == k)):
                m.d.sync += [waiting[k].eq(1), Cat(firsts[k], lasts[k]).eq(Cat(self.first, self.last))]
            with m.If(taken & (k + 1 < self.contexts)):
                m.d.sync += order[k].eq(order[min(k + 1, self.contexts - 1)])
            with m.If(self.finished & (Mux(taken, count - 1, count) == k)):
                m.d.sync += order[k].eq(self.finished_context)
        m.d.sync += count.eq(count + self.finished - taken)
        return m

"""Turns of interleaved sequences: holds an input of each context and gives the array to one after the other."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..model.layers import Layer
from .component import Component
from .streams import input_layout, input_stream


class ContextTurns(Component):
    """Inputs of B contexts, one deep each, and whose turn it is: round robin among those that can run.

    A context can run when its input is held, no step of it is under way, and, in a layer with feedback, its hidden
    codes of the step before are ``whole``. The next context has the rows in the cycle after ``ended``. It is the
    first behind the present one that can run, so one that has no input costs the others nothing. Where none can run,
    the rows change hands in the cycle after one can.

    ``row_codes``, ``first`` and ``context`` come through a multiplexer behind registers. They change in the cycle
    after ``ended`` and are stable to the next one. ``x.ready`` depends on the context that ``x`` carries; a number
    that is no context's is never taken.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps, of each context in order |
    | `wanted` | in | 1 bit | the step that ``x`` carries is not dropped |
    | `hidden` | in | B x n*D bits | hidden codes of each context; only of a layer with feedback |
    | `ended` | in | 1 bit | the last codes of the present step are taken |
    | `whole` | in | 1 bit | a step's hidden codes are there in the next cycle but one; only with feedback |
    | `whole_context` | in | 0..B-1 | whose; only with feedback |
    | `row_codes` | out | inputs, then hidden codes | of the present step |
    | `first`, `last` | out | 1 bit | its marks |
    | `context` | out | 0..B-1 | its context |
    | `ready` | out | 1 bit | the rows hold a step |
    | `busy` | out | 1 bit | an input is held |
    """

    latency = 2  #: from an input that is taken to the rows that have it, where nothing else runs

    def __init__(self, layer: Layer, contexts: int):
        self.layer, self.contexts = layer, contexts
        members = {
            "x": In(input_stream(layer, contexts)),
            "wanted": In(1, init=1),
            "ended": In(1),
            "row_codes": Out(layer.inputs * layer.input_bits + layer.hidden * layer.dac_bits),
            "first": Out(1),
            "last": Out(1),
            "context": Out(range(contexts)),
            "ready": Out(1),
            "busy": Out(1),
        }
        if layer.hidden:
            members |= {
                "hidden": In(data.ArrayLayout(layer.hidden * layer.dac_bits, contexts)),
                "whole": In(1),
                "whole_context": In(range(contexts)),
            }
        super().__init__(members)

    def model(self, present: int, can_run: Sequence[bool]) -> int | None:
        """Whose turn is next behind ``present``, of the contexts that can run (B,); None where none can."""
        order = [(present + k) % self.contexts for k in range(1, self.contexts + 1)]
        return next((context for context in order if can_run[context]), None)

    def elaborate(self, platform):
        m = Module()
        layer, contexts = self.layer, range(self.contexts)
        held = [Signal(input_layout(layer), name=f"held_{k}", reset_less=True) for k in contexts]
        full, claimed = Signal(self.contexts), Signal(self.contexts)

        m.d.comb += self.x.ready.eq(Cat((self.x.payload.context == k) & ~full[k] for k in contexts).any())
        for k in contexts:
            with m.If(self.ended & (self.context == k)):
                m.d.sync += full[k].eq(0)
            with m.If(self.x.valid & self.x.ready & (self.x.payload.context == k) & self.wanted):
                m.d.sync += [full[k].eq(1), held[k].as_value().eq(self.x.payload.as_value())]  # all but the context

        # Whose turn it is next: the lowest behind the present one, else the lowest of all.
        can_run, behind, chosen = Signal(self.contexts), Signal(self.contexts), Signal(self.contexts)
        free, following = Signal(), Signal.like(self.context)
        m.d.comb += [
            can_run.eq(full & ~claimed),
            behind.eq(can_run & Cat(self.context < k for k in contexts)),
            chosen.eq(Mux(behind.any(), behind, can_run)),
            free.eq(~self.ready | self.ended),
        ]
        for k in reversed(contexts):
            with m.If(chosen[k]):
                m.d.comb += following.eq(k)
        with m.If(free):
            m.d.sync += self.ready.eq(can_run.any())
            with m.If(can_run.any()):
                m.d.sync += self.context.eq(following)

        # A context is claimed from its turn on; with feedback until its hidden codes are whole.
        over = (self.whole, self.whole_context) if layer.hidden else (self.ended, self.context)
        for k in contexts:
            with m.If(over[0] & (over[1] == k)):
                m.d.sync += claimed[k].eq(0)
            with m.If(free & can_run.any() & (following == k)):
                m.d.sync += claimed[k].eq(1)

        with m.Switch(self.context):
            for k in contexts:
                with m.Case(k):
                    hidden = self.hidden[k] if layer.hidden else Cat()
                    m.d.comb += [
                        self.row_codes.eq(Cat(held[k].values, hidden)),
                        self.first.eq(held[k].first),
                        self.last.eq(held[k].last),
                    ]
        m.d.comb += self.busy.eq(full.any())
        return m

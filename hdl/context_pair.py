"""Both directions of a layer that contexts share: steps to two layers, and their outputs joined."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from ..model.layers import Layer
from .component import Component
from .direction_pair import joined_values
from .sequence_store import SequenceStore
from .streams import input_stream, output_layout, output_stream, step_layout

ADMITTED = 3  #: sequences of a context that are under way: taken in, computed backwards, handed on


class ContextPair(Component):
    """A :class:`~.direction_pair.DirectionPair` for interleaved sequences.

    Of each context at most :data:`ADMITTED` sequences are between `x` and `y`. The stores of both layers' outputs
    hold them all, and one more that may turn out too long. So neither layer's outputs ever wait for the other's,
    and no context can hold up another but at `x` and `y` themselves.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps |
    | `y` | out | stream of hidden codes, marks, context | those of the forward layer in the lower bits |
    | `forward_x` | out | stream of m x Dx bits, marks, context | to the forward layer |
    | `forward_y` | in | stream of hidden codes, marks, context | its outputs |
    | `reverse_x` | out | stream of m x Dx bits, marks, context | to the layer in reverse |
    | `reverse_y` | in | stream of hidden codes, marks, context | its outputs, of each context in the order of time |
    | `busy` | out | 1 bit | outputs of a whole sequence wait |
    """

    latency = SequenceStore.latency

    def __init__(self, forward: Layer, reverse: Layer, contexts: int):
        self.contexts = check_integer("contexts", contexts, 2, 16)
        self.forward, self.reverse = forward, reverse
        super().__init__(
            {
                "x": In(input_stream(forward, contexts)),
                "y": Out(stream.Signature(step_layout(joined_values(forward, reverse), contexts))),
                "forward_x": Out(input_stream(forward, contexts)),
                "forward_y": In(output_stream(forward, contexts)),
                "reverse_x": Out(input_stream(reverse, contexts)),
                "reverse_y": In(output_stream(reverse, contexts)),
                "busy": Out(1),
            }
        )

    def model(self, forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
        """Joined outputs of both layers' (B, T, n) and (B, T, n')."""
        return np.concatenate([forward, reverse], axis=2)

    def elaborate(self, platform):
        m = Module()
        x, y, to, back, second = self.x, self.y, self.forward_x, self.reverse_x, self.reverse_y
        payload: data.StructLayout = output_layout(self.forward)
        admitted, busy, store_ready = [], [], []
        for k in range(self.contexts):
            store = SequenceStore(payload, self.reverse.max_steps, backwards=False, banks=ADMITTED + 1)
            m.submodules[f"store_{k}"] = store
            mine = self.forward_y.payload.context == k
            m.d.comb += [
                store.x.payload.as_value().eq(self.forward_y.payload.as_value()),  # all but the context
                store.x.valid.eq(self.forward_y.valid & mine),
                store.y.ready.eq(second.valid & y.ready & (second.payload.context == k)),
            ]
            with m.If(second.payload.context == k):
                values = Cat(store.y.payload.values.as_value(), second.payload.values.as_value())
                m.d.comb += [
                    y.payload.values.as_value().eq(values),
                    y.payload.first.eq(store.y.payload.first),
                    y.payload.last.eq(store.y.payload.last),
                    y.valid.eq(store.y.valid & second.valid),
                    second.ready.eq(store.y.valid & y.ready),
                ]
            admitted.append((x.payload.context == k) & self._admission(m, k))
            store_ready.append(mine & store.x.ready)
            busy.append(store.busy)
        may = Signal()
        m.d.comb += [
            # The layers' `ready` do not wait for `valid`.
            may.eq(Cat(admitted).any()),
            to.payload.eq(x.payload),
            back.payload.eq(x.payload),
            to.valid.eq(x.valid & may & back.ready),
            back.valid.eq(x.valid & may & to.ready),
            x.ready.eq(may & to.ready & back.ready),
            y.payload.context.eq(second.payload.context),
            self.forward_y.ready.eq(Cat(store_ready).any()),
            self.busy.eq(Cat(busy).any()),
        ]
        return m

    def _admission(self, m: Module, context: int) -> Signal:
        """High where the context's step at `x` may be taken: it is no new sequence, or not one too many.

        Counts as the stores do: a sequence that is too long, or begun anew, is not under way any more.
        """
        x, y = self.x, self.y
        step, next_step = (Signal(range(self.reverse.max_steps + 1), name=f"{n}_{context}") for n in ("step", "next"))
        running, dropping = Signal(name=f"running_{context}"), Signal(name=f"dropping_{context}")
        count = Signal(range(ADMITTED + 1), name=f"count_{context}")
        may, begins, taken, longer, over, done = (
            Signal(name=f"{n}_{context}") for n in ("may", "begins", "taken", "longer", "over", "done")
        )
        m.d.comb += [
            begins.eq(~running & (x.payload.first | ~dropping)),
            may.eq(~begins | (count != ADMITTED)),
            taken.eq(x.valid & x.ready & (x.payload.context == context)),
            step.eq(Mux(x.payload.first, 0, next_step)),
            longer.eq(step == self.reverse.max_steps),
            over.eq((dropping & ~x.payload.first) | longer),
            done.eq(y.valid & y.ready & y.payload.last & (y.payload.context == context)),
        ]
        with m.If(taken):
            m.d.sync += [
                dropping.eq(over & ~x.payload.last),
                running.eq(~over & ~x.payload.last),
                next_step.eq(Mux(over | x.payload.last, 0, step + 1)),
            ]
        m.d.sync += count.eq(count + (taken & begins) - (taken & longer & running) - done)
        return may

"""Memories of whole sequences for each context, between streams that all contexts share."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from .component import Component
from .sequence_store import SequenceStore
from .streams import step_layout


class ContextStores(Component):
    """A :class:`~.sequence_store.SequenceStore` for each context; steps go in and out by the context they carry.

    Contexts that have a step to hand on take turns, a step each. A step stays at `y` until it is taken, or until
    `pass_on` says that its context cannot go on now: then the next one's is shown.

    `x.ready` depends on the context that `x` carries, and is 0 for a number that is no context's.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of values, marks, context | steps of sequences |
    | `y` | out | stream of values, marks, context | the same sequences, whole ones only |
    | `pass_on` | in | 1 bit | where `y` is not taken, show another context's step |
    | `busy` | out | 1 bit | a whole sequence is here, or steps of it |
    | `too_long` | out | 1 bit | a sequence is refused |
    """

    latency = SequenceStore.latency + 1  #: the turn must be found

    def __init__(self, values, max_steps: int, contexts: int, *, backwards: bool, banks: int = 2):
        self.contexts = check_integer("contexts", contexts, 2, 16)
        self._values, self.backwards, self.banks = values, backwards, banks
        self.max_steps = max_steps
        payload = step_layout(values, contexts)
        super().__init__(
            {
                "x": In(stream.Signature(payload)),
                "y": Out(stream.Signature(payload)),
                "pass_on": In(1),
                "busy": Out(1),
                "too_long": Out(1),
            }
        )

    def model(self, sent: Sequence[tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
        """By context: (sequence, step) of every step that is handed on, in order, of ``sent`` (context, length)."""
        found: dict[int, list[tuple[int, int]]] = {context: [] for context in range(self.contexts)}
        order = -1 if self.backwards else 1
        for number, (context, length) in enumerate(sent):
            if length <= self.max_steps:
                found[context] += [(number, step) for step in list(range(length))[::order]]
        return found

    def elaborate(self, platform):
        m = Module()
        x, y, contexts = self.x, self.y, range(self.contexts)
        payload: data.StructLayout = step_layout(self._values)
        stores = [
            SequenceStore(payload, self.max_steps, backwards=self.backwards, banks=self.banks) for _ in contexts
        ]
        waiting, behind, chosen = Signal(self.contexts), Signal(self.contexts), Signal(self.contexts)
        shown, following = Signal.like(y.payload.context), Signal.like(y.payload.context)
        for k, store in enumerate(stores):
            m.submodules[f"store_{k}"] = store
            mine = x.payload.context == k
            m.d.comb += [
                store.x.payload.as_value().eq(x.payload.as_value()),  # all but the context
                store.x.valid.eq(x.valid & mine),
                store.y.ready.eq(y.ready & (shown == k)),
            ]
            with m.If(shown == k):
                m.d.comb += [
                    y.payload.as_value().eq(Cat(store.y.payload.as_value(), shown)),
                    y.valid.eq(store.y.valid),
                ]
        m.d.comb += [
            x.ready.eq(Cat((x.payload.context == k) & store.x.ready for k, store in enumerate(stores)).any()),
            self.busy.eq(Cat(store.busy for store in stores).any()),
            self.too_long.eq(Cat(store.too_long for store in stores).any()),
            waiting.eq(Cat(store.y.valid & (shown != k) for k, store in enumerate(stores))),
            behind.eq(waiting & Cat(shown < k for k in contexts)),
        ]
        with m.If(behind.any()):
            m.d.comb += chosen.eq(behind)
        with m.Else():
            m.d.comb += chosen.eq(waiting)
        for k in reversed(contexts):
            with m.If(chosen[k]):
                m.d.comb += following.eq(k)
        with m.If(waiting.any() & (~y.valid | y.ready | self.pass_on)):
            m.d.sync += shown.eq(following)
        return m

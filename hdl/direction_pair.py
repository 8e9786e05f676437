"""Both directions of a layer: one stream of steps to two layers, and their outputs joined."""

import numpy as np
from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..model.layers import Layer
from .component import Component
from .sequence_store import SequenceStore
from .streams import input_stream, output_stream, step_layout


def joined_values(forward: Layer, reverse: Layer) -> data.ArrayLayout:
    """Outputs of both layers of a step."""
    return data.ArrayLayout(forward.output_bits, forward.outputs + reverse.outputs)


class DirectionPair(Component):
    """Gives every step to a ``forward`` layer and to one in ``reverse``, and joins what both hand on of a step.

    A step is taken when both layers can take it. The forward layer's outputs wait in a store for those of the other
    one, which come after the sequence's last step. The store has three banks: of the sequence that the forward layer
    is at, of the one that the other layer is at, and of the one that is handed on. So neither layer waits for the
    other. It drops sequences that are too long, of which the layer in reverse hands on nothing.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks | time steps |
    | `y` | out | stream of hidden codes, marks | those of the forward layer in the lower bits |
    | `forward_x` | out | stream of m x Dx bits, marks | to the forward layer |
    | `forward_y` | in | stream of hidden codes, marks | its outputs |
    | `reverse_x` | out | stream of m x Dx bits, marks | to the layer in reverse |
    | `reverse_y` | in | stream of hidden codes, marks | its outputs, in the order of time |
    | `busy` | out | 1 bit | outputs of a whole sequence wait |
    """

    latency = SequenceStore.latency

    def __init__(self, forward: Layer, reverse: Layer):
        self.forward, self.reverse = forward, reverse
        super().__init__(
            {
                "x": In(input_stream(forward)),
                "y": Out(stream.Signature(step_layout(joined_values(forward, reverse)))),
                "forward_x": Out(input_stream(forward)),
                "forward_y": In(output_stream(forward)),
                "reverse_x": Out(input_stream(reverse)),
                "reverse_y": In(output_stream(reverse)),
                "busy": Out(1),
            }
        )

    def model(self, forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
        """Joined outputs of both layers' (B, T, n) and (B, T, n')."""
        return np.concatenate([forward, reverse], axis=2)

    def elaborate(self, platform):
        m = Module()
        x, y, to, back = self.x, self.y, self.forward_x, self.reverse_x
        m.submodules.store = store = SequenceStore(
            self.forward_y.payload.shape(), self.reverse.max_steps, backwards=False, banks=3
        )
        wiring.connect(m, wiring.flipped(self.forward_y), store.x)
        first, second = store.y, self.reverse_y
        m.d.comb += [
            # The layers' `ready` do not wait for `valid`.
            to.payload.eq(x.payload),
            back.payload.eq(x.payload),
            to.valid.eq(x.valid & back.ready),
            back.valid.eq(x.valid & to.ready),
            x.ready.eq(to.ready & back.ready),
            y.payload.values.as_value().eq(Cat(first.payload.values.as_value(), second.payload.values.as_value())),
            y.payload.first.eq(first.payload.first),
            y.payload.last.eq(first.payload.last),
            y.valid.eq(first.valid & second.valid),
            first.ready.eq(second.valid & y.ready),
            second.ready.eq(first.valid & y.ready),
            self.busy.eq(store.busy),
        ]
        return m

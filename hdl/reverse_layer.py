"""A recurrent layer that takes a sequence from its last step to its first."""

from dataclasses import replace

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from ..model.layers import LstmLayer, RecurrentLayer, RnnLayer
from .component import Component
from .context_pair import ADMITTED
from .context_stores import ContextStores
from .layer_port import LayerTwin, layer_members
from .lstm_layer import LstmLayerCore
from .rnn_layer import RnnLayerCore
from .sequence_store import SequenceStore
from .streams import input_layout, output_layout


def forward_core(layer: RecurrentLayer, trace: bool = False, contexts: int = 1) -> LstmLayerCore | RnnLayerCore:
    """The component of a layer with feedback that runs forwards."""
    if isinstance(layer, RnnLayer):
        return RnnLayerCore(layer, trace, contexts)
    assert isinstance(layer, LstmLayer)
    return LstmLayerCore(layer, trace, contexts)


class ReverseLayerCore(LayerTwin[LstmLayer | RnnLayer], Component):
    """A forward layer between two stores that turn sequences round.

    The first store takes a whole sequence and hands it on backwards, the second one turns the outputs back. So both
    streams have steps in the order of time. Each store has two banks: while one sequence is computed, the next is
    taken in and the outputs of the one before are handed on. A sequence's outputs come after its last step.

    ``latency`` and the cycles of a time step are those of the forward layer within.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks | time steps |
    | `y` | out | stream of n hidden codes or values, marks | :func:`~.streams.output_layout` |
    | `array` | out | :class:`~.array_port.ReadSignature` | reading side of the array |
    | `table` | in | :class:`~.activation_tables.TableWriteSignature` | only with loaded tables |
    | `busy` | out | 1 bit | a whole sequence is held, computed or waiting to be taken |
    | `adc_saturations` | out | 0..K | ADC codes at either end of the range in the last cycle |
    | `cell_saturations` | out | 0..P | cell-state updates that saturated in the last cycle; only of an LSTM |
    | `too_long` | out | 1 bit | a sequence of more than ``max_steps`` is refused |
    | `trace` | out | as the layer within | only with ``trace``, in the order of computing |
    """

    def __init__(self, layer: LstmLayer | RnnLayer, trace: bool = False, contexts: int = 1):
        self.layer, self.contexts = layer, contexts
        self.core = forward_core(replace(layer, direction="forward", max_steps=0, joined=False), trace, contexts)
        self.traced = self.core.traced
        members = layer_members(layer, contexts) | {"too_long": Out(1)}
        if self.traced:
            members["trace"] = Out(self.core.trace.signature)
        super().__init__(members)

    @staticmethod
    def latency_of(layer: LstmLayer | RnnLayer, contexts: int = 1) -> int:
        if isinstance(layer, RnnLayer):
            return RnnLayerCore.latency_of(layer, contexts)
        return LstmLayerCore.latency_of(layer, contexts)

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        m.submodules.inputs = inputs = self._store(input_layout(layer))
        m.submodules.core = core = self.core
        m.submodules.outputs = outputs = self._store(output_layout(layer), ADMITTED if layer.joined else 2)
        if isinstance(inputs, ContextStores):  # the array does not wait for a context whose step is not over yet
            m.d.comb += inputs.pass_on.eq(~core.x.ready)
        wiring.connect(m, wiring.flipped(self.x), inputs.x)
        wiring.connect(m, inputs.y, core.x)
        wiring.connect(m, core.y, outputs.x)
        wiring.connect(m, outputs.y, wiring.flipped(self.y))
        wiring.connect(m, core.array, wiring.flipped(self.array))
        if layer.loaded_table_bits:
            wiring.connect(m, wiring.flipped(self.table), core.table)
        if self.traced:
            wiring.connect(m, core.trace, wiring.flipped(self.trace))
        m.d.comb += [
            self.busy.eq(inputs.busy | core.busy | outputs.busy),
            self.adc_saturations.eq(core.adc_saturations),
        ]
        if isinstance(core, LstmLayerCore):
            m.d.comb += self.cell_saturations.eq(core.cell_saturations)
        m.d.comb += self.too_long.eq(inputs.too_long)
        return m

    def _store(self, payload: data.StructLayout, banks: int = 2) -> SequenceStore | ContextStores:
        """That turns sequences round, those of each context by themselves; ``banks`` are of contexts alone."""
        if self.contexts == 1:
            return SequenceStore(payload, self.layer.max_steps, backwards=True)
        values = payload.members["values"]
        return ContextStores(values, self.layer.max_steps, self.contexts, backwards=True, banks=banks)

"""What every layer component has: streams, the reading side of its array, table writes, counts."""

from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..model.design import Design
from ..model.formats import signed_range
from ..model.layers import Layer
from ..model.network import LayerData, Network
from ..model.reference import LayerTrace, run
from .activation_tables import TableWriteSignature
from .array_port import ReadSignature
from .sequencer import time_step_cycles
from .streams import input_stream, output_stream
from .tile_sums import TileSums

_L = TypeVar("_L", bound=Layer)


def turn_signature(contexts: int) -> wiring.Signature:
    """For a test bench, where sequences interleave: the context of the step that is converted."""
    return wiring.Signature({"context": Out(range(contexts))})


def layer_members(layer: Layer, contexts: int = 1, *, turns: bool = False) -> dict[str, Member]:
    """Members of the signature of a layer component. ``turns``: with a trace that tells whose turn it is."""
    members = {
        "x": In(input_stream(layer, contexts)),
        "y": Out(output_stream(layer, contexts)),
        "array": Out(ReadSignature(layer)),
        "busy": Out(1),
        "adc_saturations": Out(range(layer.codes_at_once + 1)),
    }
    if layer.kind == "lstm":
        members["cell_saturations"] = Out(range(layer.lanes + 1))
    if layer.loaded_table_bits:
        members["table"] = In(TableWriteSignature(layer))
    if turns:
        members["trace"] = Out(turn_signature(contexts))
    return members


class LayerTwin(Generic[_L]):
    """The software side that every layer component has: its exact model and its time.

    A component says with ``latency_of`` how many cycles after a time step's last codes its result is valid.
    """

    layer: _L
    contexts: int = 1  #: sequences that share the array

    @staticmethod
    def latency_of(layer: _L, contexts: int = 1) -> int:
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Cycles from an input to its result, its conversions aside; one more for a context's turn."""
        return self.latency_of(self.layer, self.contexts) + (self.contexts > 1)

    @property
    def tail(self) -> int:
        """Cycles between a time step's last codes and the next one's first ``convert``, which meets the result.

        Of interleaved sequences, the next one of the same sequence.
        """
        return self.latency_of(self.layer, self.contexts) - 1

    def model(self, data: LayerData, codes: np.ndarray, lengths: np.ndarray | None = None) -> LayerTrace:
        """Every integer of this layer with ``data`` for DAC codes (B, T, m): the reference itself."""
        alone = replace(self.layer, joined=False) if self.layer.joined else self.layer
        network = Network(Design("layer", (alone,)), (data,))
        return run(network, codes, lengths).layers[0]

    def cycles(self, conversion: int) -> int:
        """Cycles of a time step whose conversions take ``conversion``, when neither input nor output waits."""
        return time_step_cycles(self.layer.conversions, conversion, self.tail, self.contexts)


def read_array(m: Module, core, sequencer, steps, hidden=None) -> None:
    """Connect a component's array: its rows as ``steps`` has them, and its time. ``hidden``: bank of its own rows."""
    layer, array = core.layer, core.array
    if hidden is None:
        m.d.comb += array.row_codes.as_value().eq(steps.rows(m))
    else:
        m.d.comb += [array.row_codes.as_value().eq(steps.rows(m, hidden)), array.hidden_drive.eq(~steps.first)]
    m.d.comb += [array.select.eq(sequencer.select), array.convert.eq(sequencer.convert)]
    steps.pace(m)
    if layer.conversion_cycles == 0:
        m.d.comb += sequencer.done.eq(array.done)
    if layer.diagnostics and layer.bias_rows:
        m.d.comb += array.bias_drive.eq(1)


def count_ones(bits):
    """Number of set bits, as a balanced tree of adders."""
    terms = list(bits)
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2])] + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def saturated_codes(layer: Layer, codes):
    """Number of ADC codes at either end of the range."""
    ends = [pattern % 2**layer.adc_bits for pattern in signed_range(layer.adc_bits)]
    return count_ones([(codes[k] == ends[0]) | (codes[k] == ends[1]) for k in range(layer.codes_at_once)])


def column_sums(m: Module, layer: Layer, codes):
    """The columns' codes of a conversion: ADC codes as they are or, of row tiles, their sums from the lowest on."""
    if layer.row_tiles == 1:
        return codes
    m.submodules.sums = sums = TileSums(layer)
    m.d.comb += sums.codes.eq(codes)
    return sums.sums

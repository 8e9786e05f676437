"""A simple recurrent layer: sequencer, table, and hidden-state feedback."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from ..model.layers import RnnLayer
from .activation_tables import ActivationTables
from .component import Component
from .layer_port import LayerTwin, column_sums, layer_members, read_array, saturated_codes
from .result_bank import ResultBank
from .sequencer import AdcSequencer
from .sequences import InterleavedSequences, OneSequence


class RnnLayerCore(LayerTwin[RnnLayer], Component):
    """A layer around one array, whose table gives the hidden state itself.

    Codes are taken in cycle 0; in cycle 1 the table's entries, which are DAC codes, go to the result bank. The bank
    shows them in cycle 2: to whoever takes the result, and on the hidden rows of the next time step, whose first
    conversion can start in that cycle.

    ``contexts`` = B > 1 sequences share the array (:class:`~.context_turns.ContextTurns`), each with a bank of its
    own. The next one's first conversion begins in the cycle after the last codes of the one before.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps |
    | `y` | out | stream of n hidden codes, marks, context | :func:`~.streams.output_layout` |
    | `array` | out | :class:`~.array_port.ReadSignature` | reading side of the array |
    | `table` | in | :class:`~.activation_tables.TableWriteSignature` | only with loaded tables |
    | `busy` | out | 1 bit | a time step is held, computed or waiting to be taken |
    | `adc_saturations` | out | 0..R * K | ADC codes at either end of the range in the last cycle |
    | `trace` | out | :func:`~.layer_port.turn_signature` | only with ``trace`` and contexts |
    """

    def __init__(self, layer: RnnLayer, trace: bool = False, contexts: int = 1):
        self.layer, self.contexts = layer, contexts
        self.traced = trace and contexts > 1
        super().__init__(layer_members(layer, contexts, turns=self.traced))

    @staticmethod
    def latency_of(layer: RnnLayer, contexts: int = 1) -> int:
        return ActivationTables.latency + ResultBank.latency

    def elaborate(self, platform):
        m = Module()
        layer, array = self.layer, self.array
        m.submodules.sequencer = sequencer = AdcSequencer(layer, self.tail if self.contexts == 1 else 0)
        flow: Any = OneSequence if self.contexts == 1 else InterleavedSequences
        steps = flow(m, self, sequencer)
        m.submodules.hidden = hidden = steps.bank(layer.conversions, layer.adcs * layer.dac_bits)
        m.submodules.tables = tables = ActivationTables(layer)
        read_array(m, self, sequencer, steps, hidden)

        # Cycle 0 addresses the table, cycle 1 (the tail) writes the bank.
        taken, finished, step = Signal(), Signal(), Signal.like(sequencer.step, reset_less=True)
        m.d.sync += [taken.eq(sequencer.take), finished.eq(sequencer.take_last), step.eq(sequencer.step)]
        steps.follow(m, [sequencer.step, step])
        steps.mark(m)
        m.d.comb += [
            tables.codes.eq(column_sums(m, layer, array.codes)),
            tables.take.eq(sequencer.take),
            hidden.word.eq(tables.entries.as_value()),
        ]
        steps.collect(m, hidden, self.tail, taken, step)
        m.d.comb += Cat(self.y.payload.values).eq(steps.shown(hidden))
        steps.hand_on(m, [sequencer.take_last, finished])
        if layer.tables == "loaded":
            wiring.connect(m, wiring.flipped(self.table), tables.write)

        m.d.sync += self.adc_saturations.eq(Mux(sequencer.take, saturated_codes(layer, array.codes), 0))
        m.d.comb += self.busy.eq(steps.busy)
        if self.traced:
            m.d.comb += self.trace.context.eq(steps.context[0])
        return m

"""A dense layer: sequencer, then a table to DAC codes, the codes themselves, or argmax."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from ..model.layers import DenseLayer
from .activation_tables import ActivationTables
from .argmax import Argmax
from .component import Component
from .layer_port import LayerTwin, column_sums, layer_members, read_array, saturated_codes
from .result_bank import ResultBank
from .sequencer import AdcSequencer
from .sequences import InterleavedSequences, OneSequence
from .vote_sums import VoteSums


class DenseLayerCore(LayerTwin[DenseLayer], Component):
    """A fully connected layer around one array.

    Codes are taken in cycle 0; in cycle 1 table entries or codes go to the result bank, which shows them in cycle 2.
    There is no feedback, so the next time step only waits for its input. Argmax takes a cycle more. With
    ``emit = "end"`` steps other than a sequence's last are taken and dropped, one a cycle. With ``votes`` the codes
    of some sequences are added up (:class:`~.vote_sums.VoteSums`), and the last of these alone has a result.

    ``contexts`` = B > 1 sequences share the array (:class:`~.context_turns.ContextTurns`): a step's first conversion
    begins in the cycle after the last codes of the one before. A label has a bank for each context, and comes a cycle
    later.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x D bits, marks, context | time steps |
    | `y` | out | stream of results, marks, context | :func:`~.streams.output_layout` |
    | `array` | out | :class:`~.array_port.ReadSignature` | reading side of the array |
    | `table` | in | :class:`~.activation_tables.TableWriteSignature` | only with loaded tables |
    | `busy` | out | 1 bit | a time step is held, computed or waiting to be taken |
    | `adc_saturations` | out | 0..R * K | ADC codes at either end of the range in the last cycle |
    | `trace` | out | :func:`~.layer_port.turn_signature` | only with ``trace`` and contexts |
    """

    def __init__(self, layer: DenseLayer, trace: bool = False, contexts: int = 1):
        self.layer, self.contexts = layer, contexts
        self.traced = trace and contexts > 1
        super().__init__(layer_members(layer, contexts, turns=self.traced))

    @staticmethod
    def latency_of(layer: DenseLayer, contexts: int = 1) -> int:
        if layer.output == "argmax":
            return Argmax.latency + (contexts > 1)
        return ActivationTables.latency + ResultBank.latency  # codes are registered as long as a table reads

    def elaborate(self, platform):
        m = Module()
        layer, array = self.layer, self.array
        m.submodules.sequencer = sequencer = AdcSequencer(layer, self.tail if self.contexts == 1 else 0)
        flow: Any = OneSequence if self.contexts == 1 else InterleavedSequences
        steps = flow(m, self, sequencer, self.x.payload.last if layer.at_end else 1)
        votes = self._votes(m, steps) if layer.votes > 1 else None
        read_array(m, self, sequencer, steps)

        # Cycles 0 to tail: the result appears after the last of them.
        taken, step = [sequencer.take], [sequencer.step]
        finished = [sequencer.take_last if steps.given is None else sequencer.take_last & steps.given]
        for k in range(1, self.tail + 1):
            taken.append(Signal(name=f"taken_{k}"))
            finished.append(Signal(name=f"finished_{k}"))
            step.append(Signal.like(sequencer.step, name=f"step_{k}", reset_less=True))
            m.d.sync += [taken[k].eq(taken[k - 1]), finished[k].eq(finished[k - 1]), step[k].eq(step[k - 1])]
        steps.follow(m, step)
        steps.mark(m)

        codes = column_sums(m, layer, array.codes)
        if layer.output == "argmax":
            m.submodules.argmax = argmax = Argmax(layer)
            if votes:
                m.d.comb += [
                    votes.codes.eq(codes),
                    votes.take.eq(sequencer.take),
                    votes.take_last.eq(sequencer.take_last),
                ]
                codes = votes.sums
            m.d.comb += [argmax.codes.eq(codes), argmax.take.eq(taken[0]), argmax.step.eq(step[0])]
            result = argmax.label
            if self.contexts > 1:
                m.submodules.labels = labels = steps.bank(1, len(argmax.label))
                m.d.comb += labels.word.eq(argmax.label)
                steps.collect(m, labels, self.tail, finished[self.tail], 0)
                result = steps.shown(labels)
        else:
            result = self._bank(m, steps, codes, taken, step)
        m.d.comb += Cat(self.y.payload.values).eq(result)
        steps.hand_on(m, finished)

        m.d.sync += self.adc_saturations.eq(Mux(sequencer.take, saturated_codes(layer, array.codes), 0))
        m.d.comb += self.busy.eq(steps.busy)
        if self.traced:
            m.d.comb += self.trace.context.eq(steps.context[0])
        return m

    def _votes(self, m, steps) -> VoteSums:
        """What adds up the codes of some sequences; the last of them alone is given a result."""
        m.submodules.votes = votes = VoteSums(self.layer, self.contexts)
        if self.contexts > 1:
            m.d.comb += votes.context.eq(steps.context_now)
        steps.given = votes.whole
        return votes

    def _bank(self, m, steps, codes, taken, step):
        """Result bank of table entries, or of the registered ``codes``; what it shows."""
        layer = self.layer
        if layer.output == "table":
            m.submodules.tables = tables = ActivationTables(layer)
            m.d.comb += [tables.codes.eq(codes), tables.take.eq(taken[0])]
            if layer.tables == "loaded":
                wiring.connect(m, wiring.flipped(self.table), tables.write)
            word, bits = tables.entries.as_value(), layer.output_bits
        else:
            word, bits = Signal.like(codes.as_value(), name="codes", reset_less=True), layer.sum_bits
            m.d.sync += word.eq(codes)
            if layer.row_tiles > 1:  # signed again
                sums = (word.word_select(k, bits) + layer.sum_range[0] for k in range(layer.adcs))
                word = Cat(value[:bits] for value in sums)
        m.submodules.bank = bank = steps.bank(layer.conversions, layer.adcs * bits)
        steps.collect(m, bank, 1, taken[1], step[1])
        m.d.comb += bank.word.eq(word)
        return steps.shown(bank)

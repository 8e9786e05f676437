"""An LSTM layer: sequencer, tables, element-wise lanes, cell state and hidden-state feedback."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import Out

from ..model.layers import LstmLayer
from .activation_tables import ActivationTables
from .component import Component
from .element_wise import ElementWiseLane, half_bits
from .layer_port import LayerTwin, column_sums, count_ones, layer_members, read_array, saturated_codes
from .result_bank import ResultBank
from .sequencer import AdcSequencer
from .sequences import InterleavedSequences, OneSequence


def trace_signature(layer: LstmLayer, contexts: int = 1) -> wiring.Signature:
    """Intermediate results for a test bench: each ``*_valid`` pulses once for each conversion, in order.

    ``context``, where there are more, is that of the step that is converted.
    """
    lanes = layer.lanes
    return wiring.Signature(
        {
            **({"context": Out(range(contexts))} if contexts > 1 else {}),
            "gates_valid": Out(1),
            "gates": Out(data.ArrayLayout(layer.activation_bits, layer.adcs)),
            "cell_valid": Out(1),
            "cell": Out(data.ArrayLayout(signed(layer.cell_bits), lanes)),
            "hidden_valid": Out(1),
            "hidden": Out(data.ArrayLayout(layer.dac_bits, lanes)),
        }
    )


class LstmLayerCore(LayerTwin[LstmLayer], Component):
    """Ma et al., equations 1 to 6, around one array.

    Codes of a conversion, taken in cycle 0, address the tables; in cycles 1 and 2 the lanes multiply, in 3 they add
    and look up tanh, in 4 they multiply again, in 5 the hidden codes go to the bank (and values, where these are the
    output, to one of their own). The bank shows them in cycle 6, in which the next time step's first conversion can
    start. With ``trace`` the intermediate results are ports.

    Words of the cell memory are halves of cell states, low and high in turn. The low ones are read in cycle 0 and
    written in 4, the high ones a cycle later.

    ``contexts`` = B > 1 sequences share the array (:class:`~.context_turns.ContextTurns`). The next one's first
    conversion begins in the cycle after the last codes of the one before, whose results are still in the pipeline.
    Cell states, hidden codes and values are there for each context.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x Dx bits, marks, context | time steps |
    | `y` | out | stream of n hidden codes or values, marks, context | :func:`~.streams.output_layout` |
    | `array` | out | :class:`~.array_port.ReadSignature` | reading side of the array |
    | `table` | in | :class:`~.activation_tables.TableWriteSignature` | only with loaded tables |
    | `busy` | out | 1 bit | a time step is held, computed or waiting to be taken |
    | `adc_saturations` | out | 0..R * K | ADC codes at either end of the range in the last cycle |
    | `cell_saturations` | out | 0..P | cell-state updates that saturated in the last cycle |
    | `trace` | out | :func:`trace_signature` | only with ``trace`` |
    """

    def __init__(self, layer: LstmLayer, trace: bool = False, contexts: int = 1):
        self.layer, self.contexts = layer, contexts
        members = layer_members(layer, contexts)
        if trace:
            members["trace"] = Out(trace_signature(layer, contexts))
        self.traced = trace
        super().__init__(members)

    @staticmethod
    def latency_of(layer: LstmLayer, contexts: int = 1) -> int:
        return ActivationTables.latency + ElementWiseLane.latency + ResultBank.latency

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        lanes, array = layer.lanes, self.array
        m.submodules.sequencer = sequencer = AdcSequencer(layer, self.tail if self.contexts == 1 else 0)
        m.submodules.tables = tables = ActivationTables(layer)
        flow: Any = OneSequence if self.contexts == 1 else InterleavedSequences
        steps = flow(m, self, sequencer)
        m.submodules.hidden = hidden = steps.bank(layer.conversions, lanes * layer.dac_bits)
        banks = [hidden]
        if layer.output == "value":
            banks.append(steps.bank(layer.conversions, lanes * layer.output_bits))
            m.submodules.values = banks[-1]
        m.submodules.cells = cells = memory.Memory(
            shape=data.ArrayLayout(half_bits(layer), lanes), depth=2 * layer.conversions * self.contexts, init=[]
        )
        read_array(m, self, sequencer, steps, hidden)

        # Cycle 0: tables and cell memory are addressed. Stage k holds what is of cycle k. When a conversion ends, its
        # column has been selected for a cycle, so step 1 is step 0 already.
        depth = self.tail + 1
        taken = [sequencer.take] + [Signal(name=f"taken_{k}") for k in range(1, depth)]
        step = [sequencer.step] + [
            Signal.like(sequencer.step, name=f"step_{k}", reset_less=True) for k in range(1, depth)
        ]
        for k in range(1, depth):
            m.d.sync += [taken[k].eq(taken[k - 1]), step[k].eq(step[k - 1])]
        steps.follow(m, step)
        read = cells.read_port()
        write = cells.write_port()
        m.d.comb += [
            tables.codes.eq(column_sums(m, layer, array.codes)),
            tables.take.eq(taken[0]),
            read.addr.eq(Cat(taken[1], steps.place[1])),
        ]
        first = Signal(reset_less=True)
        if self.contexts == 1:
            m.d.sync += first.eq(steps.first)
        else:  # the next step's rows may be there in cycle 1
            with m.If(sequencer.take):
                m.d.sync += first.eq(steps.first)
        steps.mark(m)

        # Cycles 1 and 2: the lanes take their operands.
        gate_entries = [[tables.entries[gate * lanes + lane] for gate in range(4)] for lane in range(lanes)]
        cells_now, saturated = [], []
        for number, (f, i, o, g) in enumerate(gate_entries):
            m.submodules[f"lane_{number}"] = lane = ElementWiseLane(layer)
            m.d.comb += [
                lane.f.eq(f),
                lane.i.eq(i),
                lane.o.eq(o),
                lane.g.eq(g),
                lane.c.eq(read.data[number]),
                lane.high.eq(taken[2]),
                lane.first.eq(first),
                hidden.word.word_select(number, layer.dac_bits).eq(lane.hidden),
            ]
            if layer.output == "value":
                m.d.comb += banks[-1].word.word_select(number, layer.output_bits).eq(lane.value)
            cells_now.append(lane.cell)
            saturated.append(lane.saturated)

        # Cycles 4 and 5: the cell memory; cycle 5: the hidden state.
        cell_stage = ActivationTables.latency + ElementWiseLane.cell_latency
        later, half = cell_stage + 1, half_bits(layer)
        low = Cat(cell[:half] for cell in cells_now)
        high = Cat(Cat(cell[half:], cell[-1])[:half] for cell in cells_now)  # of an odd number of bits: one more sign
        m.d.comb += [
            write.en.eq(taken[cell_stage] | taken[later]),
            write.addr.eq(Mux(taken[later], Cat(1, steps.place[later]), Cat(0, steps.place[cell_stage]))),
            write.data.as_value().eq(Mux(taken[later], high, low)),
        ]
        for bank in banks:
            steps.collect(m, bank, self.tail, taken[self.tail], step[self.tail])

        # Output: the last bank itself, which keeps the result unchanged until it is taken.
        finished = [taken[k] & (step[k] == layer.conversions - 1) for k in range(depth)]
        m.d.comb += self.y.payload.values.as_value().eq(steps.shown(banks[-1]))
        steps.hand_on(m, finished)

        if layer.tables == "loaded":
            wiring.connect(m, wiring.flipped(self.table), tables.write)
        m.d.sync += [
            self.cell_saturations.eq(Mux(taken[cell_stage], count_ones(saturated), 0)),
            self.adc_saturations.eq(Mux(sequencer.take, saturated_codes(layer, array.codes), 0)),
        ]
        m.d.comb += self.busy.eq(steps.busy)
        if self.traced and self.contexts > 1:
            m.d.comb += self.trace.context.eq(steps.context[0])
        if self.traced:
            m.d.comb += [
                self.trace.gates_valid.eq(taken[ActivationTables.latency]),
                self.trace.gates.eq(tables.entries),
                self.trace.cell_valid.eq(taken[cell_stage]),
                self.trace.cell.as_value().eq(Cat(cells_now)),
                self.trace.hidden_valid.eq(taken[self.tail]),
                self.trace.hidden.as_value().eq(hidden.word),
            ]
        return m

"""A dense layer: sequencer, then a table to DAC codes, the codes themselves, or argmax."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from ..model.layers import DenseLayer
from .activation_tables import ActivationTables
from .argmax import Argmax
from .component import Component
from .layer_port import LayerTwin, column_sums, layer_members, saturated_codes
from .result_bank import ResultBank
from .sequencer import AdcSequencer


class DenseLayerCore(LayerTwin[DenseLayer], Component):
    """A fully connected layer around one array.

    Codes are taken in cycle 0; in cycle 1 table entries or codes go to the result bank, which shows them in cycle 2.
    There is no feedback, so the next time step only waits for its input. Argmax takes a cycle more. With
    ``emit = "end"`` steps other than a sequence's last are taken and dropped, one a cycle.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of m x D bits, marks | time steps |
    | `y` | out | stream of results, marks | :func:`~.streams.output_layout` |
    | `array` | out | :class:`~.array_port.ReadSignature` | reading side of the array |
    | `table` | in | :class:`~.activation_tables.TableWriteSignature` | only with loaded tables |
    | `busy` | out | 1 bit | a time step is held, computed or waiting to be taken |
    | `adc_saturations` | out | 0..R * K | ADC codes at either end of the range in the last cycle |
    """

    def __init__(self, layer: DenseLayer):
        self.layer = layer
        super().__init__(layer_members(layer))

    @staticmethod
    def latency_of(layer: DenseLayer) -> int:
        if layer.output == "argmax":
            return Argmax.latency
        return ActivationTables.latency + ResultBank.latency  # codes are registered as long as a table reads

    def elaborate(self, platform):
        m = Module()
        layer, array = self.layer, self.array
        m.submodules.sequencer = sequencer = AdcSequencer(layer, self.tail)

        held = Signal(self.x.payload.shape(), reset_less=True)
        full = Signal()
        m.d.comb += self.x.ready.eq(~full)
        wanted = self.x.payload.last if layer.at_end else 1
        with m.If(self.x.valid & self.x.ready & wanted):
            m.d.sync += [held.eq(self.x.payload), full.eq(1)]
        with m.If(sequencer.take_last):
            m.d.sync += full.eq(0)
        m.d.comb += [
            array.row_codes.eq(held.values),
            array.select.eq(sequencer.select),
            array.convert.eq(sequencer.convert),
            sequencer.ready_rows.eq(full),
            sequencer.result_free.eq(~self.y.valid | self.y.ready),
        ]
        if layer.conversion_cycles == 0:
            m.d.comb += sequencer.done.eq(array.done)
        if layer.diagnostics and layer.bias_rows:
            m.d.comb += array.bias_drive.eq(1)

        # Cycles 0 to tail: the result appears after the last of them.
        taken, step = [sequencer.take], [sequencer.step]
        finished = [sequencer.take_last]
        for k in range(1, self.tail + 1):
            taken.append(Signal(name=f"taken_{k}"))
            finished.append(Signal(name=f"finished_{k}"))
            step.append(Signal.like(sequencer.step, name=f"step_{k}", reset_less=True))
            m.d.sync += [taken[k].eq(taken[k - 1]), finished[k].eq(finished[k - 1]), step[k].eq(step[k - 1])]
        flags = Signal(2, reset_less=True)
        with m.If(sequencer.take_last):
            m.d.sync += flags.eq(Cat(held.first, held.last))

        codes = column_sums(m, layer, array.codes)
        if layer.output == "argmax":
            m.submodules.argmax = argmax = Argmax(layer)
            m.d.comb += [argmax.codes.eq(codes), argmax.take.eq(taken[0]), argmax.step.eq(step[0])]
            result = argmax.label
        else:
            result = self._bank(m, codes, taken, step)
        m.d.comb += Cat(self.y.payload.values).eq(result)
        with m.If(finished[self.tail]):
            m.d.sync += [self.y.valid.eq(1), Cat(self.y.payload.first, self.y.payload.last).eq(flags)]
        with m.Elif(self.y.ready):
            m.d.sync += self.y.valid.eq(0)

        m.d.sync += self.adc_saturations.eq(Mux(sequencer.take, saturated_codes(layer, array.codes), 0))
        m.d.comb += self.busy.eq(full | sequencer.busy | self.y.valid)
        return m

    def _bank(self, m, codes, taken, step):
        """Result bank of table entries, or of the registered ``codes``; its whole content."""
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
        m.submodules.bank = bank = ResultBank(layer.conversions, layer.adcs * bits)
        m.d.comb += [bank.write.eq(taken[1]), bank.index.eq(step[1]), bank.word.eq(word)]
        return bank.whole

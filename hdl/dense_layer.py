"""A dense layer: sequencer, then a table to DAC codes, the codes themselves, or argmax."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring

from ..model.design import DenseLayer
from .activation_tables import ActivationTables
from .layer_port import LayerTwin, layer_members, saturated_codes
from .result_bank import ResultBank
from .sequencer import AdcSequencer


class DenseLayerCore(LayerTwin, wiring.Component):
    """A fully connected layer around one array.

    Codes are taken in cycle 0; in cycle 1 table entries or codes go to the result bank, or the largest code so
    far is kept. There is no feedback, so the next time step only waits for its input: ``tail`` is 1, and a time
    step takes ``M * conversion + 1`` cycles. With ``emit = "end"`` steps other than a sequence's last are taken
    and dropped, one a cycle.
    """

    tail = 1

    def __init__(self, layer: DenseLayer):
        self.layer = layer
        super().__init__(layer_members(layer))

    def elaborate(self, platform):
        m = Module()
        layer, array = self.layer, self.array
        m.submodules.sequencer = sequencer = AdcSequencer(layer, self.tail)

        held = Signal(self.x.payload.shape(), reset_less=True)
        full = Signal()
        m.d.comb += self.x.ready.eq(~full)
        wanted = self.x.payload.last if layer.emit == "end" else 1
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

        taken = Signal()
        finished = Signal()
        step = Signal.like(sequencer.step, reset_less=True)
        flags = Signal(2, reset_less=True)
        m.d.sync += [taken.eq(sequencer.take), finished.eq(sequencer.take_last), step.eq(sequencer.step)]
        with m.If(sequencer.take_last):
            m.d.sync += flags.eq(Cat(held.first, held.last))

        result = self._argmax(m, taken, finished, step) if layer.output == "argmax" else self._bank(m, taken, step)
        m.d.comb += Cat(self.y.payload.values).eq(result)
        with m.If(finished):
            m.d.sync += [self.y.valid.eq(1), Cat(self.y.payload.first, self.y.payload.last).eq(flags)]
        with m.Elif(self.y.ready):
            m.d.sync += self.y.valid.eq(0)

        m.d.sync += self.adc_saturations.eq(Mux(sequencer.take, saturated_codes(layer, array.codes), 0))
        m.d.comb += self.busy.eq(full | sequencer.busy | self.y.valid)
        return m

    def _bank(self, m, taken, step):
        """Result bank of table entries, or of the registered codes; its whole content."""
        layer = self.layer
        if layer.output == "table":
            m.submodules.tables = tables = ActivationTables(layer)
            m.d.comb += tables.codes.eq(self.array.codes)
            if layer.tables == "loaded":
                wiring.connect(m, wiring.flipped(self.table), tables.write)
            word, bits = tables.entries.as_value(), layer.output_bits
        else:
            word, bits = Signal.like(self.array.codes.as_value(), name="codes", reset_less=True), layer.adc_bits
            m.d.sync += word.eq(self.array.codes)
        m.submodules.bank = bank = ResultBank(layer.steps, layer.adcs * bits)
        m.d.comb += [bank.write.eq(taken), bank.index.eq(step), bank.word.eq(word)]
        return bank.whole

    def _argmax(self, m, taken, finished, step):
        """Index of the largest code; the lowest index wins a tie. A tree over one conversion, then a running best."""
        layer = self.layer
        n, index_bits = layer.adc_bits, len(self.y.payload.values)
        contenders = []
        for adc in range(layer.adcs):
            code = Signal(signed(n), name=f"code_{adc}", reset_less=True)
            m.d.sync += code.eq(self.array.codes[adc])
            contenders.append((code, adc))
        while len(contenders) > 1:
            winners = []
            for number, ((code, adc), (rival, other)) in enumerate(zip(contenders[::2], contenders[1::2])):
                best = Signal(signed(n), name=f"best_{len(contenders)}_{number}")
                where = Signal(range(max(layer.adcs, 2)), name=f"where_{len(contenders)}_{number}")
                loses = rival > code  # strictly: the lower index keeps a tie
                m.d.comb += [best.eq(Mux(loses, rival, code)), where.eq(Mux(loses, other, adc))]
                winners.append((best, where))
            contenders = winners + ([contenders[-1]] if len(contenders) % 2 else [])
        code, adc = contenders[0]
        best, best_where, leader, label = (
            Signal(signed(n), reset_less=True),
            Signal(index_bits, reset_less=True),
            Signal(index_bits),
            Signal(index_bits, reset_less=True),
        )
        leads = (step == 0) | (code > best)
        m.d.comb += leader.eq(Mux(leads, step * layer.adcs + adc, best_where))
        with m.If(taken):
            m.d.sync += [best.eq(Mux(leads, code, best)), best_where.eq(leader)]
        with m.If(finished):
            m.d.sync += label.eq(leader)
        return label

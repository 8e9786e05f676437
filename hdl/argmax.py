"""The head's decision: index of the largest ADC code."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ..model.layers import DenseLayer
from .component import Component


def code_layout(layer: DenseLayer, votes: int) -> data.ArrayLayout:
    """Codes of a conversion; sums of row tiles, or of some ``votes``, are counted from the lowest there is."""
    counted = layer.row_tiles > 1 or votes > 1
    shape = layer.sum_bits + (votes - 1).bit_length() if counted else signed(layer.adc_bits)
    return data.ArrayLayout(shape, layer.adcs)


class Argmax(Component):
    """Largest code of a time step, whose codes come K at a time; the lowest index wins a tie.

    Cycle 0, that of ``take``: the codes go to registers. Cycle 1: the first half of a tree of comparisons. Cycle 2:
    the other half, and the comparison with the best of the conversions before; after the last conversion ``label``
    takes the winner and keeps it until the next time step's last conversion. Codes are compared in offset binary,
    which needs a carry alone. Sums of row tiles or of votes come so already.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `codes` | in | K x signed N bits, or sum bits | ADC codes of a conversion, or their sums |
    | `take` | in | 1 bit | the codes are valid in this cycle |
    | `step` | in | 0..M-1 | which conversion of the time step they are |
    | `label` | out | 0..outputs-1 | index of the largest code |
    """

    latency = 3

    def __init__(self, layer: DenseLayer):
        self.layer = layer
        super().__init__(
            {
                "codes": In(code_layout(layer, layer.votes)),
                "take": In(1),
                "step": In(range(max(layer.conversions, 2))),
                "label": Out(bits_for(max(layer.outputs - 1, 1))),
            }
        )

    def model(self, codes: np.ndarray) -> int:
        """The label for a time step's codes (outputs,) in logical order, or for their sums."""
        return int(np.argmax(codes))

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        taken = [self.take, Signal(name="taken_1"), Signal(name="taken_2")]
        step = [self.step, *(Signal.like(self.step, name=f"step_{k}", reset_less=True) for k in (1, 2))]
        for k in (1, 2):
            m.d.sync += [taken[k].eq(taken[k - 1]), step[k].eq(step[k - 1])]

        position = range(max(layer.adcs, 2))
        contenders = []
        for adc in range(layer.adcs):
            code = Signal(layer.vote_bits, name=f"code_{adc}", reset_less=True)
            given = self.codes[adc]
            m.d.sync += code.eq(Cat(given[:-1], ~given[-1]) if given.shape().signed else given)
            contenders.append((code, Const(adc, position)))
        rounds = ceil_log2(layer.adcs)
        first_half = min((rounds + (layer.conversions > 1) + 1) // 2, rounds)
        left = []
        for number, (code, adc) in enumerate(self._rounds(m, first_half, contenders)):
            half = Signal(layer.vote_bits, name=f"half_{number}", reset_less=True)
            half_adc = Signal(position, name=f"half_adc_{number}", reset_less=True)
            m.d.sync += [half.eq(code), half_adc.eq(adc)]
            left.append((half, half_adc))
        [(largest, winner)] = self._rounds(m, rounds - first_half, left)

        leading, leader, now_leads, index = (
            Signal(layer.vote_bits, reset_less=True),
            Signal.like(self.label, reset_less=True),
            Signal(),
            Signal.like(self.label),
        )
        m.d.comb += [
            now_leads.eq((step[2] == 0) | (largest > leading)),  # strictly: an earlier index keeps a tie
            index.eq(Mux(now_leads, step[2] * layer.adcs + winner, leader)),
        ]
        with m.If(taken[2]):
            m.d.sync += [leading.eq(Mux(now_leads, largest, leading)), leader.eq(index)]
            with m.If(step[2] == layer.conversions - 1):
                m.d.sync += self.label.eq(index)
        return m

    @staticmethod
    def _rounds(m: Module, count: int, contenders: list[tuple[Value, Value]]) -> list[tuple[Value, Value]]:
        """The larger code of each two, with its ADC, ``count`` times; an odd one out goes on as it is."""
        for _ in range(count):
            winners = []
            for number, ((code, adc), (rival, other)) in enumerate(zip(contenders[::2], contenders[1::2])):
                best = Signal.like(code, name=f"best_{len(contenders)}_{number}")
                where = Signal.like(adc, name=f"where_{len(contenders)}_{number}")
                loses = rival > code
                m.d.comb += [best.eq(Mux(loses, rival, code)), where.eq(Mux(loses, other, adc))]
                winners.append((best, where))
            contenders = winners + ([contenders[-1]] if len(contenders) % 2 else [])
        return contenders

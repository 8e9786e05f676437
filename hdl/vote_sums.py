"""Adders before a head's decision: the codes of several sequences become one sum for each column."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..model.layers import DenseLayer
from .argmax import code_layout
from .component import Component


class VoteSums(Component):
    """Sums of the codes of ``votes`` = v sequences, one after the other; the columns come in the same order in each.

    Codes are counted from the lowest, so sums are 0..v * R * (2^N - 1). They are there in the cycle of the codes.
    The sums so far go round in a ring of M words, whose first one belongs to the codes that come next; ``take_last``
    ends a sequence, and so a round. What the ring holds before the first sequence is not looked at. So the count of
    sequences alone is reset.

    Each of ``contexts`` sequences that interleave has a ring and a count of its own.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `codes` | in | K x signed N bits, or sum bits | ADC codes of a conversion, or sums of row tiles |
    | `take` | in | 1 bit | they are valid in this cycle |
    | `take_last` | in | 1 bit | and are the sequence's last |
    | `context` | in | 0..B-1 | whose they are; only with contexts |
    | `sums` | out | K x vote bits | with those of the sequences before |
    | `whole` | out | 1 bit | the sequence is the last of its votes |
    """

    latency = 0

    def __init__(self, layer: DenseLayer, contexts: int = 1):
        self.layer, self.contexts = layer, contexts
        members = {
            "codes": In(code_layout(layer, votes=1)),
            "take": In(1),
            "take_last": In(1),
            "sums": Out(code_layout(layer, layer.votes)),
            "whole": Out(1),
        }
        if contexts > 1:
            members["context"] = In(range(contexts))
        super().__init__(members)

    def model(self, codes: np.ndarray) -> np.ndarray:
        """Sums (outputs,) of the codes (votes, outputs) of whole sequences, less the lowest one."""
        codes = np.asarray(codes)
        return codes.sum(axis=0) - len(codes) * self.layer.sum_range[0]

    def elaborate(self, platform):
        m = Module()
        layer, contexts = self.layer, range(self.contexts)
        bits = layer.adcs * layer.vote_bits
        rings = [
            [Signal(bits, name=f"sums_{c}_{k}", reset_less=True) for k in range(layer.conversions)] for c in contexts
        ]
        counts = [Signal(range(layer.votes), name=f"count_{c}") for c in contexts]
        count, before = Signal.like(counts[0]), Signal(bits)
        m.d.comb += [
            count.eq(self._mine(counts)),
            before.eq(Mux(count == 0, 0, self._mine([ring[0] for ring in rings]))),
            self.whole.eq(count == layer.votes - 1),
        ]
        for adc in range(layer.adcs):
            code = self.codes[adc]
            counted = code if layer.row_tiles > 1 else Cat(code[:-1], ~code[-1])
            m.d.comb += self.sums[adc].eq(before.word_select(adc, layer.vote_bits) + counted)
        for context, (ring, held) in enumerate(zip(rings, counts)):
            mine = self.context == context if self.contexts > 1 else 1
            with m.If(self.take & mine):
                m.d.sync += Cat(*ring).eq(Cat(*ring[1:], self.sums))
            with m.If(self.take_last & mine):
                m.d.sync += held.eq(Mux(self.whole, 0, held + 1))
        return m

    def _mine(self, values: Sequence[Signal]):
        """That of the context."""
        return values[0] if self.contexts == 1 else Array(values)[self.context]

"""Registers that collect the results of interleaved sequences and show the last whole one of each context."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from .component import Component


class ContextBanks(Component):
    """A :class:`~.result_bank.ResultBank` whose words gather in one place, and go to the bank of their context.

    Words of one time step follow each other, so those of two contexts never gather at a time.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `write` | in | 1 bit | ``word`` is valid in this cycle |
    | `index` | in | 0..words-1 | its position |
    | `word` | in | word bits | a part of the result |
    | `context` | in | 0..B-1 | whose it is |
    | `whole` | out | B x (words x word bits) | the last whole result of each context, word 0 in the lowest bits |
    """

    latency = 1

    def __init__(self, words: int, word_bits: int, contexts: int):
        self.words = check_integer("words", words, 1, 16384)
        self.word_bits = check_integer("word bits", word_bits, 1, 65536)
        self.contexts = check_integer("contexts", contexts, 2, 16)
        super().__init__(
            {
                "write": In(1),
                "index": In(range(max(words, 2))),
                "word": In(word_bits),
                "context": In(range(contexts)),
                "whole": Out(data.ArrayLayout(words * word_bits, contexts)),
            }
        )

    def model(self, words: list[int]) -> int:
        """A context's part of ``whole`` after the words of a time step: the first in the lowest bits."""
        return sum(word << k * self.word_bits for k, word in enumerate(words))

    def elaborate(self, platform):
        m = Module()
        gathered = [Signal(self.word_bits, name=f"word_{k}", reset_less=True) for k in range(self.words - 1)]
        with m.If(self.write):
            for position, word in enumerate(gathered):
                with m.If(self.index == position):
                    m.d.sync += word.eq(self.word)
        for k in range(self.contexts):
            bank = Signal(self.words * self.word_bits, name=f"bank_{k}")
            with m.If(self.write & (self.index == self.words - 1) & (self.context == k)):
                m.d.sync += bank.eq(Cat(*gathered, self.word))
            m.d.comb += self.whole[k].eq(bank)
        return m

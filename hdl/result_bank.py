"""Registers that collect a time step's results and show them whole: the hidden-state feedback."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from .component import Component


class ResultBank(Component):
    """Two banks: words of the running time step gather in one, the other shows the last whole time step.

    ``write`` stores ``word`` at ``index`` (words come in any order, the last index last). With the last index all
    words move to ``whole`` at once, in the same clock edge, so a reader, such as the array whose rows show h(t-1),
    never sees a mixture. ``whole`` comes straight from registers: DACs behind it see no glitches.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `write` | in | 1 bit | ``word`` is valid in this cycle |
    | `index` | in | 0..words-1 | its position |
    | `word` | in | word bits | a part of the result |
    | `whole` | out | words x word bits | the last whole result, word 0 in the lowest bits |
    """

    latency = 1

    def __init__(self, words: int, word_bits: int):
        self.words = check_integer("words", words, 1, 16384)
        self.word_bits = check_integer("word bits", word_bits, 1, 65536)
        super().__init__(
            {
                "write": In(1),
                "index": In(range(max(words, 2))),
                "word": In(word_bits),
                "whole": Out(words * word_bits),
            }
        )

    def model(self, words: list[int]) -> int:
        """``whole`` after the words of a time step: the first in the lowest bits."""
        return sum(word << k * self.word_bits for k, word in enumerate(words))

    def elaborate(self, platform):
        m = Module()
        gathered = [Signal(self.word_bits, name=f"word_{k}", reset_less=True) for k in range(self.words - 1)]
        with m.If(self.write):
            for position, word in enumerate(gathered):
                with m.If(self.index == position):
                    m.d.sync += word.eq(self.word)
            with m.If(self.index == self.words - 1):
                m.d.sync += self.whole.eq(Cat(*gathered, self.word))
        return m

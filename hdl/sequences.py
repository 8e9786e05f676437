"""Where time steps come into a layer, and results go out: of one sequence at a time, or of some that interleave.

Both classes are parts of a layer's module, and do the same in their own ways. They hold inputs, tell the sequencer
when it may convert, and hand on results with their marks. ``place`` says for each pipeline stage behind the array
where in a memory the words of its step are. ``given``: will the step that is converted have a result? None: each has
one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring

from .context_banks import ContextBanks
from .context_results import ContextResults
from .context_turns import ContextTurns
from .result_bank import ResultBank
from .sequencer import AdcSequencer


class OneSequence:
    """A step's input may be replaced once its last conversion is done; a result is shown until it is taken.

    ``wanted`` says which inputs are not dropped; None: all are wanted.
    """

    def __init__(self, m: Module, core, sequencer: AdcSequencer, wanted: Value | int | None = None):
        self.core, self.sequencer = core, sequencer
        self.held: Any = Signal(core.x.payload.shape(), name="held", reset_less=True)
        self.flags = Signal(2, name="flags", reset_less=True)
        self.full = full = Signal(name="full")
        self.first = self.held.first
        self.place: Sequence[Value] = ()
        self.given: Value | None = None
        m.d.comb += core.x.ready.eq(~full)
        taken = core.x.valid & core.x.ready
        with m.If(taken if wanted is None else taken & wanted):
            m.d.sync += [self.held.eq(core.x.payload), full.eq(1)]
        with m.If(sequencer.take_last):
            m.d.sync += full.eq(0)

    def bank(self, words: int, word_bits: int) -> ResultBank:
        """What collects a time step's results."""
        return ResultBank(words, word_bits)

    def rows(self, m: Module, hidden: ResultBank | None = None) -> Value:
        """Codes of all rows of the step that is converted: inputs, then ``hidden`` codes."""
        return self.held.values.as_value() if hidden is None else Cat(self.held.values, hidden.whole)

    def pace(self, m: Module) -> None:
        """Say when a step may begin, and when its last conversion: the last result is in no place of its own."""
        core = self.core
        m.d.comb += [
            self.sequencer.ready_rows.eq(self.full),
            self.sequencer.result_free.eq(~core.y.valid | core.y.ready),
        ]

    def follow(self, m: Module, step: Sequence[Value]) -> None:
        """Go through the pipeline beside ``step``, the conversion that is in each stage."""
        self.place = step

    def mark(self, m: Module) -> None:
        """Keep a step's marks for its result."""
        with m.If(self.sequencer.take_last):
            m.d.sync += self.flags.eq(Cat(self.held.first, self.held.last))

    def collect(self, m: Module, bank: ResultBank, stage: int, write: Value, index: Value | int) -> None:
        """Have the results of a pipeline stage collected."""
        m.d.comb += [bank.write.eq(write), bank.index.eq(index)]

    def shown(self, bank: ResultBank) -> Value:
        """What a bank has of the result that is handed on."""
        return bank.whole

    def hand_on(self, m: Module, finished: Sequence[Value]) -> None:
        """Show a result in the cycle after the last stage; ``finished``: has a stage the last words of a step?"""
        y = self.core.y
        with m.If(finished[-1]):
            m.d.sync += [y.valid.eq(1), Cat(y.payload.first, y.payload.last).eq(self.flags)]
        with m.Elif(y.ready):
            m.d.sync += y.valid.eq(0)

    @property
    def busy(self) -> Value:
        """A step is held, computed, or waiting to be taken."""
        return self.full | self.sequencer.busy | self.core.y.valid


class InterleavedSequences:
    """Of each context an input is held, and a result waits in a bank of its own: see :class:`OneSequence`."""

    def __init__(self, m: Module, core, sequencer: AdcSequencer, wanted: Value | int | None = None):
        self.core, self.sequencer = core, sequencer
        self.layer, self.contexts = core.layer, core.contexts
        m.submodules.turns = self.turns = ContextTurns(self.layer, self.contexts)
        m.d.comb += self.turns.wanted.eq(1 if wanted is None else wanted)
        m.submodules.results = self.results = ContextResults(self.contexts)
        self.first = self.turns.first
        self.context: list[Value] = []
        self.place: list[Value] = []
        self.given: Value | None = None
        wiring.connect(m, wiring.flipped(core.x), self.turns.x)

    @property
    def context_now(self) -> Value:
        """Whose step is converted."""
        return self.turns.context

    def bank(self, words: int, word_bits: int) -> ContextBanks:
        return ContextBanks(words, word_bits, self.contexts)

    def rows(self, m: Module, hidden: ContextBanks | None = None) -> Value:
        if hidden is not None:
            m.d.comb += self.turns.hidden.eq(hidden.whole)
        return self.turns.row_codes

    def pace(self, m: Module) -> None:
        sequencer, turns, results = self.sequencer, self.turns, self.results
        last = sequencer.convert & (sequencer.select == self.layer.conversions - 1)
        m.d.comb += [
            turns.ended.eq(sequencer.take_last),
            sequencer.ready_rows.eq(turns.ready),
            sequencer.result_free.eq(results.free),
            results.context.eq(turns.context),
            results.begun.eq(last if self.given is None else last & self.given),
            results.first.eq(turns.first),
            results.last.eq(turns.last),
        ]

    def follow(self, m: Module, step: Sequence[Value]) -> None:
        place = Signal(range(self.contexts * self.layer.conversions))
        m.d.comb += place.eq(self.turns.context * self.layer.conversions + step[0])
        for stages, source, name in ((self.context, self.turns.context, "context"), (self.place, place, "place")):
            later = (Signal.like(source, name=f"{name}_{k}", reset_less=True) for k in range(1, len(step)))
            stages += [source, *later]
        for stages in (self.context, self.place):
            m.d.sync += [after.eq(before) for before, after in pairwise(stages)]

    def mark(self, m: Module) -> None:
        """:class:`ContextResults` does."""

    def collect(self, m: Module, bank: ContextBanks, stage: int, write: Value, index: Value | int) -> None:
        m.d.comb += [bank.write.eq(write), bank.index.eq(index), bank.context.eq(self.context[stage])]

    def shown(self, bank: ContextBanks) -> Value:
        return bank.whole[self.results.shown]

    def hand_on(self, m: Module, finished: Sequence[Value]) -> None:
        y, results = self.core.y, self.results
        m.d.comb += [
            results.finished.eq(finished[-1]),
            results.finished_context.eq(self.context[-1]),
            y.valid.eq(results.valid),
            results.ready.eq(y.ready),
            y.payload.first.eq(results.shown_first),
            y.payload.last.eq(results.shown_last),
            y.payload.context.eq(results.shown),
        ]
        if self.layer.hidden:  # a stage before the last: in the next cycle but one the hidden codes are there
            m.d.comb += [self.turns.whole.eq(finished[-2]), self.turns.whole_context.eq(self.context[-2])]

    @property
    def busy(self) -> Value:
        return self.turns.busy | self.results.busy

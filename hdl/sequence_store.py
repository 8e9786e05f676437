"""A memory of whole sequences: hands them on from their last step to their first, or as they came."""

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, memory, stream
from amaranth.lib.wiring import In, Out

from ..model.formats import check_integer
from ..model.layers import MAX_STEPS
from .component import Component


class SequenceStore(Component):
    """Takes sequences of at most ``max_steps`` steps whole, and hands each on ``backwards`` or as it came.

    There are ``banks`` of ``max_steps`` words. While a sequence is handed on from one bank, the next are taken into
    the others. A step is handed on every other cycle at most, more often than any layer takes one.

    The marks are made anew: the step that is handed on first has ``first``, the other end ``last``. A step with
    ``first`` begins a sequence, and one that was not whole by then is forgotten. A sequence of more than
    ``max_steps`` steps is refused: its steps are taken up to its last one, ``too_long`` is high for a cycle, and
    nothing of it is handed on.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `x` | in | stream of values, marks | steps of sequences |
    | `y` | out | stream of values, marks | the same sequences, whole ones only |
    | `busy` | out | 1 bit | a whole sequence is here, or steps of it |
    | `too_long` | out | 1 bit | a sequence is refused |
    """

    latency = 2  #: cycles from a sequence's last step to the first one that is handed on

    def __init__(self, payload: data.StructLayout, max_steps: int, *, backwards: bool, banks: int = 2):
        self.max_steps = check_integer("max steps", max_steps, 1, MAX_STEPS)
        self.banks = check_integer("banks", banks, 2, 16)
        self.backwards = backwards
        super().__init__(
            {
                "x": In(stream.Signature(payload)),
                "y": Out(stream.Signature(payload)),
                "busy": Out(1),
                "too_long": Out(1),
            }
        )

    def model(self, lengths: Sequence[int]) -> list[tuple[int, int]]:
        """(sequence, step) of every step that is handed on, in order, of sequences of ``lengths``."""
        order = -1 if self.backwards else 1
        kept = ((number, length) for number, length in enumerate(lengths) if length <= self.max_steps)
        return [(number, step) for number, length in kept for step in list(range(length))[::order]]

    def elaborate(self, platform):
        m = Module()
        x, y = self.x, self.y
        index = range(self.max_steps)
        m.submodules.words = words = memory.Memory(
            shape=len(x.payload.values.as_value()), depth=self.banks * self.max_steps, init=[]
        )
        write, read = words.write_port(), words.read_port()
        whole = Signal(range(self.banks + 1))  # banks that hold a sequence
        ends = Array(Signal(index, name=f"end_{k}", reset_less=True) for k in range(self.banks))  # its last step
        stored, released = Signal(), Signal()
        m.d.sync += whole.eq(whole + stored - released)
        m.d.comb += self.busy.eq(whole != 0)

        # Writing: `next_step` of a sequence goes into bank `into`, which is free.
        into, into_base = _bank(m, "into", self.banks, self.max_steps, stored)
        next_step, step = Signal(range(self.max_steps + 1)), Signal(range(self.max_steps + 1))
        dropping, taken, over = Signal(), Signal(), Signal()
        m.d.comb += [
            x.ready.eq(whole != self.banks),
            taken.eq(x.valid & x.ready),
            step.eq(Mux(x.payload.first, 0, next_step)),
            over.eq((dropping & ~x.payload.first) | (step == self.max_steps)),
            write.en.eq(taken & ~over),
            write.addr.eq(into_base + step),
            write.data.eq(x.payload.values.as_value()),
            stored.eq(taken & ~over & x.payload.last),
            self.too_long.eq(taken & (step == self.max_steps) & ~(dropping & ~x.payload.first)),
        ]
        with m.If(taken):
            m.d.sync += [
                dropping.eq(over & ~x.payload.last),
                next_step.eq(Mux(over | x.payload.last, 0, step + 1)),
            ]
        with m.If(stored):
            m.d.sync += ends[into].eq(step)

        # Reading: step `turn` of bank `out` is read in one cycle, and shown from the next until it is taken.
        out, out_base = _bank(m, "out", self.banks, self.max_steps, released)
        turn, end = Signal(index), Signal(index)
        m.d.comb += [
            end.eq(ends[out]),
            read.en.eq(~y.valid & (whole != 0)),
            read.addr.eq(out_base + (end - turn if self.backwards else turn)),
            y.payload.values.as_value().eq(read.data),
            y.payload.first.eq(turn == 0),
            y.payload.last.eq(turn == end),
            released.eq(y.valid & y.ready & (turn == end)),
        ]
        with m.If(read.en):
            m.d.sync += y.valid.eq(1)
        with m.If(y.valid & y.ready):
            m.d.sync += [y.valid.eq(0), turn.eq(Mux(turn == end, 0, turn + 1))]
        return m


def _bank(m: Module, name: str, banks: int, size: int, advance: Signal) -> tuple[Signal, Signal]:
    """Number and first address of a bank; those of the next one after ``advance``."""
    number, base = Signal(range(banks), name=name), Signal(range(banks * size), name=f"{name}_base")
    with m.If(advance):
        with m.If(number == banks - 1):
            m.d.sync += [number.eq(0), base.eq(0)]
        with m.Else():
            m.d.sync += [number.eq(number + 1), base.eq(base + size)]
    return number, base

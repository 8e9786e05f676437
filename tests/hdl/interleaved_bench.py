"""One layer component whose array some sequences share: all that it shows, by context, against its twin."""

from dataclasses import dataclass, field
from itertools import count

import numpy as np

from ohmgate.hdl.accelerator import layer_core
from ohmgate.model.layers import Layer
from ohmgate.model.network import LayerData
from ohmgate.model.payloads import context_of, output_numbers, step_payload
from ohmgate.model.reference import LayerTrace, last_codes, voted
from tests.hdl.pretended_array import PretendedArray, write_tables
from tests.hdl.simulate import simulate

Place = tuple[int, int]  #: sequence and step


@dataclass
class Seen:
    """What a layer showed; ``turns`` and ``ends`` have context and cycle of each step's first and last conversion."""

    array: PretendedArray
    out: list[tuple[int, int, list[int]]] = field(default_factory=list)  #: cycle, context, values and marks
    turns: list[int] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)  #: of each cycle: is a conversion under way?
    counts: dict[str, int] = field(default_factory=lambda: {"adc": 0, "cell": 0})


@dataclass(frozen=True)
class InterleavedBench:
    """Sequences, or all votes of a result, that go to ``contexts`` in turn; a ``silent`` context's are never sent.

    ``gaps`` is the chance that source or sink waits for a cycle. With gaps the source takes contexts at random.
    """

    layer: Layer
    data: LayerData
    codes: np.ndarray  #: (B, T, m)
    lengths: np.ndarray  #: (B,)
    contexts: int
    seed: int = 0
    gaps: float = 0.0
    conversion: tuple[int, int] = (2, 6)
    silent: tuple[int, ...] = ()

    def steps(self, context: int) -> list[Place]:
        """All steps of a context, in order."""
        if context in self.silent:
            return []
        mine = [b for b in range(len(self.lengths)) if b // self.votes % self.contexts == context]
        return [(b, t) for b in mine for t in range(self.lengths[b])]

    def read(self, context: int) -> list[Place]:
        """Those for which the array is read."""
        return [(b, t) for b, t in self.steps(context) if not self.layer.at_end or t == self.lengths[b] - 1]

    @property
    def votes(self) -> int:
        """Sequences for each result."""
        return self.layer.votes

    def results(self, context: int) -> list[Place]:
        """Those with a result."""
        return self.read(context)[self.votes - 1 :: self.votes]

    def run(self) -> Seen:
        """Simulate; raises ``AssertionError`` for what no stream, array or ``busy`` may do."""
        core = layer_core(self.layer, True, self.contexts)
        rng = np.random.default_rng(self.seed)
        seen = Seen(PretendedArray(core.array, self.layer, self.data, rng, self.conversion))
        results = sum(len(self.results(c)) for c in range(self.contexts))
        flight = [0] * self.contexts  # results that are owed

        async def source(ctx):
            x = core.x.payload.as_value()
            await write_tables(ctx, core, self.data)
            left = {c: self.steps(c) for c in range(self.contexts) if self.steps(c)}
            turn = -1
            while left:
                while rng.random() < self.gaps:
                    ctx.set(x, int(rng.integers(0, 2 ** min(len(x), 62))))
                    await ctx.tick()
                turn = int(rng.choice([*left])) if self.gaps else min(left, key=lambda c: (c <= turn, c))
                b, t = place = left[turn].pop(0)
                ctx.set(x, step_payload(self.layer, self.codes[b, t], t == 0, t == self.lengths[b] - 1, turn))
                ctx.set(core.x.valid, 1)
                await ctx.tick().until(core.x.ready)
                ctx.set(core.x.valid, 0)
                flight[turn] += place in self.results(turn)
                left = {c: steps for c, steps in left.items() if steps}

        async def sink(ctx):
            while len(seen.out) < results:
                while not ctx.get(core.y.valid):
                    await ctx.tick()
                value = ctx.get(core.y.payload.as_value())
                while rng.random() < self.gaps:
                    await ctx.tick()
                    assert ctx.get(core.y.valid), "valid was taken back"
                    assert ctx.get(core.y.payload.as_value()) == value, "the payload changed while it waited"
                ctx.set(core.y.ready, 1)
                context = context_of(self.layer, value)
                seen.out.append((len(seen.busy), context, output_numbers(self.layer, value).tolist()))
                flight[context] -= 1
                await ctx.tick()
                ctx.set(core.y.ready, 0)
            for _ in range(14):
                assert not ctx.get(core.y.valid), "a result too many"
                await ctx.tick()
            assert not ctx.get(core.busy)

        async def watch(ctx):
            cells = [core.cell_saturations] if self.layer.kind == "lstm" else []
            left = 0  # conversions of the step
            done = 0 if self.layer.conversion_cycles else core.array.done
            fixed, until = self.layer.conversion_cycles, 0
            for cycle in count():
                before = sum(flight)
                _, _, convert, select, ended, context, busy, adc, *cell = await ctx.tick().sample(
                    core.array.convert,
                    core.array.select,
                    done,
                    core.trace.context,
                    core.busy,
                    core.adc_saturations,
                    *cells,
                )
                assert busy or not before, "not busy with a step in flight"
                if convert and select == 0:
                    seen.turns.append(context)
                left, until = (1, cycle + fixed - 1) if convert else (left, until)
                seen.busy.append(bool(left))
                left = 0 if (cycle == until if fixed else ended) else left
                seen.counts["adc"] += adc
                seen.counts["cell"] += sum(cell)

        simulate(core, source, sink, background=[seen.array.serve, watch])
        return seen


def check(bench: InterleavedBench, seen: Seen) -> LayerTrace:
    """Everything that ``seen`` holds against the component's twin, whose integers are returned."""
    twin = layer_core(bench.layer).model(bench.data, bench.codes, bench.lengths)
    assert len(seen.turns) == len(seen.array.drive)
    given = [whose for k, whose in enumerate(seen.turns) if (seen.turns[: k + 1].count(whose)) % bench.votes == 0]
    assert [context for _, context, _ in seen.out] == given, "results are in the order of their steps"
    for context in range(bench.contexts):
        read = bench.read(context)
        drive = [row for row, whose in zip(seen.array.drive, seen.turns) if whose == context]
        assert np.array_equal(
            np.reshape(drive, (-1, bench.layer.rows)),
            [twin.drive[at] for at in read] or np.zeros((0, bench.layer.rows)),
        )
        out = [numbers for _, whose, numbers in seen.out if whose == context]
        places = bench.results(context)
        values = [twin.out[at].tolist() for at in places]
        if bench.votes > 1 and read:
            whose = np.array([b for b, _ in read])
            values = voted(bench.layer, last_codes(bench.layer, twin, bench.lengths)[whose]).tolist()
        assert out == [[*v, int(t == 0), int(t == bench.lengths[b] - 1)] for v, (b, t) in zip(values, places)]
    return twin

"""One layer component alone: an exact array, a source and a sink with stalls, and all it shows against its twin."""

from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal

from ohmgate.hdl.accelerator import layer_core
from ohmgate.model.bit_fields import pack
from ohmgate.model.formats import signed_range, to_wire
from ohmgate.model.layers import Layer
from ohmgate.model.network import LayerData
from ohmgate.model.payloads import output_numbers
from ohmgate.model.reference import LayerTrace, last_codes, voted
from tests.hdl.pretended_array import PretendedArray, write_tables
from tests.hdl.simulate import simulate


@dataclass
class Seen:
    """What a layer showed; ``trace`` has a list for each trace port, ``counts`` the sums of the saturation counts."""

    array: PretendedArray
    out: list[list[int]] = field(default_factory=list)  #: values of each result, then first and last
    trace: dict[str, list[int]] = field(default_factory=lambda: {"gates": [], "cell": [], "hidden": []})
    counts: dict[str, int] = field(default_factory=lambda: {"adc": 0, "cell": 0})
    first_taken: int = 0  #: cycle in which the first step was taken, and the first in which its result was valid
    first_valid: int = 0


@dataclass(frozen=True)
class Bench:
    """``gaps`` is the chance that the source or the sink waits for a cycle; a conversion takes ``conversion`` cycles."""

    layer: Layer
    data: LayerData
    codes: np.ndarray  #: (B, T, m)
    lengths: np.ndarray  #: (B,)
    seed: int = 0
    gaps: float = 0.0
    conversion: tuple[int, int] = (2, 6)

    def steps(self):
        """(sequence, step) of every step that is sent, in order."""
        return [(b, t) for b, length in enumerate(self.lengths) for t in range(length)]

    @property
    def votes(self) -> int:
        """Sequences for each result."""
        return self.layer.votes

    def results(self):
        """(sequence, step) of every step with a result."""
        if getattr(self.layer, "emit", "step") == "end":
            return [(b, length - 1) for b, length in enumerate(self.lengths)][self.votes - 1 :: self.votes]
        return self.steps()

    def read(self):
        """(sequence, step) of every step in which the array is read, in that order."""
        steps = replace(self, layer=replace(self.layer, votes=1)).results() if self.votes > 1 else self.results()
        return [(b, self.lengths[b] - 1 - t if self.layer.reverse else t) for b, t in steps]

    def payload(self, b: int, t: int) -> int:
        """What the input stream carries for step ``t`` of sequence ``b``."""
        values = pack(to_wire(self.codes[b, t], self.layer.input_bits), self.layer.input_bits)
        width = self.layer.inputs * self.layer.input_bits
        return values | int(t == 0) << width | int(t == self.lengths[b] - 1) << width + 1

    def run(self) -> Seen:
        """Simulate; raises ``AssertionError`` for what no stream, array or ``busy`` may do."""
        core = layer_core(self.layer, trace=True)
        rng = np.random.default_rng(self.seed)
        seen = Seen(PretendedArray(core.array, self.layer, self.data, rng, self.conversion))
        flight = []  # steps that will have a result and have not been handed on

        async def source(ctx):
            x = core.x.payload.as_value()
            await write_tables(ctx, core, self.data)
            results = set(self.results())
            for step in self.steps():
                while rng.random() < self.gaps:
                    ctx.set(x, int(rng.integers(0, 2 ** min(len(x), 62))))
                    await ctx.tick()
                ctx.set(x, self.payload(*step))
                ctx.set(core.x.valid, 1)
                await ctx.tick().until(core.x.ready)
                ctx.set(core.x.valid, 0)
                waits = [step] if step in results else []
                if self.layer.reverse:  # which begins when a sequence is whole
                    waits = [(step[0], t) for t in range(step[1] + 1)] if step[1] == self.lengths[step[0]] - 1 else []
                flight.extend(waits)
            ctx.set(x, 0)

        async def sink(ctx):
            while len(seen.out) < len(self.results()):
                while not ctx.get(core.y.valid):
                    await ctx.tick()
                value = ctx.get(core.y.payload.as_value())
                while rng.random() < self.gaps:
                    await ctx.tick()
                    assert ctx.get(core.y.valid), "valid was taken back"
                    assert ctx.get(core.y.payload.as_value()) == value, "the payload changed while it waited"
                ctx.set(core.y.ready, 1)
                seen.out.append(output_numbers(self.layer, value).tolist())
                flight.pop(0)
                await ctx.tick()
                ctx.set(core.y.ready, 0)
            for _ in range(12):
                assert not ctx.get(core.y.valid), "a result too many"
                await ctx.tick()
            assert not ctx.get(core.busy)

        async def watch(ctx):
            cells = [core.cell_saturations] if self.layer.kind == "lstm" else []
            ports = [getattr(core.trace, name).as_value() for name in seen.trace] if cells else []
            valid = [getattr(core.trace, f"{name}_valid") for name in seen.trace] if cells else []
            for cycle in count(1):
                before = len(flight)
                _, _, taken, shown, busy, adc, *rest = await ctx.tick().sample(
                    core.x.valid & core.x.ready, core.y.valid, core.busy, core.adc_saturations, *cells, *valid, *ports
                )
                seen.first_taken = seen.first_taken or cycle * taken
                seen.first_valid = seen.first_valid or cycle * shown
                assert busy or not before, "not busy with a step in flight"
                seen.counts["adc"] += adc
                if cells:
                    seen.counts["cell"] += rest[0]
                    for name, shown, value in zip(seen.trace, rest[1:4], rest[4:]):
                        if shown:
                            seen.trace[name].append(value)

        simulate(core, source, sink, background=[seen.array.serve, watch])
        return seen


def expected(bench: Bench) -> list[list[int]]:
    """The results by the component's twin: values, then first and last."""
    trace = layer_core(bench.layer).model(bench.data, bench.codes, bench.lengths)
    values = [trace.out[b, t].tolist() for b, t in bench.results()]
    if bench.votes > 1:
        values = voted(bench.layer, last_codes(bench.layer, trace, bench.lengths)).tolist()
    return [[*v, int(t == 0), int(t == bench.lengths[b] - 1)] for v, (b, t) in zip(values, bench.results())]


def check(bench: Bench, seen: Seen) -> LayerTrace:
    """Everything that ``seen`` holds against the component's twin, whose integers are returned."""
    twin = layer_core(bench.layer).model(bench.data, bench.codes, bench.lengths)
    at = tuple(np.array(bench.read()).T)
    assert np.array_equal(seen.array.drive, twin.drive[at])
    assert seen.out == expected(bench)
    ends = np.isin(twin.adc[at], signed_range(bench.layer.adc_bits))
    assert seen.counts == {"adc": ends.sum(), "cell": twin.saturations}
    return twin


def check_resets(bench: Bench, cycles: int) -> None:
    """Sequence 0, reset after 0, 1, ... ``cycles`` - 1 cycles, and each time sequence 1, whole and right.

    With votes those of the first result, and of the second.
    """
    core, rng, reset = layer_core(bench.layer), np.random.default_rng(bench.seed), Signal()
    array = PretendedArray(core.array, bench.layer, bench.data, rng, bench.conversion, cancel=reset)
    m = Module()
    m.submodules.core = ResetInserter(reset)(core)
    results = expected(replace(bench, codes=bench.codes[bench.votes :], lengths=bench.lengths[bench.votes :]))

    async def play(ctx, steps, done) -> list[list[int]]:
        """Send steps and take results until ``done(cycle, results)``."""
        got, sent, cycle = [], 0, 0
        while not done(cycle, got):
            ctx.set(core.x.valid, sent < len(steps))
            if sent < len(steps):
                ctx.set(core.x.payload.as_value(), bench.payload(*steps[sent]))
            _, _, ready, valid, value = await ctx.tick().sample(core.x.ready, core.y.valid, core.y.payload.as_value())
            sent += ready
            if valid:
                got.append(output_numbers(bench.layer, value).tolist())
            cycle += 1
        ctx.set(core.x.valid, 0)
        return got

    async def testbench(ctx):
        await write_tables(ctx, core, bench.data)
        ctx.set(core.y.ready, 1)
        first, second = ([(b, t) for b, t in bench.steps() if b // bench.votes == k] for k in (0, 1))
        for stop in range(cycles):
            await play(ctx, first, lambda cycle, _, stop=stop: cycle == stop)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert (ctx.get(core.y.valid), ctx.get(core.busy), ctx.get(core.x.ready)) == (0, 0, 1)
            got = await play(ctx, second, lambda cycle, got: len(got) == len(results) or cycle > 50 * cycles)
            assert got == results, f"after a reset in cycle {stop}"

    simulate(m, testbench, background=[array.serve])

"""The memory of sequences: order, marks, refused and forgotten sequences, stalls, throughput, resets."""

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data

from ohmgate.hdl.sequence_store import SequenceStore
from ohmgate.hdl.streams import step_layout
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate

LAYOUT = step_layout(data.ArrayLayout(4, 3))


def play(dut, sequences, gaps: float, seed: int = 0):
    """Send ``sequences``, lists of (value, first, last); returns [(value, first, last), cycle of each], refusals."""
    rng, got, refused = np.random.default_rng(seed), [], []
    steps = [step for sequence in sequences for step in sequence]
    sent = []

    async def source(ctx):
        cycle = 0
        for value, first, last in steps:
            while rng.random() < gaps:
                await ctx.tick()
                cycle += 1
            ctx.set(dut.x.payload.as_value(), value | first << 12 | last << 13)
            ctx.set(dut.x.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.x.ready)
                cycle += 1
            sent.append(cycle)
            ctx.set(dut.x.valid, 0)
            ctx.set(dut.x.payload.as_value(), 0xAAA)

    async def sink(ctx):
        idle, cycle, held = 0, 0, None
        while idle < 60 or len(sent) < len(steps):
            ctx.set(dut.y.ready, int(rng.random() >= gaps))
            _, _, valid, ready, value, long, busy = await ctx.tick().sample(
                dut.y.valid, dut.y.ready, dut.y.payload.as_value(), dut.too_long, dut.busy
            )
            cycle += 1
            idle = 0 if valid else idle + 1
            assert held is None or (valid, value) == (1, held), "changed while it waited"
            assert busy or not valid
            held = value if valid and not ready else None
            if valid and ready:
                got.append((value & 0xFFF, value >> 12 & 1, value >> 13))
                last.append(cycle)
            if long:
                refused.append(cycle)
        assert not busy

    last: list[int] = []
    simulate(dut, source, sink)
    return got, last, refused, sent


def marked(values):
    return [(value, int(t == 0), int(t == len(values) - 1)) for t, value in enumerate(values)]


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("banks", [2, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_whole_sequences_in_either_order_and_too_long_ones_are_dropped(backwards, banks, gaps):
    rng = np.random.default_rng(banks)
    lengths = [3, 1, 6, 5, 5, 9, 2, 1, 12, 4]
    sequences = [rng.integers(0, 4096, n).tolist() for n in lengths]
    dut = SequenceStore(LAYOUT, 5, backwards=backwards, banks=banks)
    got, _, refused, _ = play(dut, [marked(s) for s in sequences], gaps)
    want = [sequences[s][t] for s, t in dut.model(lengths)]
    kept = [s[::-1] if backwards else s for s in sequences if len(s) <= 5]
    assert want == [value for s in kept for value in s]
    assert got == [step for s in kept for step in marked(s)]
    assert len(refused) == 3


@pytest.mark.parametrize("max_steps", [1, 2])
def test_the_shortest_stores(max_steps):
    dut = SequenceStore(LAYOUT, max_steps, backwards=True)
    got, _, refused, _ = play(dut, [marked([1]), marked([2, 3]), marked([4, 5, 6]), marked([7])], 0.3)
    assert got == marked([1]) + (marked([3, 2]) if max_steps == 2 else []) + marked([7])
    assert len(refused) == 3 - max_steps


def test_a_sequence_that_begins_anew_is_forgotten_also_while_it_is_dropped():
    dut = SequenceStore(LAYOUT, 3, backwards=True)
    cut, long = marked([1, 2, 3])[:2], marked([1, 2, 3, 4, 5, 6])[:5]
    got, _, refused, _ = play(dut, [cut, marked([7, 8]), long, marked([9, 10, 11])], 0.0)
    assert got == marked([8, 7]) + marked([11, 10, 9])
    assert len(refused) == 1


def test_latency_and_one_bank_is_filled_while_the_other_is_read():
    dut = SequenceStore(LAYOUT, 8, backwards=True)
    got, at, _, sent = play(dut, [marked(list(range(k, k + 8))) for k in range(6)], 0.0)
    assert len(got) == 48
    assert at[0] - sent[7] == dut.latency
    assert np.diff(at).tolist() == [2] * 47, "a step every other cycle, without a pause between sequences"


def test_a_reset_forgets_all_steps():
    store, reset = SequenceStore(LAYOUT, 3, backwards=True), Signal()
    m = Module()
    m.submodules.store = ResetInserter(reset)(store)

    async def testbench(ctx):
        for cycles in range(1, 16):
            ctx.set(store.y.ready, 0)
            sequence = marked([1, 2, 3]) + marked([4, 5, 6, 7, 8])
            for value, first, last in (sequence * 3)[:cycles]:
                ctx.set(store.x.payload.as_value(), value | first << 12 | last << 13)
                ctx.set(store.x.valid, 1)
                await ctx.tick()
            ctx.set(store.x.valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(store.y.valid)
            assert not ctx.get(store.busy)
            got = []
            ctx.set(store.y.ready, 1)
            for value, first, last in marked([9, 10]):
                ctx.set(store.x.payload.as_value(), value | first << 12 | last << 13)
                ctx.set(store.x.valid, 1)
                await ctx.tick()
            ctx.set(store.x.valid, 0)
            for _ in range(12):
                _, _, valid, value = await ctx.tick().sample(store.y.valid, store.y.payload.as_value())
                got += [value] * valid
            assert got == [10 | 1 << 12, 9 | 1 << 13], cycles

    simulate(m, testbench)


def test_sizes_out_of_range_are_refused():
    with pytest.raises(DesignError, match=r"^max steps must be an integer from 1 to 65535, not 0$"):
        SequenceStore(LAYOUT, 0, backwards=True)
    with pytest.raises(DesignError, match=r"^banks must be an integer from 2 to 16, not 1$"):
        SequenceStore(LAYOUT, 4, backwards=True, banks=1)

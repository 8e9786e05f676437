"""Memories of sequences for each context: order, marks and turns under stalls; none waits for another's sequence."""

import numpy as np
import pytest
from amaranth.lib import data

from ohmgate.hdl.context_stores import ContextStores
from tests.hdl.simulate import simulate

VALUES = data.ArrayLayout(4, 2)


def play(dut: ContextStores, steps, gaps: float, passing: float = 0.0):
    """Send ``steps`` (value, first, last, context); returns what came, the same way, and how many were refused."""
    rng, got, refused, sent = np.random.default_rng(dut.contexts), [], [], []

    async def source(ctx):
        for value, first, last, context in steps:
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.x.payload.as_value(), value | first << 8 | last << 9 | context << 10)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)
            sent.append(value)

    async def sink(ctx):
        idle, held = 0, None
        while idle < 60 or len(sent) < len(steps):
            ctx.set(dut.y.ready, ready := int(rng.random() >= gaps))
            ctx.set(dut.pass_on, passes := int(rng.random() < passing))
            _, _, valid, word, long, busy = await ctx.tick().sample(
                dut.y.valid, dut.y.payload.as_value(), dut.too_long, dut.busy
            )
            idle = 0 if valid else idle + 1
            assert held is None or (valid, word) == (1, held), "changed while it waited"
            assert busy or not valid
            held = word if valid and not ready and not passes else None
            if valid and ready:
                got.append((word & 0xFF, word >> 8 & 1, word >> 9 & 1, word >> 10))
            refused.append(long)
        assert not busy

    simulate(dut, source, sink)
    return got, sum(refused)


@pytest.mark.parametrize("gaps, passing", [(0.0, 0.0), (0.5, 0.0), (0.5, 0.6)])
@pytest.mark.parametrize("contexts, backwards", [(2, True), (3, False)])
def test_each_context_has_its_sequences_in_order(contexts, backwards, gaps, passing):
    rng = np.random.default_rng(7)
    dut = ContextStores(VALUES, 4, contexts, backwards=backwards)
    sent = [(int(rng.integers(contexts)), int(rng.integers(1, 7))) for _ in range(14)]
    values = [rng.integers(0, 256, length).tolist() for _, length in sent]
    left = {k: [n for n, (context, _) in enumerate(sent) if context == k] for k in range(contexts)}
    steps, at = [], dict.fromkeys(range(contexts), 0)
    while any(left.values()):  # steps of the contexts come in any order
        context = int(rng.choice([k for k in left if left[k]]))
        number, t = left[context][0], at[context]
        last = t == sent[number][1] - 1
        steps.append((values[number][t], int(t == 0), int(last), context))
        at[context] = 0 if last else t + 1
        left[context] = left[context][last:]
    got, refused = play(dut, steps, gaps, passing)
    for context, order in dut.model(sent).items():
        turn = range(len(order))
        begins = [k == 0 or order[k - 1][0] != order[k][0] for k in turn]
        ends = [k == len(order) - 1 or begins[k + 1] for k in turn]
        want = [(values[n][t], int(b), int(e), context) for (n, t), b, e in zip(order, begins, ends)]
        assert [step for step in got if step[3] == context] == want
    assert refused == sum(length > 4 for _, length in sent) > 0


def test_contexts_that_have_steps_take_turns():
    dut = ContextStores(VALUES, 4, 3, backwards=False)
    got, _ = play(dut, [(t, int(t == 0), int(t == 3), k) for t in range(4) for k in range(3)], 0.0)
    assert [context for *_, context in got][-6:] == [0, 1, 2] * 2


def test_a_context_that_stops_in_its_sequence_costs_the_others_nothing():
    dut = ContextStores(VALUES, 4, 2, backwards=True)
    steps = [(1, 1, 0, 1), *((t, int(t == 0), int(t == 2), 0) for _ in range(4) for t in range(3))]
    got, _ = play(dut, steps, 0.0)
    assert [value for value, *_ in got] == [2, 1, 0] * 4


def test_a_context_that_cannot_go_on_makes_room_for_another():
    dut = ContextStores(VALUES, 4, 2, backwards=False)
    seen = []

    async def testbench(ctx):
        for context in (0, 1):
            ctx.set(dut.x.payload.as_value(), 3 << 8 | context << 10)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
        ctx.set(dut.x.valid, 0)
        for passes in [0] * 6 + [1] * 6:
            ctx.set(dut.pass_on, passes)
            await ctx.tick()
            seen.append(ctx.get(dut.y.payload.context) if ctx.get(dut.y.valid) else None)

    simulate(dut, testbench)
    assert seen[3:] == [0, 0, 0, 1, 0, 1, 0, 1, 0]

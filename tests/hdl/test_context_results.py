"""The order of results of contexts, their marks, and when a context may have another, against lists in Python."""

import numpy as np
import pytest

from ohmgate.hdl.context_results import ContextResults
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("contexts", [2, 3, 5, 16])
def test_results_are_handed_on_in_order_and_no_context_has_two(contexts):
    rng = np.random.default_rng(contexts)
    dut = ContextResults(contexts)
    assert dut.latency == 1
    begun_all, handed_on = [], []

    async def testbench(ctx):
        coming: list[int] = []  # last conversions that have begun
        waiting: list[int] = []  # results that are there
        marks: dict[int, tuple[int, int]] = {}
        deepest = 0
        for cycle in range(1500):
            assert ctx.get(dut.valid) == bool(waiting)
            if waiting:
                shown = ctx.get(dut.shown), ctx.get(dut.shown_first), ctx.get(dut.shown_last)
                assert shown == (waiting[0], *marks[waiting[0]])
            assert ctx.get(dut.busy) == bool(coming or waiting)
            ready = int(rng.random() < (0.2 if cycle // 300 % 2 else 0.9))
            ctx.set(dut.ready, ready)
            context = int(rng.integers(contexts))
            ctx.set(dut.context, context)
            free = context not in coming and (context not in waiting or (bool(ready) and waiting[0] == context))
            assert ctx.get(dut.free) == free
            begun = free and rng.random() < 0.7
            own = tuple(int(v) for v in rng.integers(0, 2, 2))
            ctx.set(dut.begun, begun)
            ctx.set(dut.first, own[0])
            ctx.set(dut.last, own[1])
            finished = bool(coming) and rng.random() < 0.6
            ctx.set(dut.finished, finished)
            ctx.set(dut.finished_context, coming[0] if finished else int(rng.integers(contexts)))
            await ctx.tick()
            if waiting and ready:
                handed_on.append(waiting.pop(0))
            if finished:
                waiting.append(coming.pop(0))
            if begun:
                coming.append(context)
                begun_all.append(context)
                marks[context] = own
            deepest = max(deepest, len(waiting))
        assert deepest == contexts, "every context had a result that waited"

    simulate(dut, testbench)
    assert handed_on == dut.model(begun_all)[: len(handed_on)]
    assert len(handed_on) > 300


@pytest.mark.parametrize("contexts", [1, 17])
def test_a_number_of_contexts_out_of_range_is_refused(contexts):
    with pytest.raises(DesignError, match=rf"^contexts must be an integer from 2 to 16, not {contexts}$"):
        ContextResults(contexts)

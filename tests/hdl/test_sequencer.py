"""ADC sequencer: columns in order, one ``take`` each, and the cycle formula."""

import numpy as np
import pytest

from ohmgate.hdl.sequencer import AdcSequencer
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from tests.hdl.simulate import simulate


def run(steps: int, conversion: int, tail: int, fixed: bool, rng=None, time_steps: int = 4):
    """Cycles of every ``convert`` and (cycle, step, last) of every ``take``; with ``rng`` inputs and outputs wait."""
    layer = DenseLayer(inputs=1, outputs=steps, adcs=1, conversion_cycles=conversion if fixed else 0)
    dut = AdcSequencer(layer, tail)
    converts, takes = [], []
    until = 0  # cycle in which the sequencer is idle again

    async def testbench(ctx):
        nonlocal until
        countdown, cycle = 0, 0
        while len(takes) < steps * time_steps or cycle <= until:
            waits = rng is not None and rng.random() < 0.4
            ctx.set(dut.ready_rows, not waits and len(takes) < steps * time_steps)
            ctx.set(dut.result_free, not (rng is not None and rng.random() < 0.4))
            ctx.set(dut.done, not fixed and countdown == 1)
            assert ctx.get(dut.busy) == (cycle < until), "from the first convert to the tail's end"
            if ctx.get(dut.convert):
                until = np.inf if cycle >= until else until
                assert countdown == 0, "convert while converting"
                converts.append((cycle, ctx.get(dut.select)))
                countdown = conversion
            if ctx.get(dut.take):
                assert countdown == 1
                takes.append((cycle, ctx.get(dut.step), ctx.get(dut.take_last)))
                until = cycle + tail + 1 if takes[-1][2] else until
            countdown = max(countdown - 1, 0)
            await ctx.tick()
            cycle += 1

    simulate(dut, testbench)
    return dut, converts, takes


@pytest.mark.parametrize("seed", range(12))
def test_a_time_step_takes_steps_times_conversion_plus_tail(seed):
    rng = np.random.default_rng(seed)
    steps, conversion, tail = int(rng.integers(1, 9)), int(rng.integers(2, 12)), int(rng.integers(1, 7))
    dut, converts, takes = run(steps, conversion, tail, fixed=seed % 2 == 1)
    starts = [cycle for cycle, select in converts if select == 0]
    assert set(np.diff(starts)) == {dut.cycles(conversion)} == {steps * conversion + tail}
    schedule = np.array([[convert, take] for (convert, _), (take, _, _) in zip(converts, takes)])[:steps]
    assert (schedule - starts[0]).tolist() == dut.model(conversion).tolist()
    assert [step for _, step, _ in takes] == list(range(steps)) * 4
    assert [last for _, _, last in takes] == ([0] * (steps - 1) + [1]) * 4


@pytest.mark.parametrize("seed", range(8))
def test_waits_lose_no_column_and_hurry_none(seed):
    rng = np.random.default_rng(seed)
    steps, conversion, tail = int(rng.integers(1, 6)), int(rng.integers(2, 7)), 4
    dut, converts, takes = run(steps, conversion, tail, seed % 2 == 1, rng)
    assert [select for _, select in converts] == [step for _, step, _ in takes] == list(range(steps)) * 4
    assert all(take - convert == conversion - 1 for (convert, _), (take, _, _) in zip(converts, takes))
    starts = [cycle for cycle, select in converts if select == 0]
    assert min(np.diff(starts)) >= dut.cycles(conversion)


@pytest.mark.parametrize("waiting", ["ready_rows", "result_free"])
def test_nothing_is_converted_without_rows_or_without_room_for_the_result(waiting):
    dut = AdcSequencer(DenseLayer(inputs=1, outputs=1, adcs=1, conversion_cycles=2), 1)

    async def testbench(ctx):
        ctx.set(dut.ready_rows, waiting != "ready_rows")
        ctx.set(dut.result_free, waiting != "result_free")
        for _ in range(10):
            assert not ctx.get(dut.convert)
            await ctx.tick()
        ctx.set(getattr(dut, waiting), 1)
        assert ctx.get(dut.convert)

    simulate(dut, testbench)


def test_only_the_last_column_waits_for_room_for_the_result():
    dut = AdcSequencer(DenseLayer(inputs=1, outputs=3, adcs=1, conversion_cycles=2), 1)

    async def testbench(ctx):
        ctx.set(dut.ready_rows, 1)
        selects = []
        for _ in range(12):
            if ctx.get(dut.convert):
                selects.append(ctx.get(dut.select))
            await ctx.tick()
        assert (selects, ctx.get(dut.select)) == ([0, 1], 2)
        ctx.set(dut.ready_rows, 0)  # the rows are those of the time step that has begun
        ctx.set(dut.result_free, 1)
        assert ctx.get(dut.convert)

    simulate(dut, testbench)


def test_a_done_without_a_conversion_is_nothing():
    dut = AdcSequencer(DenseLayer(inputs=1, outputs=2, adcs=1), 3)

    async def testbench(ctx):
        ctx.set(dut.result_free, 1)
        ctx.set(dut.done, 1)
        for _ in range(3):  # idle
            assert not ctx.get(dut.take | dut.busy)
            await ctx.tick()
        for column in (0, 1):
            ctx.set(dut.ready_rows, 1)
            assert (ctx.get(dut.convert), ctx.get(dut.take), ctx.get(dut.select)) == (1, 0, column)
            await ctx.tick()
            assert (ctx.get(dut.convert), ctx.get(dut.take), ctx.get(dut.take_last)) == (0, 1, column)
            await ctx.tick()
        for _ in range(3):  # the tail
            assert (ctx.get(dut.take), ctx.get(dut.convert), ctx.get(dut.busy)) == (0, 0, 1)
            await ctx.tick()
        assert ctx.get(dut.convert)

    simulate(dut, testbench)


@pytest.mark.parametrize("tail", [-1, 7])
def test_a_tail_is_0_to_6_cycles(tail):
    with pytest.raises(DesignError, match=rf"^tail must be an integer from 0 to 6, not {tail}$"):
        AdcSequencer(DenseLayer(inputs=1, outputs=1, adcs=1), tail)

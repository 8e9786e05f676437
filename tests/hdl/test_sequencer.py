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
    busy_when_idle = []

    async def testbench(ctx):
        countdown, cycle = 0, 0
        while len(takes) < steps * time_steps:
            waits = rng is not None and rng.random() < 0.4
            ctx.set(dut.ready_rows, not waits)
            ctx.set(dut.result_free, not (rng is not None and rng.random() < 0.4))
            ctx.set(dut.done, not fixed and countdown == 1)
            if ctx.get(dut.convert):
                assert countdown == 0, "convert while converting"
                converts.append((cycle, ctx.get(dut.select)))
                countdown = conversion
            if ctx.get(dut.take):
                assert countdown == 1
                takes.append((cycle, ctx.get(dut.step), ctx.get(dut.take_last)))
            countdown = max(countdown - 1, 0)
            await ctx.tick()
            cycle += 1
        ctx.set(dut.ready_rows, 0)
        ctx.set(dut.done, 0)
        for _ in range(tail):
            busy_when_idle.append(ctx.get(dut.busy))
            await ctx.tick()
        busy_when_idle.append(ctx.get(dut.busy))

    simulate(dut, testbench)
    assert busy_when_idle == [1] * tail + [0]
    return dut, converts, takes


@pytest.mark.parametrize("seed", range(12))
def test_a_time_step_takes_steps_times_conversion_plus_tail(seed):
    rng = np.random.default_rng(seed)
    steps, conversion, tail = int(rng.integers(1, 9)), int(rng.integers(2, 12)), int(rng.integers(1, 7))
    dut, converts, takes = run(steps, conversion, tail, fixed=seed % 2 == 1)
    starts = [cycle for cycle, select in converts if select == 0]
    assert set(np.diff(starts)) == {dut.model(conversion)} == {steps * conversion + tail}
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
    assert min(np.diff(starts)) >= dut.model(conversion)


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


def test_a_tail_longer_than_6_is_refused():
    with pytest.raises(DesignError, match=r"^tail must be an integer from 1 to 6, not 7$"):
        AdcSequencer(DenseLayer(inputs=1, outputs=1, adcs=1), 7)

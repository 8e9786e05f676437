"""Step assembler: bytes in, payloads out, with stalls on both sides."""

import numpy as np
import pytest

from ohmgate.hdl.board.step_assembler import StepAssembler
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("inputs, size", [(1, 1), (3, 2), (4, 3), (12, 7)])  # of 4 bits, and two marks
@pytest.mark.parametrize("gaps", [0.0, 0.6])
def test_steps_are_gathered(inputs, size, gaps):
    rng = np.random.default_rng(inputs)
    dut = StepAssembler(Design("one", (DenseLayer(inputs=inputs, outputs=2, adcs=2),)))
    content, bits = rng.bytes(6 * size), 4 * inputs + 2
    steps = [int.from_bytes(content[size * k : size * (k + 1)], "little") % 2**bits for k in range(6)]
    got, ended = [], []

    async def source(ctx):
        for byte in content:
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick().until(dut.bytes.ready)
            ctx.set(dut.bytes.valid, 0)

    async def sink(ctx):
        while len(got) < 6:
            ctx.set(dut.x.ready, rng.random() >= gaps)
            ports = dut.x.valid & dut.x.ready, dut.x.payload.as_value(), dut.ended
            _, _, taken, payload, last = await ctx.tick().sample(*ports)
            assert taken or not last
            if taken:
                got.append(payload)
                ended.append(last)

    simulate(dut, source, sink)
    assert got == steps == dut.model(content + b"x" * (size - 1))
    assert ended == [step >> bits - 1 for step in steps]


def test_a_whole_step_shows_in_the_next_cycle_and_flush_drops_it():
    dut = StepAssembler(Design("one", (DenseLayer(inputs=3, outputs=2, adcs=2),)))

    async def put(ctx, byte):
        ctx.set(dut.bytes.payload, byte)
        ctx.set(dut.bytes.valid, 1)
        assert ctx.get(dut.bytes.ready)
        await ctx.tick()
        ctx.set(dut.bytes.valid, 0)

    async def flush(ctx):
        ctx.set(dut.flush, 1)
        await ctx.tick()
        ctx.set(dut.flush, 0)

    async def testbench(ctx):
        for bytes_ in ([1], [1, 2]):
            for byte in bytes_:
                await put(ctx, byte)
            assert ctx.get(dut.x.valid) == len(bytes_) - 1
            await flush(ctx)
            assert (ctx.get(dut.x.valid), ctx.get(dut.bytes.ready)) == (0, 1)
        await put(ctx, 0x34)
        await put(ctx, 0x12)
        assert (ctx.get(dut.x.payload.as_value()), ctx.get(dut.x.valid), ctx.get(dut.bytes.ready)) == (0x1234, 1, 0)

    assert dut.latency == 1
    simulate(dut, testbench)

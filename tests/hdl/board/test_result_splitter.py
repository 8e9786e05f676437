"""Result splitter: payloads in, bytes out, each result taken with its last byte."""

import numpy as np
import pytest

from ohmgate.hdl.board.result_splitter import ResultSplitter
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("outputs, size", [(1, 1), (2, 2), (4, 4)])  # of 7 bits, and two marks
@pytest.mark.parametrize("gaps", [0.0, 0.6])
def test_results_are_split(outputs, size, gaps):
    rng = np.random.default_rng(outputs)
    dut = ResultSplitter(
        Design("one", (DenseLayer(inputs=2, outputs=outputs, adcs=outputs, output_bits=6 if outputs == 1 else 7),))
    )
    bits = len(dut.y.payload.as_value())
    results = [int.from_bytes(rng.bytes(8), "little") % 2**bits for _ in range(8)]
    got, wholes, ended = [], [], []

    async def source(ctx):
        for result in results:
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.y.payload.as_value(), result)
            ctx.set(dut.y.valid, 1)
            await ctx.tick().until(dut.y.ready)
            ctx.set(dut.y.valid, 0)

    async def sink(ctx):
        while len(got) < 8 * size:
            ctx.set(dut.bytes.ready, rng.random() >= gaps)
            ports = dut.bytes.valid & dut.bytes.ready, dut.bytes.payload, dut.whole, dut.ended
            _, _, taken, byte, whole, last = await ctx.tick().sample(*ports)
            assert taken or not (whole or last)
            if taken:
                got.append(byte)
                wholes.append(whole)
                ended.append(last)

    simulate(dut, source, sink)
    assert (
        bytes(got)
        == b"".join(result.to_bytes(size, "little") for result in results)
        == b"".join(map(dut.model, results))
    )
    assert wholes == [0] * (size - 1) * 0 + [int(k % size == size - 1) for k in range(8 * size)]
    assert ended[size - 1 :: size] == [result >> bits - 1 for result in results]
    assert sum(ended) == sum(ended[size - 1 :: size])


def test_flush_drops_a_result_that_is_half_out():
    dut = ResultSplitter(Design("one", (DenseLayer(inputs=2, outputs=2, adcs=2, output_bits=7),)))

    async def testbench(ctx):
        ctx.set(dut.y.payload.as_value(), 0x1234)
        ctx.set(dut.y.valid, 1)
        ctx.set(dut.bytes.ready, 1)
        assert (ctx.get(dut.bytes.valid), ctx.get(dut.bytes.payload), ctx.get(dut.y.ready)) == (1, 0x34, 0)
        await ctx.tick()
        ctx.set(dut.bytes.ready, 0)
        ctx.set(dut.flush, 1)
        assert (ctx.get(dut.bytes.payload), ctx.get(dut.y.ready)) == (0x12, 0)
        await ctx.tick()
        ctx.set(dut.flush, 0)
        assert (ctx.get(dut.bytes.valid), ctx.get(dut.y.ready)) == (0, 1)
        await ctx.tick()
        assert (ctx.get(dut.bytes.valid), ctx.get(dut.bytes.payload), ctx.get(dut.y.ready)) == (1, 0x34, 0)


def test_a_flush_without_a_result_drops_none_that_comes_later():
    dut = ResultSplitter(Design("one", (DenseLayer(inputs=2, outputs=2, adcs=2, output_bits=7),)))

    async def testbench(ctx):
        ctx.set(dut.flush, 1)
        await ctx.tick()
        ctx.set(dut.flush, 0)
        ctx.set(dut.y.payload.as_value(), 0x1234)
        ctx.set(dut.y.valid, 1)
        assert (ctx.get(dut.bytes.valid), ctx.get(dut.bytes.payload), ctx.get(dut.y.ready)) == (1, 0x34, 0)

    simulate(dut, testbench)

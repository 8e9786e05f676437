"""Result queue against a list, with random stalls; full, empty, flushed."""

import numpy as np
import pytest

from ohmgate.hdl.board.result_queue import ResultQueue
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("slow", [0.2, 0.5, 0.9])
def test_bytes_come_out_in_order(slow):
    rng, dut = np.random.default_rng(int(10 * slow)), ResultQueue(16)

    async def testbench(ctx):
        held, seen = [], {"full": 0, "empty": 0}
        for cycle in range(1500):
            byte = int(rng.integers(256))
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, rng.random() < 0.5)
            ctx.set(dut.results.ready, rng.random() > slow)
            ctx.set(dut.flush, cycle % 400 == 399)
            ports = dut.bytes.valid & dut.bytes.ready, dut.bytes.ready, dut.results.valid, dut.results.ready
            _, _, put, room, there, ready, payload = await ctx.tick().sample(*ports, dut.results.payload)
            assert room == (len(held) < 16)
            seen["full"] += not room
            seen["empty"] += not held
            if there:
                assert payload == held[0]
            assert held or not there
            if there and ready:
                held.pop(0)
            if put:
                held.append(byte)
            if cycle % 400 == 399:
                held = []
        assert seen["full" if slow == 0.9 else "empty"] > 5

    simulate(dut, testbench)


def test_the_first_byte_shows_after_two_cycles():
    dut = ResultQueue(16)

    async def testbench(ctx):
        ctx.set(dut.bytes.payload, 0x5A)
        ctx.set(dut.bytes.valid, 1)
        await ctx.tick()
        ctx.set(dut.bytes.valid, 0)
        assert not ctx.get(dut.results.valid)
        await ctx.tick()
        assert (ctx.get(dut.results.valid), ctx.get(dut.results.payload)) == (1, 0x5A)

    assert dut.latency == 2
    simulate(dut, testbench)
    assert dut.model(bytes(range(20))) == (bytes(range(16)), bytes(range(16, 20)))

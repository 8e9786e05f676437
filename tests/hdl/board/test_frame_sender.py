"""Frame sender: a bank from its zero to the next one, whatever the line's pace."""

import numpy as np
import pytest

from ohmgate.hdl.board.frame_sender import FrameSender
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("gaps", [0.0, 0.7])
def test_a_bank_is_sent_to_its_zero(gaps):
    rng, dut, sent = np.random.default_rng(2), FrameSender(4), []
    frames = [b"\0" + bytes(rng.integers(1, 256, size).tolist()) + b"\0" for size in (1, 12, 253, 2)]
    banks = b"".join(frame + rng.bytes(256 - len(frame)) for frame in frames)

    async def memory(ctx):
        while True:
            _, _, addr, en = await ctx.tick().sample(dut.read.addr, dut.read.en)
            if en:
                ctx.set(dut.read.data, banks[addr])

    async def line(ctx):
        while True:
            ctx.set(dut.bytes.ready, rng.random() >= gaps)
            _, _, taken, byte = await ctx.tick().sample(dut.bytes.valid & dut.bytes.ready, dut.bytes.payload)
            if taken:
                sent.append(byte)

    async def testbench(ctx):
        for bank in (2, 0, 3, 3, 1):
            del sent[:]
            assert not ctx.get(dut.busy)
            ctx.set(dut.bank, bank)
            ctx.set(dut.send, 1)
            await ctx.tick()
            ctx.set(dut.send, 0)
            ctx.set(dut.bank, 1)
            assert (ctx.get(dut.busy), ctx.get(dut.sending), ctx.get(dut.bytes.valid)) == (1, bank, 0)
            await ctx.tick()
            assert ctx.get(dut.bytes.valid), "latency"
            await ctx.tick().until(~dut.busy)
            assert bytes(sent) == frames[bank] == dut.model(banks[256 * bank :])

    assert dut.latency == 2
    simulate(dut, testbench, background=[memory, line])

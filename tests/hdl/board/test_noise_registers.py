"""The noise registers in the simulator, beside their twin: what they answer, and what the arrays see of them."""

import numpy as np
from amaranth.hdl import ResetInserter, Signal

from ohmgate.hdl.board.noise_registers import NoiseRegisters
from ohmgate.hdl.board.noise_twin import ADDRESSES
from ohmgate.model.integer_noise import IntegerNoise
from tests.hdl.simulate import simulate


async def access(ctx, dut, adr: int, word: int | None = None) -> int:
    """A read, or a write: the word on the bus with ``ack``."""
    bus = dut.bus
    for port, value in ((bus.adr, adr), (bus.we, word is not None), (bus.dat_w, word or 0), (bus.sel, 0xF)):
        ctx.set(port, value)
    ctx.set(bus.cyc, 1)
    ctx.set(bus.stb, 1)
    cycles = 0
    while not ctx.get(bus.ack):
        assert not ctx.get(dut.noise.restart)
        await ctx.tick()
        cycles += 1
    assert cycles == dut.latency
    assert ctx.get(dut.noise.restart) == (word is not None and adr == 0)
    answer = ctx.get(bus.dat_r)
    ctx.set(bus.cyc, 0)
    ctx.set(bus.stb, 0)
    await ctx.tick()
    assert not ctx.get(bus.ack | bus.err | dut.noise.restart)
    return answer


def shown(ctx, dut) -> IntegerNoise:
    noise = dut.noise
    return IntegerNoise(ctx.get(noise.seed), ctx.get(noise.programming), ctx.get(noise.adc))


def test_registers_answer_as_the_twin_does():
    dut, rng = NoiseRegisters(), np.random.default_rng(2)
    twin = dut.model()

    async def testbench(ctx):
        for _ in range(60):
            adr, word = int(rng.integers(2)), int(rng.integers(2**32))
            if rng.integers(2):
                await access(ctx, dut, adr, word)
                assert twin.access(ADDRESSES[adr], word) == 0
            else:
                assert await access(ctx, dut, adr) == twin.access(ADDRESSES[adr])
            assert shown(ctx, dut) == twin.noise
        await access(ctx, dut, 0, 0x12345678)
        await access(ctx, dut, 1, 0xABCD1405)
        assert shown(ctx, dut) == IntegerNoise(0x12345678, 5, 20)
        assert (await access(ctx, dut, 0), await access(ctx, dut, 1)) == (0x12345678, 0x1405)

    simulate(dut, testbench)
    assert twin.restarts > 0


def test_a_reset_leaves_them_and_power_begins_without_noise():
    dut, reset = NoiseRegisters(), Signal()

    async def testbench(ctx):
        assert shown(ctx, dut) == IntegerNoise()
        await access(ctx, dut, 0, 7)
        await access(ctx, dut, 1, 0x5B14)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert shown(ctx, dut) == IntegerNoise(7, 20, 91)

    simulate(ResetInserter(reset)(dut), testbench)

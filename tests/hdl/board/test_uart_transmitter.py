"""UART transmitter: the line, sampled bit by bit by a bench of its own."""

import numpy as np
import pytest

from ohmgate.hdl.board.uart_transmitter import UartTransmitter
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("divisor", [8, 13])
@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_the_line_has_every_byte(divisor, gaps):
    rng = np.random.default_rng(divisor)
    content, dut, line, taken = bytes([0, 0xFF, 0x55, *rng.bytes(9)]), UartTransmitter(divisor), [], []

    async def source(ctx):
        for byte in content:
            while rng.random() < gaps:
                await ctx.tick().repeat(7)
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick().until(dut.bytes.ready)
            taken.append(len(line))
            ctx.set(dut.bytes.valid, 0)
            ctx.set(dut.bytes.payload, int(rng.integers(256)))
        await ctx.tick().repeat(12 * divisor)

    async def sink(ctx):
        while True:
            _, _, level = await ctx.tick().sample(dut.tx)
            line.append(level)

    simulate(dut, source, background=[sink])
    assert bytes(sampled(line, divisor)) == content
    if not gaps:
        begin = line.index(0)
        assert line[begin : begin + 10 * divisor * len(content)] == dut.model(content)
        assert set(line[:begin] + line[begin + 10 * divisor * len(content) :]) == {1}


def sampled(line: list[int], divisor: int) -> list[int]:
    """Bytes of a line; every bit must last ``divisor`` cycles."""
    found, at = [], 0
    while 0 in line[at:]:
        at = line.index(0, at)
        bits = [line[at + divisor * k : at + divisor * (k + 1)] for k in range(10)]
        assert all(len(set(bit)) == 1 for bit in bits)
        assert (bits[0][0], bits[9][0]) == (0, 1)
        found.append(sum(bit[0] << k for k, bit in enumerate(bits[1:9])))
        at += 10 * divisor
    return found


def test_a_byte_shows_in_the_cycle_after_it_was_taken():
    dut = UartTransmitter(9)
    assert dut.latency == 1

    async def testbench(ctx):
        ctx.set(dut.bytes.payload, 0xFF)
        ctx.set(dut.bytes.valid, 1)
        assert (ctx.get(dut.tx), ctx.get(dut.bytes.ready)) == (1, 1)
        await ctx.tick()
        assert (ctx.get(dut.tx), ctx.get(dut.bytes.ready)) == (0, 0)

    simulate(dut, testbench)

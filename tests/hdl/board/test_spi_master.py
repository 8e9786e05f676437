"""The SPI master in the simulator: its levels cycle by cycle, and both bytes of an exchange."""

import numpy as np

from ohmgate.hdl.board.spi_master import SpiMaster
from tests.hdl.simulate import simulate


def test_bytes_cross_in_mode_0():
    dut, rng = SpiMaster(), np.random.default_rng(1)
    pairs = [(0, 0xFF), (0xFF, 0), (0xA5, 0x5A), *(map(int, pair) for pair in rng.integers(256, size=(5, 2)))]

    async def testbench(ctx):
        for sent, answer in pairs:
            ctx.set(dut.spi.data, sent)
            ctx.set(dut.spi.start, 1)
            assert not ctx.get(dut.spi.busy | dut.clock)
            await ctx.tick()
            ctx.set(dut.spi.start, 0)
            ctx.set(dut.spi.data, 0x3C)
            levels, bits, high = [], 0, 0
            while ctx.get(dut.spi.busy):
                clock = ctx.get(dut.clock)
                levels.append((clock, ctx.get(dut.copi)))
                bits += high and not clock  # the flash's next bit comes with the falling edge
                high = clock
                ctx.set(dut.cipo, answer >> 7 - bits & 1)
                await ctx.tick()
            assert len(levels) == dut.latency - 1
            assert levels == dut.model(sent)
            rises = [copi for k, (clock, copi) in enumerate(levels) if clock and not levels[k - 1][0]]
            assert sum(bit << 7 - k for k, bit in enumerate(rises)) == sent
            assert ctx.get(dut.spi.received) == answer

    simulate(dut, testbench)


def test_select_is_the_asker_s():
    dut = SpiMaster()

    async def testbench(ctx):
        for level in (1, 0):
            ctx.set(dut.spi.select, level)
            assert ctx.get(dut.select) == level

    simulate(dut, testbench)

"""A board's bus: the chip's addresses reach it, all others are refused."""

import numpy as np

from ohmgate.hdl.board.board_bus import BoardBus
from tests.hdl.board.test_link_twin import DESIGN
from tests.hdl.simulate import simulate


def test_only_the_chips_addresses_reach_it():
    dut, rng = BoardBus(DESIGN), np.random.default_rng(1)
    bus, inner = dut.bus, dut.registers

    async def testbench(ctx):
        for address in [0, 4, 0x60, 0x7C, 0x80, 0xFC, 0x400, 0x460, 0x8000, 0xFFFC]:
            word, write = int(rng.integers(2**32)), int(rng.integers(2))
            for port, value in (
                (bus.adr, address // 4),
                (bus.dat_w, word),
                (bus.sel, 0xF),
                (bus.we, write),
                (bus.cyc, 1),
                (bus.stb, 1),
            ):
                ctx.set(port, value)
            mine = address < 0x80
            assert mine == dut.model(address)
            assert (ctx.get(inner.cyc & inner.stb), ctx.get(bus.ack | bus.err)) == (mine, 0)
            if mine:
                assert (ctx.get(inner.adr), ctx.get(inner.dat_w), ctx.get(inner.we), ctx.get(inner.sel)) == (
                    address // 4,
                    word,
                    write,
                    0xF,
                )
                for answer in ("ack", "err"):
                    ctx.set(inner.dat_r, word ^ 1)
                    ctx.set(getattr(inner, answer), 1)
                    assert (ctx.get(bus.ack), ctx.get(bus.err), ctx.get(bus.dat_r)) == (
                        answer == "ack",
                        answer == "err",
                        word ^ 1,
                    )
                    ctx.set(getattr(inner, answer), 0)
            await ctx.tick()
            assert (ctx.get(bus.ack), ctx.get(bus.err)) == (0, not mine)
            ctx.set(bus.cyc, 0)
            await ctx.tick()
            assert not ctx.get(bus.ack | bus.err)

    assert dut.latency == 0
    simulate(dut, testbench)

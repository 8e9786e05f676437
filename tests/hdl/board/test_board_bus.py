"""A board's bus: the chip's addresses reach it, and the noise's where there is noise; all others are refused."""

import numpy as np
import pytest

from ohmgate.hdl.board.board_bus import BoardBus
from tests.hdl.board.test_link_twin import DESIGN
from tests.hdl.simulate import simulate

ADDRESSES = [
    0,
    4,
    0x60,
    0x7C,
    0x80,
    0xFC,
    0x3FC,
    0x400,
    0x404,
    0x408,
    0x460,
    0x8000,
    0x8404,
    0xFFFC,
    0x41C,
    0x420,
    0x42C,
    0x430,
]


@pytest.mark.parametrize("noise, flash", [(False, False), (True, False), (False, True), (True, True)])
def test_only_known_addresses_reach_a_part(noise, flash):
    dut, rng = BoardBus(DESIGN, noise, flash), np.random.default_rng(1)
    bus = dut.bus
    parts = (
        {"registers": dut.registers}
        | ({"noise": dut.noise} if noise else {})
        | ({"flash": dut.flash} if flash else {})
    )

    async def testbench(ctx):
        for address in ADDRESSES:
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
            mine = "registers" if address < 0x80 else "noise" if noise and address in (0x400, 0x404) else ""
            mine = "flash" if flash and 0x420 <= address < 0x430 else mine
            assert mine == dut.model(address)
            assert not any(ctx.get(part.cyc | part.stb) for part in parts.values())
            assert ctx.get(bus.ack | bus.err) == 0
            await ctx.tick()
            assert {name: ctx.get(part.cyc & part.stb) for name, part in parts.items()} == {
                name: int(name == mine) for name in parts
            }
            assert (ctx.get(bus.ack), ctx.get(bus.err)) == (0, not mine)
            if mine:
                await ctx.tick()  # a part that takes its time
                inner = parts[mine]
                assert (ctx.get(inner.adr), ctx.get(inner.dat_w), ctx.get(inner.we), ctx.get(inner.sel)) == (
                    address // 4 % (4 if mine == "flash" else 0x100),
                    word,
                    write,
                    0xF,
                )
                for part in parts.values():
                    ctx.set(part.dat_r, word ^ 2)
                for answer in ("ack", "err"):
                    ctx.set(inner.dat_r, word ^ 1)
                    ctx.set(getattr(inner, answer), 1)
                    assert (ctx.get(bus.ack), ctx.get(bus.err)) == (answer == "ack", answer == "err")
                    assert answer == "err" or ctx.get(bus.dat_r) == word ^ 1
                    ctx.set(getattr(inner, answer), 0)
                ctx.set(inner.ack, 1)
                await ctx.tick()
                assert not ctx.get(inner.stb), "a request that was answered is over"
                ctx.set(inner.ack, 0)
            ctx.set(bus.cyc, 0)
            await ctx.tick()
            assert not ctx.get(bus.ack | bus.err)

    assert dut.latency == 1
    simulate(dut, testbench)

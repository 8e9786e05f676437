"""CRC-32 against zlib's, and the order in which its bytes are read."""

import zlib

import numpy as np
import pytest

from ohmgate.hdl.board.crc32 import Crc32
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_crc_of_random_messages_read_byte_by_byte(bits):
    rng = np.random.default_rng(bits)
    dut = Crc32(bits)
    assert dut.latency == 1

    async def feed(ctx, message):
        for byte in message:
            for k in range(0, 8, bits):
                ctx.set(dut.data, byte >> k & (1 << bits) - 1)
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)
                if rng.random() < 0.1:
                    ctx.set(dut.data, int(rng.integers(1 << bits)))
                    await ctx.tick()

    async def read(ctx) -> bytes:
        found = []
        ctx.set(dut.rotate, 1)
        for _ in range(4):
            found.append(ctx.get(dut.byte))
            ctx.set(dut.advance, 1)
            ctx.set(dut.data, int(rng.integers(1 << bits)))
            await ctx.tick().repeat(8 // bits)
            ctx.set(dut.advance, 0)
        ctx.set(dut.rotate, 0)
        return bytes(found)

    async def testbench(ctx):
        for length in (0, 1, 2, 7):
            first, second = rng.bytes(length), rng.bytes(3)
            ctx.set(dut.start, 1)
            ctx.set(dut.advance, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            await feed(ctx, first)
            assert (
                await read(ctx) == zlib.crc32(first).to_bytes(4, "little") == dut.model(first).to_bytes(4, "little")
            )
            await feed(ctx, second)  # reading left it as it was
            crc = zlib.crc32(first + second).to_bytes(4, "little")
            assert await read(ctx) == crc
            assert not ctx.get(dut.match)
            await feed(ctx, crc)
            assert ctx.get(dut.match)
            await feed(ctx, b"x")
            assert not ctx.get(dut.match)

    simulate(dut, testbench)


def test_other_widths_are_refused():
    with pytest.raises(DesignError, match=r"^bits of a cycle must be 1, 2, 4 or 8, not 3$"):
        Crc32(3)

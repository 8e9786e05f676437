"""A board's flash as a whole: it feeds a slot, then the registers have it, and a reset begins anew."""

import zlib

from amaranth.hdl import ResetInserter, Signal

from ohmgate.hdl.board.board_flash import BoardFlash
from ohmgate.model.flash import Record
from tests.hdl.board.flash_bench import LAYOUT, flash_of, pins
from tests.hdl.board.test_flash_registers import DATA, SELECT, STATUS, access
from tests.hdl.simulate import simulate

FRAMES = bytes(range(60, 66))
SLOT = Record(4, len(FRAMES), zlib.crc32(FRAMES), 1), FRAMES


async def boot(ctx, dut) -> bytes:
    fed = bytearray()
    ctx.set(dut.boot.bytes.ready, 1)
    ctx.set(dut.boot.quiet, 1)
    while ctx.get(dut.boot.booting):
        if ctx.get(dut.boot.bytes.valid):
            fed.append(ctx.get(dut.boot.bytes.payload))
        await ctx.tick()
    return bytes(fed)


def test_it_boots_then_serves_its_registers_and_boots_after_a_reset():
    dut, reset = BoardFlash(LAYOUT, 1_000_000), Signal()
    assert dut.wake_cycles == 50
    flash = flash_of(None, SLOT)
    twin = dut.model(flash_of(None, SLOT))

    async def testbench(ctx):
        for _ in range(2):
            assert await boot(ctx, dut) == FRAMES == twin.frames
            assert await access(ctx, dut.bus, STATUS) == (twin.access(0x420), dut.latency)
            await access(ctx, dut.bus, SELECT, 1)
            await access(ctx, dut.bus, DATA, 0x00010203)  # 0x020100: slot B's frames
            assert (await access(ctx, dut.bus, DATA))[0] == int.from_bytes(FRAMES[:4], "little")
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.select)

    simulate(ResetInserter(reset)(dut), testbench, background=[pins(dut, flash)])

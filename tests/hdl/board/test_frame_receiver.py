"""Frame receiver: what lies in its banks after lines of whole, damaged, short, long and too many frames."""

import numpy as np
import pytest
from cobs import cobs

from ohmgate.hdl.board.frame_receiver import FrameReceiver
from tests.hdl.simulate import simulate


async def send(ctx, dut, line: bytes, banks: dict[int, int]) -> None:
    for byte in line:
        ctx.set(dut.data, byte)
        ctx.set(dut.valid, 1)
        _, _, en, addr, data = await ctx.tick().sample(dut.write.en, dut.write.addr, dut.write.data)
        if en:
            banks[addr] = data
    ctx.set(dut.valid, 0)
    _, _, en = await ctx.tick().sample(dut.write.en)
    assert not en


def body_in(banks: dict[int, int], bank: int) -> bytes:
    end = banks[256 * bank]
    return bytes(banks[256 * bank + at] for at in range(2, end))


def lines(rng: np.random.Generator) -> list[bytes]:
    """Pieces of a line, each with its zeros."""
    found = []
    for size in [0, 1, 10, 11, 12, 60, 250, 251, 252, 253, 254, 300]:
        for content in (rng.bytes(size), bytes(size), bytes(rng.integers(0, 2, size).tolist()))[
            : 1 if 12 < size < 249 else 3
        ]:
            whole = cobs.encode(content)
            found.append(whole + b"\0")
            found.append(b"\0" + whole[:-1] + b"\0\0")  # its last byte is lost
            at = int(rng.integers(len(whole)))
            found.append(whole[:at] + bytes([whole[at] % 255 + 1]) + whole[at + 1 :] + b"\0")
    return found


def test_every_whole_frame_is_in_a_bank():
    dut = FrameReceiver(2)
    assert dut.latency == 1

    async def testbench(ctx):
        banks, bank = {}, 0
        for line in lines(np.random.default_rng(1)):
            await send(ctx, dut, line, banks)
            expected = dut.model(line)
            assert ctx.get(dut.waiting) == len(expected) <= 1
            if expected:
                assert body_in(banks, bank) == expected[0]
                bank ^= 1
                ctx.set(dut.release, 1)
                await ctx.tick()
                ctx.set(dut.release, 0)

    simulate(dut, testbench, cycles=100_000)


@pytest.mark.parametrize("window", [2, 4, 8])
def test_frames_that_begin_while_no_bank_is_free_are_dropped(window):
    dut, rng = FrameReceiver(window), np.random.default_rng(window)
    bodies = [rng.bytes(12 + k) for k in range(window + 3)]

    async def testbench(ctx):
        banks = {}
        for body in bodies[: window + 1]:
            await send(ctx, dut, cobs.encode(body) + b"\0", banks)
        assert ctx.get(dut.waiting) == window
        assert [body_in(banks, k) for k in range(window)] == bodies[:window]
        kept = dict(banks)
        line = cobs.encode(bodies[window + 1])
        await send(ctx, dut, line[:5], banks)
        ctx.set(dut.release, 1)  # too late for this one
        await ctx.tick()
        ctx.set(dut.release, 0)
        await send(ctx, dut, line[5:] + b"\0", banks)
        assert (banks, ctx.get(dut.waiting)) == (kept, window - 1)
        await send(ctx, dut, cobs.encode(bodies[window + 2]) + b"\0", banks)
        assert (body_in(banks, 0), ctx.get(dut.waiting)) == (bodies[window + 2], window)

    simulate(dut, testbench)

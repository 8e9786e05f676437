"""Sequence replay: bytes fed, results counted, their CRC-32, the cycles, and what passes while no replay runs."""

import struct
import zlib

import numpy as np
import pytest

from ohmgate.hdl.board.sequence_replay import SequenceReplay
from tests.hdl.board.test_link_twin import DESIGN
from tests.hdl.simulate import simulate


class Network:
    """Takes steps of two bytes; a step whose second byte is odd ends a sequence, for which three bytes come back."""

    def __init__(self, dut: SequenceReplay, rng: np.random.Generator, stalls: float):
        self.dut, self.rng, self.stalls = dut, rng, stalls
        self.fed, self.given, self.due = [], [], []

    async def steps(self, ctx):
        dut = self.dut
        while True:
            ctx.set(dut.steps.ready, self.rng.random() >= self.stalls)
            ctx.set(dut.step_ended, 0)
            ctx.set(dut.step_waits, 0)
            _, _, taken, byte = await ctx.tick().sample(dut.steps.valid & dut.steps.ready, dut.steps.payload)
            if not taken:
                continue
            self.fed.append(byte)
            if len(self.fed) % 2 == 0:
                ctx.set(dut.steps.ready, 0)
                ctx.set(dut.step_waits, 1)
                await ctx.tick().repeat(int(self.rng.integers(1, 4)))
                ctx.set(dut.step_ended, byte & 1)
                await ctx.tick()
                if byte & 1:
                    self.due.append([sum(self.fed) & 255, byte, len(self.fed) & 255])

    async def results(self, ctx):
        dut = self.dut
        while True:
            await ctx.tick()
            if not self.due or self.rng.random() < 0.8:
                continue
            result = self.due.pop(0)
            for k, byte in enumerate(result):
                ctx.set(dut.results.payload, byte)
                ctx.set(dut.results.valid, 1)
                while not ctx.get(dut.results.ready):
                    await ctx.tick()
                ctx.set(dut.result_whole, k == 2)
                ctx.set(dut.result_ended, k == 2)
                await ctx.tick()
                for port in (dut.results.valid, dut.result_whole, dut.result_ended):
                    ctx.set(port, 0)
                self.given.append(byte)


async def state(ctx, dut) -> tuple[int, int, int, int]:
    """What REPLAYED answers."""
    found = []
    for place in range(13):
        ctx.set(dut.place, place)
        found.append(ctx.get(dut.state))
        ctx.set(dut.turn, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.turn, 0)
        await ctx.tick()
    return struct.unpack("<BIII", bytes(found))


async def pulse(ctx, port) -> None:
    ctx.set(port, 1)
    await ctx.tick()
    ctx.set(port, 0)


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("size, repetitions", [(2, 1), (6, 3), (16, 2)])
def test_a_replay(stalls, size, repetitions):
    rng = np.random.default_rng(size)
    dut = SequenceReplay(DESIGN, 16)
    network, content = Network(dut, rng, stalls), bytearray(rng.bytes(16))
    content[size - 1] |= 1

    async def testbench(ctx):
        for at in rng.permutation(16):
            ctx.set(dut.fill.addr, int(at))
            ctx.set(dut.fill.data, content[at])
            await pulse(ctx, dut.fill.en)
        ctx.set(dut.host.payload, 0xEE)
        ctx.set(dut.size, size)
        ctx.set(dut.repetitions, repetitions)
        for _ in range(2):
            network.fed, network.given = [], []
            await pulse(ctx, dut.start)
            ctx.set(dut.repetitions, 0)
            ctx.set(dut.host.valid, 1)
            cycles = 0
            while ctx.get(dut.running):
                assert not ctx.get(dut.host.ready | dut.kept.valid)
                if cycles == 3:
                    ctx.set(dut.turn, 1)
                    ctx.set(dut.place, 5)  # no turn while it runs
                cycles += 1
                await ctx.tick()
                ctx.set(dut.turn, 0)
            ctx.set(dut.host.valid, 0)
            ctx.set(dut.repetitions, repetitions)
            results = bytes(network.given)
            expected = dut.model(bytes(content[:size]), repetitions, results, 3)
            assert expected == (bytes(network.fed), len(results) // 3, zlib.crc32(results))
            assert len(results) >= 3 * repetitions
            await ctx.tick()
            for _ in range(2):
                assert await state(ctx, dut) == (0, *expected[1:], cycles)

    simulate(dut, testbench, background=[network.steps, network.results])


def test_streams_pass_while_no_replay_runs_and_stop_ends_one():
    dut = SequenceReplay(DESIGN, 16)

    async def testbench(ctx):
        for ready in (0, 1):
            ctx.set(dut.host.payload, 0x12)
            ctx.set(dut.host.valid, 1)
            ctx.set(dut.steps.ready, ready)
            ctx.set(dut.results.payload, 0x34)
            ctx.set(dut.results.valid, 1)
            ctx.set(dut.kept.ready, ready)
            assert (ctx.get(dut.steps.payload), ctx.get(dut.steps.valid), ctx.get(dut.host.ready)) == (0x12, 1, ready)
            assert (ctx.get(dut.kept.payload), ctx.get(dut.kept.valid), ctx.get(dut.results.ready)) == (
                0x34,
                1,
                ready,
            )
            await ctx.tick()
        ctx.set(dut.results.valid, 0)
        ctx.set(dut.host.valid, 0)
        ctx.set(dut.steps.ready, 0)
        ctx.set(dut.size, 2)
        ctx.set(dut.repetitions, 5)
        await pulse(ctx, dut.start)
        assert not ctx.get(dut.steps.valid)
        await ctx.tick()
        assert ctx.get(dut.steps.valid), "the first byte, latency cycles after start"
        await ctx.tick().repeat(20)
        assert ctx.get(dut.running), "its steps are not taken"
        await pulse(ctx, dut.stop)
        assert not ctx.get(dut.running | dut.steps.valid)

    assert dut.latency == 2
    simulate(dut, testbench)

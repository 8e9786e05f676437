"""The link's gateware in the Amaranth simulator, between bytes and a bus and network of Python, without its UART."""

from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ohmgate.hdl.board import link
from ohmgate.hdl.component import Component
from tests.hdl.simulate import simulate

IDLE = 60  #: cycles after which no answer comes any more, and a short replay is over
RUNS = 1500  #: cycles after which a replay that has not ended never will


class _Bytes(Component):
    """In the place of a UART: a test bench sets its outputs and reads its inputs."""

    def __init__(self, divisor: int):
        super().__init__(
            {"rx": In(1), "data": Out(8), "valid": Out(1), "bytes": In(stream.Signature(8)), "tx": Out(1, init=1)}
        )

    def elaborate(self, platform):
        return Module()


class LineBench:
    """Bytes to and from ``dut``, which has a link inside.

    Pieces are sent one after the other, each when the answer to the one before is over and no replay runs, or has been
    given up. A byte comes every ``spacing`` cycles.
    """

    def __init__(self, dut, spacing: int = 1, idle: int = IDLE):
        self.dut, self.spacing, self.idle = dut, spacing, idle
        self.sent, self.cycle = bytearray(), 0
        self.parts: dict[str, Any] = {}

    def run(self, pieces: list[bytes], monkeypatch, background=()) -> list[bytes]:
        """What is sent for each piece."""
        parts, found = self.parts, []
        for name in ("UartReceiver", "UartTransmitter"):
            monkeypatch.setattr(link, name, lambda divisor, name=name: parts.setdefault(name, _Bytes(divisor)))
        for kind in (link.FrameReceiver, link.FrameSender, link.SequenceReplay):
            name = kind.__name__
            monkeypatch.setattr(link, name, lambda *args, k=kind: parts.setdefault(k.__name__, k(*args)))

        async def host(ctx):
            line, out = parts["UartReceiver"], parts["UartTransmitter"]
            ctx.set(out.bytes.ready, 1)
            for piece in pieces:
                begin = len(self.sent)
                for byte in piece:
                    ctx.set(line.data, byte)
                    ctx.set(line.valid, 1)
                    await self._cycle(ctx, out)
                    ctx.set(line.valid, 0)
                    for _ in range(self.spacing - 1):
                        await self._cycle(ctx, out)
                quiet = runs = 0
                while quiet < self.idle:
                    await self._cycle(ctx, out)
                    works = ctx.get(parts["FrameReceiver"].waiting) or ctx.get(parts["FrameSender"].busy)
                    replays = runs < RUNS and ctx.get(parts["SequenceReplay"].running)
                    runs += 1
                    quiet = 0 if works or replays else quiet + 1
                found.append(bytes(self.sent[begin:]))

        simulate(self.dut, host, background=background, cycles=5_000_000)
        return found

    async def _cycle(self, ctx, out) -> None:
        self.cycle += 1
        _, _, valid, byte = await ctx.tick().sample(out.bytes.valid, out.bytes.payload)
        if valid:
            self.sent.append(byte)


class LinkBench(LineBench):
    """A link alone. ``access`` and ``take`` are as its twin has them; the bus takes up to ``delay`` cycles."""

    def __init__(self, design, config, access, take, seed=0, delay=3, spacing=1, idle=IDLE):
        super().__init__(link.Link(design, config), spacing, idle)
        self.access, self.take, self.delay, self.rng = access, take, delay, np.random.default_rng(seed)

    def run(self, pieces: list[bytes], monkeypatch, background=()) -> list[bytes]:
        return super().run(pieces, monkeypatch, [self._registers, self._network, *background])

    async def _registers(self, ctx):
        bus = self.dut.bus
        while True:
            _, _, stb, we, adr, data, sel = await ctx.tick().sample(
                bus.cyc & bus.stb, bus.we, bus.adr, bus.dat_w, bus.sel
            )
            if not stb:
                continue
            for _ in range(self.rng.integers(0, self.delay + 1)):
                await ctx.tick()
            assert sel == 0xF
            word = self.access(4 * adr, data if we else None)
            ctx.set(bus.dat_r, word or 0)
            ctx.set(bus.ack if word is not None else bus.err, 1)
            await ctx.tick()
            ctx.set(bus.ack, 0)
            ctx.set(bus.err, 0)
            ctx.set(bus.dat_r, int(self.rng.integers(0, 2**32)))
            await ctx.tick()

    async def _network(self, ctx):
        """Takes a step while no result waits."""
        x, y = self.dut.x, self.dut.y
        while True:
            _, _, valid, payload = await ctx.tick().sample(x.valid, x.payload.as_value())
            if not valid:
                continue
            results = self.take(payload)
            if results is None:
                continue
            ctx.set(x.ready, 1)
            await ctx.tick()
            ctx.set(x.ready, 0)
            for result in results:
                ctx.set(y.payload.as_value(), result)
                ctx.set(y.valid, 1)
                await ctx.tick().until(y.ready)
                ctx.set(y.valid, 0)

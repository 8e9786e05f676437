"""The register bus alone in the Amaranth simulator, and single accesses to it."""

from dataclasses import replace

from amaranth.hdl import Cat

from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.hdl.simulate import simulate

DESIGN = Design("bus", (
    LstmLayer(inputs=2, hidden=2, adcs=4, adc_bits=3, activation_bits=5),
    DenseLayer(inputs=2, outputs=4, adcs=2, weight_bits=2, adc_bits=2, output_bits=3),
    DenseLayer(inputs=4, outputs=3, adcs=3, dac_bits=3, weight_bits=2, output="argmax"),
))  # fmt: skip
FINGERPRINT = int(DESIGN.fingerprint, 16)
DIAGNOSED = replace(DESIGN, layers=tuple(
    replace(layer, diagnostics=True, spares=spares) for layer, spares in zip(DESIGN.layers, (1, 0, 2))
))  # of the same fingerprint  # fmt: skip


class BusBench:
    """Accesses by name or address; ``ports`` of layer k are ``dut.setup_k`` and ``dut.table_k``."""

    def __init__(self, dut: RegisterBus, ctx):
        self.dut, self.ctx = dut, ctx

    def request(self, where: str | int, value: int | None = None, sel: int = 0xF) -> None:
        """Put a request on the bus, a read where there is no ``value``."""
        address = BY_NAME[where].address if isinstance(where, str) else where
        for name, level in (("adr", address // 4), ("we", value is not None), ("dat_w", value or 0),
                            ("sel", sel), ("cyc", 1), ("stb", 1)):  # fmt: skip
            self.ctx.set(getattr(self.dut.bus, name), level)

    def release(self) -> None:
        self.ctx.set(self.dut.bus.cyc, 0)
        self.ctx.set(self.dut.bus.stb, 0)

    async def access(self, where: str | int, value: int | None = None, sel: int = 0xF) -> int | None:
        """The word read, or None for an error. Ends in the cycle after the answer."""
        bus = self.dut.bus
        self.request(where, value, sel)
        read, ack, err = await self.ctx.tick().sample(bus.dat_r, bus.ack, bus.err).until(bus.ack | bus.err)
        assert ack + err == 1
        self.release()
        await self.ctx.tick()
        assert not self.ctx.get(bus.ack | bus.err), "one answer to a request"
        return read if ack else None

    async def write(self, **values: int) -> None:
        """Write registers in order; all must be taken."""
        for name, value in values.items():
            assert await self.access(name, value) is not None, name

    async def read(self, name: str) -> dict[str, int]:
        """Every field of a register."""
        return BY_NAME[name].unpack(await self.access(name))

    async def unlock(self) -> None:
        await self.write(UNLOCK_LOW=FINGERPRINT & 0xFFFFFFFF, UNLOCK_HIGH=FINGERPRINT >> 32)

    def seal(self, *seals: int) -> None:
        """Show these seals of the layers' macros; without an argument all have theirs."""
        for index, level in enumerate(seals or [1] * len(self.dut.design.layers)):
            self.ctx.set(getattr(self.dut, f"setup_{index}").sealed, level)

    def hold(self, **inputs: int) -> None:
        """Drive inputs such as ``busy``."""
        for name, level in inputs.items():
            self.ctx.set(getattr(self.dut, name), level)


class Cells:
    """Background test benches that program cells and seals, ``cycles`` each.

    ``seen`` has (layer, row, column, level) of every cell, ``seals`` (layer, 1 or 0, cells before it) of every seal.
    """

    def __init__(self, cycles: int = 1):
        self.cycles, self.seen, self.seals = cycles, [], []

    def of(self, layer: int):
        async def serve(dut, ctx):
            setup = getattr(dut, f"setup_{layer}")
            strobes = Cat(setup.program_strobe, setup.seal, setup.unseal)
            ports = (setup.program_row, setup.program_column, setup.program_level)
            while True:
                _, _, strobe, *cell = await ctx.tick().sample(strobes, *ports)
                if not strobe:
                    continue
                if strobe == 1:
                    self.seen.append((layer, *cell))
                else:
                    self.seals.append((layer, {2: 1, 4: 0}[strobe], len(self.seen)))
                for _ in range(self.cycles - 1):
                    _, _, again, *held = await ctx.tick().sample(strobes, *ports)
                    assert (again, held) == (0, cell), "not held while it is programmed"
                if strobe > 1:
                    ctx.set(setup.sealed, strobe == 2)
                ctx.set(setup.program_done, 1)
                await ctx.tick()
                ctx.set(setup.program_done, 0)

        return serve

    def benches(self):
        return [self.of(layer) for layer in range(len(DESIGN.layers))]


def with_bus(body, *background, design: Design = DESIGN) -> None:
    """Run ``await body(bench)``, and ``await background(dut, ctx)`` beside it."""
    dut = RegisterBus(design)

    async def testbench(ctx):
        await body(BusBench(dut, ctx))

    def bound(coroutine):
        async def run(ctx):
            await coroutine(dut, ctx)

        return run

    simulate(dut, testbench, background=[bound(one) for one in background])

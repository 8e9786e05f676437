"""Data registers against their twin, access for access, and a whole accelerator that is used over its bus alone."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Cat
from hypothesis import Phase, given, settings

from ohmgate.hdl.data_registers import DataRegisters
from ohmgate.model.bit_fields import pack
from ohmgate.model.design import Design
from ohmgate.model.formats import to_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.payloads import output_numbers
from ohmgate.model.registers import BY_NAME, DATA_BASE, DATA_REGISTERS, data_words
from tests.designs import perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.hdl.simulate import simulate
from tests.hdl.test_whole_design import STACK, Device, check

SHAPES = {  # inputs x D bits, outputs x bits: words of a step and of a result
    (1, 1, 1, 1): (1, 1), (8, 4, 4, 8): (1, 1), (9, 4, 5, 7): (2, 2), (11, 8, 40, 5): (3, 7), (33, 1, 9, 8): (2, 3),
}  # fmt: skip


def design_of(inputs: int, dac_bits: int, outputs: int, output_bits: int) -> Design:
    layer = DenseLayer(inputs=inputs, dac_bits=dac_bits, outputs=outputs, adcs=1, output_bits=output_bits)
    return Design("shape", (layer,), data_registers=True)


@pytest.mark.parametrize("shape, words", SHAPES.items())
def test_words_of_a_step_and_of_a_result(shape, words):
    assert data_words(design_of(*shape)) == words


@pytest.mark.parametrize("outputs, words", [(2, 1), (5, 1), (16384, 1)])
def test_a_label_is_one_word(outputs, words):
    layer = DenseLayer(inputs=1, outputs=outputs, adcs=1, output="argmax")
    assert data_words(Design("label", (layer,), data_registers=True)) == (1, words)


class Bench:
    """The registers beside their twin: whatever is done is done to both, and must look alike."""

    def __init__(self, design: Design, rng: np.random.Generator):
        self.dut, self.rng = DataRegisters(design), rng
        self.twin = self.dut.model()
        layer = design.layers[0]
        self.input_bits, self.result_bits = layer.inputs * layer.input_bits, layer.result_bits
        self.taken = self.answered = 0

    async def anything(self, ctx) -> None:
        """A random access, often the one that goes on."""
        rng = self.rng
        likely = ("INPUT", "INPUT", "INPUT_PUSH", "INPUT_PUSH", "RESULT", "RESULT", "RESULT_TAKE", "DATA_STATUS")
        name = str(rng.choice(likely if rng.random() < 0.95 else [register.name for register in DATA_REGISTERS]))
        writes = rng.random() < 0.1 if BY_NAME[name].access == "ro" else rng.random() < 0.9
        value = int(rng.integers(2**32)) if writes else None
        if name == "DATA_CONTROL" and writes:
            value = int(rng.random() < 0.6)
        await self.access(ctx, name, value, 15 if rng.random() < 0.9 else int(rng.integers(16)))

    async def access(self, ctx, name: str, value: int | None, select: int = 15) -> None:
        bus, y, address = self.dut.bus, self.dut.y, BY_NAME[name].address
        for port, level in (("adr", (address - DATA_BASE) // 4), ("we", value is not None), ("dat_w", value or 0),
                            ("sel", select), ("cyc", 1), ("stb", 1)):  # fmt: skip
            ctx.set(getattr(bus, port), level)
        taken, offered = ctx.get(y.ready), self.twin.result is not None
        expected = self.twin.access(address, value, select)
        assert taken == (offered and self.twin.result is None), "y is ready in the cycle that takes the result"
        await ctx.tick()
        ctx.set(y.valid, self.twin.result is not None)
        assert (ctx.get(bus.ack), ctx.get(bus.err)) == (expected is not None, expected is None), name
        if expected is not None:
            self.answered += 1
            if value is None:
                assert ctx.get(bus.dat_r) == expected, name
        ctx.set(bus.cyc, 0)
        ctx.set(bus.stb, 0)
        await ctx.tick()

    async def take(self, ctx) -> None:
        x, step = self.dut.x, self.twin.step
        assert ctx.get(x.valid) == (step is not None)
        if step:
            found = ctx.get(Cat(x.payload.values)), ctx.get(x.payload.first), ctx.get(x.payload.last)
            assert found == (step[0] & (1 << self.input_bits) - 1, *step[1:])
            self.taken += 1
        ctx.set(x.ready, 1)
        await ctx.tick()
        ctx.set(x.ready, 0)
        self.twin.step = None

    def offer(self, ctx) -> None:
        y, rng = self.dut.y, self.rng
        if self.twin.result is None:
            value = int.from_bytes(rng.bytes(self.result_bits // 8 + 1), "little") & (1 << self.result_bits) - 1
            self.twin.result = (value, int(rng.integers(2)), int(rng.integers(2)))
            for port, level in zip((Cat(y.payload.values), y.payload.first, y.payload.last), self.twin.result):
                ctx.set(port, level)
            ctx.set(y.valid, 1)

    async def restart(self, ctx) -> None:
        ctx.set(self.dut.restart, 1)
        await ctx.tick()
        ctx.set(self.dut.restart, 0)
        self.twin.restart()

    async def run(self, ctx) -> None:
        await self.access(ctx, "DATA_CONTROL", 1)
        for _ in range(1000):
            chance = self.rng.random()
            if chance < (0.02 if self.twin.by_bus else 0.1):
                await self.access(ctx, "DATA_CONTROL", 1 - self.twin.by_bus)
            elif chance < 0.85:
                await self.anything(ctx)
            elif chance < 0.92:
                await self.take(ctx)
            elif chance < 0.99:
                self.offer(ctx)
            else:
                await self.restart(ctx)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_access_is_the_twins(shape):
    bench = Bench(design_of(*shape), np.random.default_rng(7))
    simulate(bench.dut, bench.run)
    assert bench.taken > 3
    assert bench.answered > 100


class BusDevice(Device):
    """Used over the bus alone: steps are pushed when there is room, results taken when they are there."""

    def make(self, design: Design):
        return super().make(replace(design, data_registers=True))

    async def read(self, ctx, name: str) -> int:
        return await self.access(ctx, BY_NAME[name])

    async def source(self, ctx):
        await self.load(ctx)
        first = self.layers[0][0]
        await self.access(ctx, BY_NAME["DATA_CONTROL"], 1)
        self.input_words, self.result_words = data_words(self.network.design)
        assert await self.read(ctx, "DATA_SIZE") == self.result_words << 16 | self.input_words
        ctx.set(self.dut.y.ready, 1)
        ctx.set(self.dut.x.valid, 1)  # which is not looked at
        self.busy["before"] = await self.status(ctx)
        for b, length in enumerate(self.lengths):
            for t in range(length):
                while not (await self.read(ctx, "DATA_STATUS")) & 1:
                    await self.pull(ctx)
                bits = pack(to_wire(self.codes[b, t], first.input_bits), first.input_bits)
                for k in range(self.input_words):
                    await self.access(ctx, BY_NAME["INPUT"], bits >> 32 * k & 0xFFFFFFFF)
                await self.access(ctx, BY_NAME["INPUT_PUSH"], int(t == 0) | int(t == length - 1) << 1)
                if "within" not in self.busy:
                    self.busy["within"] = await self.status(ctx)
                if self.rng.random() < self.gaps:
                    await self.pull(ctx)
        while len(self.out) < len(self.results()):
            await self.pull(ctx)
        ctx.set(self.dut.x.valid, 0)

    async def pull(self, ctx):
        assert not ctx.get(self.dut.y.valid | self.dut.x.ready), "the streams stand still"
        status = BY_NAME["DATA_STATUS"].unpack(await self.read(ctx, "DATA_STATUS"))
        if status["RESULT_VALID"]:
            words = [await self.read(ctx, "RESULT") for _ in range(self.result_words)]
            last = self.layers[-1][0]
            bits = sum(word << 32 * k for k, word in enumerate(words))
            bits |= status["RESULT_FIRST"] << last.result_bits | status["RESULT_LAST"] << last.result_bits + 1
            self.out.append(output_numbers(last, bits).tolist())
            await self.access(ctx, BY_NAME["RESULT_TAKE"], 0)

    async def sink(self, ctx):
        while len(self.out) < len(self.results()):
            await ctx.tick()
        await ctx.tick().repeat(8)
        await super().sink(ctx)


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_a_stack_over_the_bus_is_the_reference(gaps):
    rng = np.random.default_rng(3)
    network = random_network(STACK, rng)
    codes, _ = random_inputs(STACK, rng, batch=4, steps=4)
    check(BusDevice(network, codes, np.array([4, 1, 3, 2]), 0, gaps))


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(seeds)
def test_random_designs_over_the_bus(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(random_design(rng, max_inputs=12, max_outputs=4, max_bits=8), rng), rng)
    codes, lengths = random_inputs(network.design, rng, batch=2, steps=3)
    check(BusDevice(network, codes, lengths, seed, float(rng.choice([0.0, 0.9]))))


def test_a_recurrent_layer_of_many_words():
    layer = LstmLayer(inputs=20, hidden=12, adcs=8, output="value")
    network = random_network(Design("wide", (layer,)), np.random.default_rng(2))
    assert data_words(network.design) == (3, 3)
    codes, lengths = random_inputs(network.design, np.random.default_rng(2), batch=2, steps=3)
    check(BusDevice(network, codes, lengths, 2, 0.3))

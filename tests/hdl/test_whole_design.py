"""Whole designs in the Amaranth simulator: loaded over the bus, run on exact arrays, compared with the reference."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import Read
from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.formats import signed_range, to_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order
from ohmgate.model.network import Network
from ohmgate.model.payloads import output_numbers
from ohmgate.model.reference import run
from ohmgate.model.registers import BY_NAME
from tests.designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.hdl.pretended_array import PretendedArray
from tests.hdl.simulate import simulate

COUNTERS = ("STEPS", "CELL_SATURATIONS", "ADC_SATURATIONS", "CYCLES")


class Device:
    """An accelerator on exact arrays; what it shows is noted while :meth:`run` loads it and sends all sequences."""

    def __init__(self, network: Network, codes: np.ndarray, lengths: np.ndarray, seed: int, gaps: float):
        self.network, self.codes, self.lengths, self.gaps = network, codes, lengths, gaps
        self.rng = np.random.default_rng(seed)
        self.dut = self.make(network.design)
        self.layers = list(zip(network.design.layers, network.layers))
        self.arrays = [
            PretendedArray(self.port(k).read, layer, data, self.rng, cancel=self.port(k).setup.cancel)
            for k, (layer, data) in enumerate(self.layers)
        ]
        self.levels = [np.full((layer.rows, layer.columns), -1) for layer, _ in self.layers]
        self.cells = {k: [] for k, (layer, _) in enumerate(self.layers) if layer.kind == "lstm"}
        self.out, self.cycle, self.first_taken, self.last_handed_on = [], 0, 0, 0
        self.busy = {}  # STATUS.BUSY before, after the first step was taken, at the end

    def make(self, design: Design):
        return Accelerator(design, trace=True)

    def port(self, index: int):
        return getattr(self.dut, f"array_{index}")

    async def access(self, ctx, register, value=None):
        bus = self.dut.bus
        for name, level in (("adr", register.address // 4), ("we", value is not None), ("dat_w", value or 0),
                            ("sel", 15), ("cyc", 1), ("stb", 1)):  # fmt: skip
            ctx.set(getattr(bus, name), level)
        read, ack = await ctx.tick().sample(bus.dat_r, bus.ack).until(bus.ack | bus.err)
        assert ack, f"{register.name} refused"
        ctx.set(bus.cyc, 0)
        ctx.set(bus.stb, 0)
        return read

    async def load(self, ctx):
        transactions, answer = load(self.network), None
        while True:
            try:
                transaction = transactions.send(answer)
            except StopIteration:
                return
            answer = None
            if isinstance(transaction, Read):
                answer = await self.access(ctx, transaction.register)
            else:
                await self.access(ctx, transaction.register, transaction.value)

    def program(self, index: int):
        setup, levels = self.port(index).setup, self.levels[index]

        async def serve(ctx):
            ports = (setup.program_row, setup.program_column, setup.program_level)
            while True:
                _, _, strobe, seal, unseal, row, column, level = await ctx.tick().sample(
                    setup.program_strobe, setup.seal, setup.unseal, *ports
                )
                ctx.set(setup.program_done, strobe | seal | unseal)
                if seal | unseal:
                    ctx.set(setup.sealed, seal)
                if strobe:
                    levels[row, column] = level

        return serve

    def trace(self, index: int):
        port, seen, layer = getattr(self.dut, f"trace_{index}"), self.cells[index], self.layers[index][0]

        async def watch(ctx):
            while True:
                _, _, valid, cell = await ctx.tick().sample(port.cell_valid, port.cell.as_value())
                if valid:
                    seen.append(signed(unpack(cell, layer.cell_bits, layer.lanes), layer.cell_bits))

        return watch

    async def count_cycles(self, ctx):
        while True:
            await ctx.tick()
            self.cycle += 1

    async def status(self, ctx) -> int:
        return BY_NAME["STATUS"].unpack(await self.access(ctx, BY_NAME["STATUS"]))["BUSY"]

    async def source(self, ctx):
        x, first = self.dut.x, self.layers[0][0]
        ctx.set(x.valid, 1)
        ctx.set(x.payload.first, 1)
        await ctx.tick().repeat(3)  # offered before the device is enabled: not taken, not counted
        assert not ctx.get(x.ready)
        ctx.set(x.valid, 0)
        await self.load(ctx)
        self.busy["before"] = await self.status(ctx)
        for b, length in enumerate(self.lengths):
            for t in range(length):
                while self.rng.random() < self.gaps:
                    await ctx.tick()
                values = pack(to_wire(self.codes[b, t], first.input_bits), first.input_bits)
                width = first.inputs * first.input_bits
                word = values | int(t == 0) << width | int(t == length - 1) << width + 1
                ctx.set(x.payload.as_value(), word)
                ctx.set(x.valid, 1)
                await ctx.tick().until(x.ready)
                ctx.set(x.valid, 0)
                self.first_taken = self.first_taken or self.cycle
                if "within" not in self.busy:
                    self.busy["within"] = await self.status(ctx)

    async def sink(self, ctx):
        y, last = self.dut.y, self.layers[-1][0]
        while len(self.out) < len(self.results()):
            ctx.set(y.ready, int(self.rng.random() >= self.gaps))
            _, _, ready, valid, value = await ctx.tick().sample(y.ready, y.valid, y.payload.as_value())
            if ready and valid:
                self.out.append(output_numbers(last, value).tolist())
                self.last_handed_on = self.cycle
        await ctx.tick().repeat(3)
        self.busy["after"] = await self.status(ctx)
        self.counts = [await self.access(ctx, BY_NAME[name]) for name in COUNTERS]
        for k, (_, data) in enumerate(self.layers):
            setup = self.port(k).setup
            assert [ctx.get(value) for value in setup.mult] == data.mult.tolist()
            assert [ctx.get(value) for value in setup.shift] == data.shift.tolist()

    def results(self, layer=None) -> list[tuple[int, int]]:
        """(sequence, step) of every step in which ``layer``, or else the last one, reads its array."""
        layer = layer or self.layers[-1][0]
        at_end = getattr(layer, "emit", "step") == "end"
        return [(b, t) for b, n in enumerate(self.lengths) for t in range(n - 1 if at_end else 0, n)]

    def run(self) -> None:
        beside = (
            [self.count_cycles] + [a.serve for a in self.arrays] + [self.program(k) for k in range(len(self.layers))]
        )
        simulate(self.dut, self.source, self.sink, background=beside + [self.trace(k) for k in self.cells])


def check(device: Device) -> list[int]:
    """All that was noted against the reference; returns the counters."""
    device.run()
    result = Accelerator(device.network.design).model(device.network, device.codes, device.lengths)
    rails = 0
    for k, ((layer, data), trace) in enumerate(zip(device.layers, result.layers)):
        at = tuple(np.array(device.results(layer)).T)
        assert np.array_equal(device.levels[k], to_wire(data.weights[:, physical_order(layer)], layer.weight_bits))
        assert np.array_equal(device.arrays[k].drive, trace.drive[at]), f"rows of layer {k}"
        if k in device.cells:
            assert np.array_equal(np.reshape(device.cells[k], (-1, layer.hidden)), trace.cell[at]), (
                f"cells of layer {k}"
            )
        rails += np.isin(trace.adc[at], signed_range(layer.adc_bits)).sum()
    at = np.array(device.results())
    marks = np.stack([at[:, 1] == 0, at[:, 1] == device.lengths[at[:, 0]] - 1], axis=1)
    assert device.out == np.hstack([result.layers[-1].out[tuple(at.T)], marks]).tolist()
    kept = (0, 0) in device.results(device.layers[0][0])  # else the first step is dropped at once
    assert device.busy == {"before": 0, "within": int(kept), "after": 0}
    steps, cells, adcs, _ = device.counts
    assert (steps, cells, adcs) == (device.lengths.sum(), sum(t.saturations for t in result.layers), rails)
    return device.counts


STACK = Design("stack", (
    DenseLayer(inputs=2, outputs=3, adcs=1, adc_bits=2, output_bits=3),
    LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=3, cell_bits=7, cell_fraction=6, conversion_cycles=3),
    LstmLayer(inputs=2, hidden=3, adcs=12, dac_bits=3, cell_bits=8, cell_fraction=7, tanh_fraction=4,
              tables="constant"),
    DenseLayer(inputs=3, outputs=4, adcs=2, dac_bits=3, output="argmax", emit="end"),
))  # fmt: skip


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_a_stack_with_an_end_counts_every_saturation_of_every_layer(gaps):
    rng = np.random.default_rng(0)
    network = random_network(STACK, rng)
    louder = tuple(replace(data, shift=np.maximum(data.shift - 1, 0)) for data in network.layers)
    codes, _ = random_inputs(STACK, rng, batch=4, steps=5)
    device = Device(replace(network, layers=louder), codes, np.array([5, 1, 3, 2]), 0, gaps)
    traces = run(device.network, codes, device.lengths).layers
    assert all(trace.saturations > 0 for trace in traces[1:3])
    _, cells, adcs, _ = check(device)
    assert cells > 5
    assert adcs > 20


@pytest.mark.parametrize("last", [0, 1], ids=["dense", "lstm"])
def test_cycles_are_those_from_an_input_to_its_result(last):
    """One step alone: from the cycle after it is taken to the one in which its result is handed on."""
    layer = (DenseLayer(inputs=1, outputs=2, adcs=1, conversion_cycles=3), LstmLayer(inputs=1, hidden=1, adcs=4))[
        last
    ]
    network = random_network(Design("one", (layer,)), np.random.default_rng(0))
    device = Device(network, np.array([[[1]]]), np.array([1]), 0, 0.0)
    *_, cycles = check(device)
    assert cycles == device.last_handed_on - device.first_taken


FAST = DenseLayer(inputs=1, outputs=2, adcs=2, conversion_cycles=2, tables="constant")
SLOW = LstmLayer(inputs=2, hidden=2, adcs=4, conversion_cycles=3, tables="constant")
LAST = DenseLayer(inputs=2, outputs=4, adcs=2, output="argmax", conversion_cycles=2)


@pytest.mark.parametrize("layers, latency, cycles", [
    ((FAST,), 2, 2 + 1), ((FAST, SLOW), 2 + 6, 2 * 3 + 5), ((FAST, SLOW, LAST), 2 + 6 + 3, 2 * 3 + 5),
    ((replace(LAST, inputs=1),), 3, 2 * 2 + 2),
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 4])
def test_latency_and_cycles_of_a_chain(layers, latency, cycles, steps):
    """From the first input to the last result: conversions and latency, and a time step of the slowest for each more."""
    network = random_network(Design("chain", layers), np.random.default_rng(0))
    codes = np.ones((1, steps, 1), dtype=np.int64)
    device = Device(network, codes, np.array([steps]), 0, 0.0)
    check(device)
    core, conversions = device.dut, sum(layer.conversions * layer.conversion_cycles for layer in layers)
    assert (core.latency, core.cycles(99)) == (latency, cycles)
    assert device.last_handed_on - device.first_taken == conversions + latency + (steps - 1) * cycles


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(seeds)
def test_random_designs(seed):
    rng = np.random.default_rng(seed)
    design = perhaps_simple(random_design(rng, max_inputs=3, max_outputs=4, max_bits=5), rng)
    network = random_network(perhaps_tiled(design, rng), rng)
    codes, lengths = random_inputs(network.design, rng, batch=3, steps=4)
    check(Device(network, codes, lengths, seed, float(rng.choice([0.0, 0.4, 0.9]))))

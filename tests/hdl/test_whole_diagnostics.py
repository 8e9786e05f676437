"""Whole designs with diagnostics: loaded, measured by a host, then run; and resets in every cycle of a measurement."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import code_words
from ohmgate.model.formats import full_scale, symmetric_codes, to_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.payloads import output_numbers
from ohmgate.model.reference import run
from ohmgate.model.registers import BY_NAME
from tests.designs import random_inputs, random_network
from tests.hdl.pretended_array import PretendedArray
from tests.hdl.simulate import simulate
from tests.hdl.test_whole_design import Device

ACTIVE, BIAS, ADVANCE, CLEAR = 1, 2, 4, 8
STACK = Design("stack", (
    DenseLayer(inputs=2, outputs=3, adcs=1, adc_bits=2, output_bits=3, diagnostics=True, spares=2),
    LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=3, conversion_cycles=3, diagnostics=True, bias_rows=2),
    LstmLayer(inputs=2, hidden=4, adcs=8, dac_bits=3, adc_bits=5, tables="constant", diagnostics=True, spares=1),
    DenseLayer(inputs=4, outputs=4, adcs=2, dac_bits=3, output="argmax", diagnostics=True, bias_rows=0),
))  # fmt: skip


class HostArray(PretendedArray):
    """Notes the conversions of a host apart from those of time steps."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.host, self.asked = False, []

    def answer(self, cycle: int, drive: np.ndarray, select: int) -> np.ndarray:
        if not self.host:
            return super().answer(cycle, drive, select)
        self.asked.append((drive.tolist(), select))
        return self.exact(drive, select)


class Measured(Device):
    """A device that a host measures when it is loaded: random rows of every layer, bursts, bias rows on and off."""

    def __init__(self, network, codes, lengths, seed: int, gaps: float):
        super().__init__(network, codes, lengths, seed, gaps)
        self.arrays = [
            HostArray(self.port(k).read, layer, data, self.rng, cancel=self.port(k).setup.cancel)
            for k, (layer, data) in enumerate(self.layers)
        ]
        self.measured = 0

    async def write(self, ctx, **values: int) -> None:
        for name, value in values.items():
            await self.access(ctx, BY_NAME[name], value)

    async def refused(self, ctx, name: str, value: int | None = None) -> None:
        with pytest.raises(AssertionError, match=f"{name} refused"):
            await self.access(ctx, BY_NAME[name], value)
        ctx.set(self.dut.bus.cyc, 0)
        ctx.set(self.dut.bus.stb, 0)
        await ctx.tick()

    async def measure(self, ctx, index: int) -> None:
        """All steps of a layer for random rows, in one burst or step by step."""
        layer, _ = self.layers[index]
        biased, burst = (int(bit) for bit in self.rng.integers(0, 2, 2))
        flags = ACTIVE | BIAS * biased | ADVANCE * burst
        inputs = self.rng.choice(symmetric_codes(layer.input_bits), layer.inputs)
        hidden = self.rng.choice(symmetric_codes(layer.dac_bits), layer.hidden)
        await self.write(ctx, LAYER=index, DIAG_CONTROL=flags | CLEAR, DIAG_ROW=0)
        for code in [*to_wire(inputs, layer.input_bits), *to_wire(hidden, layer.dac_bits)]:
            await self.write(ctx, DIAG_CODE=int(code))
        drive = np.array([*inputs, *hidden, *[full_scale(layer.dac_bits) * biased] * layer.bias_rows])
        for step in range(layer.conversions):
            if step == 0 or not burst:
                await self.write(ctx, DIAG_CONVERT=step)
            if step == 0:
                await self.write(ctx, LAYER=(index + 1) % len(self.layers))
            words = [await self.access(ctx, BY_NAME["DIAG_RESULT"]) for _ in range(code_words(layer))]
            found = unpack(sum(w << 32 * k for k, w in enumerate(words)), layer.adc_bits, layer.adcs)
            assert np.array_equal(signed(found, layer.adc_bits), self.arrays[index].exact(drive, step))
            assert self.arrays[index].asked[-1 - (burst and step < layer.conversions - 1)] == (drive.tolist(), step)
            await self.write(ctx, LAYER=index)
            self.measured += 1

    async def load(self, ctx) -> None:
        await super().load(ctx)
        await self.refused(ctx, "DIAG_CONTROL", ACTIVE)  # it is enabled
        await self.write(ctx, CONTROL=0, DIAG_CONTROL=ACTIVE)
        for array in self.arrays:
            array.host = True
        for index in [*range(len(self.layers)), *self.rng.integers(0, len(self.layers), 6).tolist()]:
            await self.measure(ctx, index)
        await self.refused(ctx, "CONTROL", 1)
        await self.busy_device(ctx)
        await self.refused(ctx, "DIAG_ID", 0)
        for address in (0x80, 0xFC, 0x140, 0x1FC):
            await self.no_register(ctx, address)
        await self.write(ctx, DIAG_CONTROL=0)
        for array in self.arrays:
            array.host = False
        await self.write(ctx, CONTROL=5)

    async def busy_device(self, ctx) -> None:
        """Nothing is loaded during a conversion; STATUS says busy."""
        await self.write(ctx, LAYER=2, DIAG_CONTROL=ACTIVE)
        self.arrays[2].conversion = (60, 60)
        await self.write(ctx, DIAG_CONVERT=0)
        status = BY_NAME["STATUS"].unpack(await self.access(ctx, BY_NAME["STATUS"]))
        assert status["BUSY"] == 1
        await self.refused(ctx, "GAIN", 1)
        await self.refused(ctx, "LEVEL", 1)
        await self.refused(ctx, "DIAG_CONTROL", 0)
        assert await self.access(ctx, BY_NAME["DIAG_STATUS"]) == 1
        await self.access(ctx, BY_NAME["DIAG_RESULT"])
        assert await self.access(ctx, BY_NAME["DIAG_STATUS"]) == 2
        assert await self.status(ctx) == 0
        high = int(self.network.design.fingerprint, 16) >> 32
        await self.write(ctx, DIAG_CONVERT=0, UNLOCK_HIGH=high ^ 1)  # a lock in the middle
        assert await self.access(ctx, BY_NAME["DIAG_STATUS"]) == 0
        await self.refused(ctx, "DIAG_RESULT")
        await self.refused(ctx, "DIAG_CONTROL", ACTIVE)
        await self.write(ctx, UNLOCK_HIGH=high, DIAG_CONTROL=ACTIVE)
        self.arrays[2].conversion = (2, 6)

    async def no_register(self, ctx, address: int) -> None:
        register = replace(BY_NAME["DIAG_ID"], name="nothing", address=address)
        with pytest.raises(AssertionError, match="nothing refused"):
            await self.access(ctx, register)
        ctx.set(self.dut.bus.cyc, 0)
        ctx.set(self.dut.bus.stb, 0)
        await ctx.tick()


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_a_device_that_was_measured_gives_the_results_of_the_reference(gaps):
    rng = np.random.default_rng(5)
    network = random_network(STACK, rng)
    codes, _ = random_inputs(STACK, rng, batch=3, steps=4)
    device = Measured(network, codes, np.array([4, 1, 3]), 3, gaps)
    device.run()
    result = run(network, codes, device.lengths)
    at = tuple(np.array(device.results()).T)
    assert [row[:-2] for row in device.out] == result.layers[-1].out[at].tolist()
    for array, trace, (layer, _) in zip(device.arrays, result.layers, device.layers):
        assert np.array_equal(array.drive, trace.drive[tuple(np.array(device.results(layer)).T)])
    assert device.measured > 15
    assert device.counts[0] == device.lengths.sum()


SMALL = Design("small", (
    LstmLayer(inputs=1, hidden=1, adcs=4, dac_bits=2, weight_bits=2, adc_bits=2, diagnostics=True, activation_bits=3,
              tanh_bits=2, tanh_fraction=1, cell_bits=6, cell_fraction=4, tables="constant"),
    DenseLayer(inputs=1, outputs=4, adcs=2, dac_bits=2, weight_bits=2, adc_bits=2, output="codes", diagnostics=True,
               conversion_cycles=2),
))  # fmt: skip
HOST = (("LAYER", 1), ("DIAG_CONTROL", ACTIVE | ADVANCE | BIAS), ("DIAG_ROW", 0), ("DIAG_CODE", 1), ("DIAG_CONVERT", 0),
        ("DIAG_RESULT", None), ("DIAG_RESULT", None), ("DIAG_ADJUST_AT", 0), ("DIAG_ADJUST", 5), ("LAYER", 0),
        ("DIAG_CONTROL", ACTIVE), ("DIAG_CONVERT", 0), ("DIAG_RESULT", None))  # fmt: skip


@pytest.mark.parametrize("pin", [False, True], ids=["CONTROL.RESET", "rst"])
def test_a_reset_in_every_cycle_of_a_measurement_leaves_a_device_that_works(pin):
    """After each the registers are as the table says, and a sequence has the results of the reference."""
    rng = np.random.default_rng(0)
    network = random_network(SMALL, rng)
    codes, lengths = random_inputs(SMALL, rng, batch=1, steps=2)
    device = HostResets(network, codes, lengths, pin)
    device.run()
    assert device.stops > 30
    assert device.during == 3  # each conversion begins in one cycle


class HostResets(Measured):
    """A measurement is broken off in its cycle 0, 1, 2 and so on, until it ends."""

    def __init__(self, network, codes, lengths, pin: bool):
        self.reset = Signal()
        super().__init__(network, codes, lengths, 0, 0.0)
        self.pin, self.stops, self.during = pin, 0, 0
        for array in self.arrays:
            array.conversion = (4, 4)
            array.cancel = array.cancel | self.reset

    def make(self, design: Design):
        return Accelerator(design)

    async def setup(self, ctx) -> None:
        """What a reset by the pin loses: the lock and the gains."""
        fingerprint = int(self.network.design.fingerprint, 16)
        await self.write(ctx, UNLOCK_LOW=fingerprint & 0xFFFFFFFF, UNLOCK_HIGH=fingerprint >> 32)
        for index, (_, data) in enumerate(self.layers):
            await self.write(ctx, LAYER=index)
            for gate, (mult, shift) in enumerate(zip(data.mult.tolist(), data.shift.tolist())):
                await self.write(ctx, GAIN=mult | shift << 8 | gate << 16)

    async def host(self, ctx, cycles: int) -> bool:
        """The first ``cycles`` cycles of a measurement; whether that is all of it."""
        bus, spent = self.dut.bus, 0
        for name, value in HOST:
            for port, level in (("adr", BY_NAME[name].address // 4), ("we", value is not None), ("dat_w", value or 0),
                                ("sel", 15), ("cyc", 1), ("stb", 1)):  # fmt: skip
                ctx.set(getattr(bus, port), level)
            while True:
                if spent == cycles:
                    return False
                await ctx.tick()
                spent += 1
                if ctx.get(bus.ack):
                    break
                assert not ctx.get(bus.err), name
            ctx.set(bus.cyc, 0)
            if spent == cycles:
                return False
            await ctx.tick()
            spent += 1
        return True

    async def whole(self, ctx) -> None:
        for index in range(len(self.layers)):
            ctx.set(self.port(index).setup.sealed, 1)
        await self.setup(ctx)
        ended = False
        while not ended:
            for array in self.arrays:
                array.host = True
            ended = await self.host(ctx, self.stops)
            self.during += any(ctx.get(self.port(k).read.convert) for k in range(2))
            ctx.set(self.dut.bus.cyc, 0)
            if self.pin:
                ctx.set(self.reset, 1)
                await ctx.tick()
                ctx.set(self.reset, 0)
                await self.setup(ctx)
            else:
                await ctx.tick()
                await self.write(ctx, CONTROL=2)
            for array in self.arrays:
                array.host = False
            flags = await self.access(ctx, BY_NAME["DIAG_CONTROL"])
            assert flags & ACTIVE == 0
            assert flags == 0 or not self.pin
            assert await self.access(ctx, BY_NAME["DIAG_STATUS"]) == 0
            await self.refused(ctx, "DIAG_RESULT")
            assert await self.status(ctx) == 0
            await self.write(ctx, CONTROL=1)
            assert await self.sequence(ctx) == self.expected()
            await self.write(ctx, CONTROL=0)
            self.stops += 1

    def expected(self) -> list[list[int]]:
        return run(self.network, self.codes, self.lengths).layers[-1].out[0, : self.lengths[0]].tolist()

    async def sequence(self, ctx) -> list[list[int]]:
        x, y, (first, _), got, sent = self.dut.x, self.dut.y, self.layers[0], [], 0
        ctx.set(y.ready, 1)
        for _ in range(200):
            ctx.set(x.valid, int(sent < self.lengths[0]))
            if sent < self.lengths[0]:
                word = pack(to_wire(self.codes[0, sent], first.input_bits), first.input_bits)
                width = first.inputs * first.input_bits
                marks = int(sent == 0) | int(sent == self.lengths[0] - 1) << 1
                ctx.set(x.payload.as_value(), word | marks << width)
            _, _, taken, valid, value = await ctx.tick().sample(x.valid & x.ready, y.valid, y.payload.as_value())
            sent += taken
            if valid:
                got.append(output_numbers(self.layers[-1][0], value).tolist()[:-2])
            if len(got) == self.lengths[0]:
                break
        ctx.set(x.valid, 0)
        return got

    def run(self) -> None:
        m = Module()
        m.submodules.dut = ResetInserter(self.reset)(self.dut)
        simulate(m, self.whole, background=[array.serve for array in self.arrays])

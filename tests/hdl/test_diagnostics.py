"""Diagnostics against their twin, access for access, with arrays behind them and layers in front of them."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from amaranth.hdl import Value

from ohmgate.hdl.diagnostics import Diagnostics
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import DIAG_BASE, DIAG_REGISTERS, code_words
from ohmgate.model.formats import full_scale
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.hdl.simulate import simulate

WIDE = LstmLayer(inputs=3, hidden=6, adcs=12, adc_bits=5, dac_bits=4, input_dac_bits=3, bias_rows=2, diagnostics=True,
                 spares=2)  # 2 words  # fmt: skip
HEAD = DenseLayer(inputs=6, outputs=6, adcs=2, adc_bits=3, dac_bits=4, bias_rows=0, output="codes", diagnostics=True)
DESIGNS = {
    "stack": Design("stack", (WIDE, HEAD)),
    "fixed and not": Design("mixed", (replace(WIDE, conversion_cycles=3), HEAD)),
    "two times": Design("times", (replace(WIDE, conversion_cycles=2, spares=0), replace(HEAD, conversion_cycles=5))),
    "one word": Design("small", (DenseLayer(inputs=1, outputs=3, adcs=1, dac_bits=2, adc_bits=8, diagnostics=True),)),
    "one step": Design("whole", (DenseLayer(inputs=2, outputs=9, adcs=9, adc_bits=8, diagnostics=True, spares=1),)),
}  # fmt: skip
LIKELY = ("DIAG_CODE", "DIAG_CODE", "DIAG_CONVERT", "DIAG_RESULT", "DIAG_RESULT", "DIAG_RESULT", "DIAG_ROW",
          "DIAG_STATUS", "DIAG_ADJUST", "DIAG_ADJUST_AT")  # fmt: skip
ACTIVE, BIAS, ADVANCE = 1, 2, 4


class Bench:
    """The registers beside their twin. An array's codes are what its drive and step say, on both sides."""

    def __init__(self, design: Design, seed: int):
        self.dut, self.rng, self.design = Diagnostics(design), np.random.default_rng(seed), design
        self.registers = RegisterTwin(design)
        self.adjusted, self.seen, self.given = [], [], []
        self.twin = self.dut.model(self.registers, self.codes, lambda *what: self.given.append(what))
        self.held = self.waited = self.answered = self.refused = 0

    def codes(self, index: int, drive: np.ndarray, step: int) -> np.ndarray:
        layer = self.design.layers[index]
        rng = np.random.default_rng([index, step, *(np.asarray(drive) + 512).tolist()])
        return rng.integers(-(2 ** (layer.adc_bits - 1)), 2 ** (layer.adc_bits - 1), layer.adcs)

    def drive(self, ctx, index: int) -> np.ndarray:
        """What an array's port shows: DAC codes, from fields that are cut here by hand."""
        layer, port = self.design.layers[index], getattr(self.dut, f"array_{index}")
        word = ctx.get(Value.cast(port.row_codes))
        inputs = unpack(word & 2 ** (layer.inputs * layer.input_bits) - 1, layer.input_bits, layer.inputs)
        hidden = unpack(word >> layer.inputs * layer.input_bits, layer.dac_bits, layer.hidden)
        bias = full_scale(layer.dac_bits) * ctx.get(port.bias_drive) if layer.bias_rows else 0
        assert not layer.hidden or ctx.get(port.hidden_drive), "hidden rows are driven"
        return np.array(
            [*signed(inputs, layer.input_bits), *signed(hidden, layer.dac_bits), *[bias] * layer.bias_rows]
        )

    def array(self, index: int):
        """Answers conversions; nonsense on ``codes`` but when they are valid, and ``done`` without a conversion."""
        layer, port = self.design.layers[index], getattr(self.dut, f"array_{index}")

        async def serve(ctx):
            left, codes, shown = 0, None, None
            while True:
                shown = codes if left == 1 else self.rng.integers(0, 2**layer.adc_bits, layer.adcs)
                ctx.set(Value.cast(port.codes), pack(shown, layer.adc_bits))
                if not layer.conversion_cycles:
                    ctx.set(port.done, left == 1 or (left == 0 and self.rng.random() < 0.3))
                assert ctx.get(Value.cast(getattr(self.dut, f"core_{index}").codes)) == pack(shown, layer.adc_bits)
                _, _, convert, step, active, converting, restart = await ctx.tick().sample(
                    port.convert, port.select, self.dut.active, self.dut.converting, self.dut.restart
                )
                left = max(left - 1, 0)
                if convert and active and not restart:
                    assert (left, converting) == (0, 1)
                    drive = self.drive(ctx, index)
                    codes, left = self.codes(index, drive, step), layer.conversion_cycles - 1
                    if not layer.conversion_cycles:
                        left = int(self.rng.integers(1, 5))
                    self.seen.append((index, drive.tolist(), step))
                if restart:
                    left = 0

        return serve

    async def adjustments(self, ctx):
        adjust = self.dut.adjust
        while True:
            _, _, strobe, layer, adc, what, value, converting = await ctx.tick().sample(
                adjust.strobe, adjust.layer, adjust.adc, adjust.what, adjust.value, self.dut.converting
            )
            if strobe:
                assert not converting
                self.adjusted.append((layer, adc, what, value))

    def request(self, ctx, name: str, value: int | None, select: int) -> None:
        number = (BY_NAME[name].address - DIAG_BASE) // 4
        for port, level in (("adr", number), ("we", value is not None), ("dat_w", value or 0), ("sel", select),
                            ("cyc", 1), ("stb", 1)):  # fmt: skip
            ctx.set(getattr(self.dut.bus, port), level)

    async def answer(self, ctx) -> tuple[int | None, int]:
        """The word, or None for an error; and the cycles that it took."""
        bus, cycles = self.dut.bus, 0
        while not ctx.get(bus.ack | bus.err):
            await ctx.tick()
            cycles += 1
        word = ctx.get(bus.dat_r) if ctx.get(bus.ack) else None
        assert ctx.get(bus.ack) + ctx.get(bus.err) == 1
        ctx.set(bus.cyc, 0)
        ctx.set(bus.stb, 0)
        await ctx.tick()
        return word, cycles

    async def access(self, ctx, name: str, value: int | None = None, select: int = 15) -> None:
        """Of both, which must answer alike; while a conversion is under way, by the rules for that."""
        if ctx.get(self.dut.converting) and name != "DIAG_RESULT":
            await self.held_access(ctx, name, value, select)
            return
        self.request(ctx, name, value, select)
        expected = self.twin.access(BY_NAME[name].address, value, select)
        word, cycles = await self.answer(ctx)
        assert (word is None) == (expected is None), (name, value, select)
        assert word is None or value is not None or word == expected, (name, word, expected)
        assert cycles == 1 or (name, value) == ("DIAG_RESULT", None)
        self.waited += cycles > 1
        self.answered += word is not None
        self.refused += word is None

    async def held_access(self, ctx, name: str, value: int | None, select: int) -> None:
        """During a conversion, or as it ends: an access that must not change anything then."""
        self.request(ctx, name, value, select)
        converting = ctx.get(self.dut.converting)
        if value is None:
            expected = self.twin.access(BY_NAME[name].address)
            if name == "DIAG_STATUS" and converting:
                expected = 1
            assert (await self.answer(ctx)) == (expected, 1)
        elif name in ("DIAG_CONTROL", "DIAG_CODE", "DIAG_CONVERT", "DIAG_ADJUST"):
            assert (await self.answer(ctx)) == (None, 1)
            self.held += 1
        else:
            expected = self.twin.access(BY_NAME[name].address, value, select)
            word, _ = await self.answer(ctx)
            assert (word is None) == (expected is None)

    def any_access(self) -> tuple[str, int | None, int]:
        rng = self.rng
        name = str(rng.choice(LIKELY if rng.random() < 0.9 else [register.name for register in DIAG_REGISTERS]))
        writes = rng.random() < 0.05 if BY_NAME[name].access == "ro" else rng.random() < 0.9
        layer = self.registers.layer
        value = int(rng.integers(2**32))
        if rng.random() < 0.9:
            small = {"DIAG_ROW": layer.inputs + layer.hidden + 1, "DIAG_CONVERT": layer.conversions + 1}
            value = int(rng.integers(small.get(name, 2**16)))
            if name == "DIAG_ADJUST_AT":
                value = int(rng.integers(layer.adcs + 1)) | int(rng.integers(3 + layer.spares)) << 16
            if name == "DIAG_CONTROL":
                value = int(rng.integers(16)) | ACTIVE
        return name, value if writes else None, 15 if rng.random() < 0.95 else int(rng.integers(16))

    async def surroundings(self, ctx) -> None:
        """Another layer is selected, the device is busy or open, a cell is programmed."""
        rng, status = self.rng, self.registers.status
        layer = self.registers.words["LAYER"] = int(rng.integers(len(self.design.layers)))
        status["UNLOCKED"], status["BUSY"] = int(rng.random() < 0.8), int(rng.random() < 0.1)
        self.registers.enable = int(not self.twin.active and rng.random() < 0.2)
        status["PROGRAMMING"] = int(rng.random() < 0.1)
        ctx.set(self.dut.layer, layer)
        ctx.set(self.dut.idle, status["UNLOCKED"] and not status["BUSY"] and not self.registers.enable)
        ctx.set(self.dut.programming, status["PROGRAMMING"])
        await ctx.tick().repeat(2)

    async def restart(self, ctx) -> None:
        ctx.set(self.dut.restart, 1)
        await ctx.tick()
        ctx.set(self.dut.restart, 0)
        self.twin.restart()
        assert (ctx.get(self.dut.active), ctx.get(self.dut.converting)) == (0, 0)

    async def activate(self, ctx) -> None:
        self.registers.status.update(UNLOCKED=1, BUSY=0, PROGRAMMING=0)
        self.registers.enable = 0
        ctx.set(self.dut.idle, 1)
        ctx.set(self.dut.programming, 0)
        await self.access(ctx, "DIAG_CONTROL", ACTIVE | int(self.rng.integers(4)) << 1)

    def check_words(self) -> None:
        seen = [(index, drive, step) for index, drive, step in self.seen]
        assert len(seen) > 20
        trims = [(a, b, c, (v & 0xFF ^ 0x80) - 0x80 if c < 2 else v) for a, b, c, v in self.adjusted]
        assert trims == self.given


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_access_is_the_twins(kind):
    bench = Bench(DESIGNS[kind], 3)

    async def run(ctx):
        for _ in range(700):
            chance = bench.rng.random()
            if not bench.twin.active and chance < 0.5 and not ctx.get(bench.dut.converting):
                await bench.activate(ctx)
            elif chance < 0.1:
                while ctx.get(bench.dut.converting):
                    await ctx.tick()
                await bench.surroundings(ctx)
            elif chance < 0.12:
                await bench.restart(ctx)
            else:
                name, value, select = bench.any_access()
                if name == "DIAG_RESULT" and ctx.get(bench.dut.programming) and bench.twin.codes is not None:
                    bench.registers.status["PROGRAMMING"] = 0  # it waits for that where it begins a step
                    ctx.set(bench.dut.programming, 0)
                await bench.access(ctx, name, value, select)
        await ctx.tick().repeat(10)

    arrays = [bench.array(index) for index in range(len(bench.design.layers))]
    simulate(bench.dut, run, background=[*arrays, bench.adjustments])
    bench.check_words()
    assert bench.answered > 250
    assert bench.refused > 50
    assert len(bench.adjusted) > 5
    assert bench.waited > 2


def started(design: Design, body, idle: int = 1) -> Bench:
    """``await body(ctx, bench)`` with ACTIVE set."""
    bench = Bench(design, 0)

    async def run(ctx):
        ctx.set(bench.dut.idle, idle)
        bench.registers.status["UNLOCKED"] = idle
        await bench.access(ctx, "DIAG_CONTROL", ACTIVE)
        await body(ctx, bench)

    simulate(bench.dut, run, background=[bench.array(index) for index in range(len(design.layers))])
    return bench


def test_a_burst_takes_the_cycles_of_the_formula():
    """Each conversion, and two cycles for each of its words, one of which the next conversion takes."""
    design = DESIGNS["two times"]
    bench, times = Bench(design, 0), []

    async def watch(ctx):
        cycle = 0
        while True:
            _, _, *convert = await ctx.tick().sample(bench.dut.array_0.convert, bench.dut.array_1.convert)
            if any(convert):
                times.append(cycle)
            cycle += 1

    async def run(ctx):
        ctx.set(bench.dut.idle, 1)
        bench.registers.status["UNLOCKED"] = 1
        await bench.access(ctx, "DIAG_CONTROL", ACTIVE | ADVANCE)
        await bench.access(ctx, "DIAG_CONVERT", 0)
        for _ in range(2 * design.layers[0].conversions):
            await bench.access(ctx, "DIAG_RESULT")

    arrays = [bench.array(index) for index in range(2)]
    simulate(bench.dut, run, background=[*arrays, watch])
    assert code_words(design.layers[0]) == 2
    assert max(np.diff(times)) == bench.dut.cycles(2) == 2 + 2 * 2 - 1


def test_the_last_word_waits_while_a_cell_is_programmed():
    """Where it begins the next step; all others do not."""

    async def body(ctx, bench):
        await bench.access(ctx, "DIAG_CONTROL", ACTIVE | ADVANCE)
        await bench.access(ctx, "DIAG_CONVERT", 0)
        await bench.access(ctx, "DIAG_RESULT")
        ctx.set(bench.dut.programming, 1)
        bench.request(ctx, "DIAG_RESULT", None, 15)
        for _ in range(9):
            await ctx.tick()
            assert not ctx.get(bench.dut.bus.ack | bench.dut.bus.err | bench.dut.converting)
        ctx.set(bench.dut.programming, 0)
        assert (await bench.answer(ctx))[1] == 1
        assert len(bench.seen) == 2
        ctx.set(bench.dut.programming, 1)
        for _ in range(4):
            bench.request(ctx, "DIAG_RESULT", None, 15)
            assert (await bench.answer(ctx))[0] is not None
        assert len(bench.seen) == 2, "that was the last step"

    started(DESIGNS["stack"], body)


def test_layers_have_their_arrays_unless_active():
    """Every output of a layer reaches its array in the same cycle, and none does with ACTIVE."""
    design = DESIGNS["stack"]
    rng, dut = np.random.default_rng(0), Diagnostics(design)

    async def run(ctx):
        for active in (0, 1, 0):
            ctx.set(dut.idle, 1)
            for port, level in (("adr", 3), ("we", 1), ("sel", 15), ("dat_w", active), ("cyc", 1), ("stb", 1)):
                ctx.set(getattr(dut.bus, port), level)
            await ctx.tick()
            assert ctx.get(dut.bus.ack)
            ctx.set(dut.bus.stb, 0)
            before = None
            for _ in range(20):
                shown = []
                for index, layer in enumerate(design.layers):
                    core, array = getattr(dut, f"core_{index}"), getattr(dut, f"array_{index}")
                    names = ["row_codes", "select", "convert"]
                    names += (["hidden_drive"] if layer.hidden else []) + (["bias_drive"] if layer.bias_rows else [])
                    ports = [(Value.cast(getattr(core, n)), Value.cast(getattr(array, n))) for n in names]
                    for source, _ in ports:
                        ctx.set(source, int.from_bytes(rng.bytes(8), "little") & 2 ** len(source) - 1)
                    shown += [(ctx.get(source), ctx.get(target)) for source, target in ports]
                    ctx.set(array.done, int(rng.integers(2)))
                    assert ctx.get(core.done) == ctx.get(array.done)
                if not active:
                    assert all(source == target for source, target in shown)
                elif before is not None:
                    assert [target for _, target in shown] == before
                before = [target for _, target in shown]
                await ctx.tick()

    simulate(dut, run)


@pytest.mark.parametrize("missing", ["cyc", "stb"])
def test_nothing_is_answered_without_cycle_and_strobe(missing):
    bench = Bench(DESIGNS["one word"], 0)

    async def run(ctx):
        bench.request(ctx, "DIAG_ID", None, 15)
        ctx.set(getattr(bench.dut.bus, missing), 0)
        for _ in range(4):
            await ctx.tick()
            assert not ctx.get(bench.dut.bus.ack | bench.dut.bus.err)

    simulate(bench.dut, run)


def test_addresses_without_a_register_are_refused():
    bench = Bench(DESIGNS["one word"], 0)

    async def run(ctx):
        for number in range(64):
            ctx.set(bench.dut.bus.adr, number)
            ctx.set(bench.dut.bus.cyc, 1)
            ctx.set(bench.dut.bus.stb, 1)
            word, _ = await bench.answer(ctx)
            assert (word is None) == (number >= len(DIAG_REGISTERS) or DIAG_REGISTERS[number].name == "DIAG_RESULT")

    simulate(bench.dut, run)


@pytest.mark.parametrize("cycle", range(8))
def test_a_restart_in_any_cycle_of_a_conversion_ends_it(cycle):
    """Its codes never come, and the next one's do."""

    async def body(ctx, bench):
        await bench.access(ctx, "DIAG_CODE", 3)
        bench.request(ctx, "DIAG_CONVERT", 1, 15)
        for _ in range(cycle):
            await ctx.tick()
            ctx.set(bench.dut.bus.cyc, 0)
        ctx.set(bench.dut.bus.cyc, 0)
        await bench.restart(ctx)
        bench.twin.rows[0] = 3
        await ctx.tick().repeat(6)
        for name in ("DIAG_STATUS", "DIAG_CONTROL", "DIAG_RESULT"):
            await bench.access(ctx, name)
        await bench.activate(ctx)
        await bench.access(ctx, "DIAG_CONVERT", 0)
        await bench.access(ctx, "DIAG_RESULT")

    bench = started(DESIGNS["two times"], body)
    assert len(bench.seen) == 1 + (cycle > 1)


def test_the_ports_of_all_layers():
    dut = Diagnostics(DESIGNS["stack"])
    assert dut.latency == 1
    names = [[f"core_{index}", f"array_{index}"] for index in range(2)]
    assert set(chain(*names)) < set(dut.signature.members)

"""Programming by pulses against its twin: every pulse, every register, in a device that may be reset at any time."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal

from ohmgate.hdl.pulse_programmer import PulseProgrammer
from ohmgate.hdl.pulse_twin import PulseTwin, place_of
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.diagnostic_registers import DIAG_BASE
from ohmgate.model.formats import full_scale
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.pulses import FAILED_KEPT, PULSE_REGISTERS
from ohmgate.model.registers import BY_NAME
from tests.hdl.pulsed_cells import PulsedCells, PulsedPort
from tests.hdl.simulate import simulate

PULSED = {"diagnostics": True, "programming": "pulse"}
WIDE = LstmLayer(inputs=2, hidden=6, adcs=12, adc_bits=5, dac_bits=4, input_dac_bits=3, input_drive=2, spares=2,
                 **PULSED)  # fmt: skip
HEAD = DenseLayer(inputs=6, outputs=6, adcs=2, adc_bits=4, bias_rows=0, output="codes", conversion_cycles=3, **PULSED)
FINE = DenseLayer(inputs=3, outputs=2, adcs=1, adc_bits=6, weight_bits=3, **PULSED)
DESIGNS = {
    "stack": Design("stack", (WIDE, HEAD)),
    "fine": Design("fine", (FINE,)),
    "two levels": Design("two", (replace(FINE, adc_bits=2, weight_bits=2),)),
}


class Bench:
    """A programmer and its arrays, beside its twin with equal cells."""

    def __init__(self, design: Design, seed: int, noise: float = 0.0):
        self.design, self.rng = design, np.random.default_rng(seed)
        self.dut, self.reset = PulseProgrammer(design), Signal()
        self.cells = PulsedCells(design, seed, noise)
        self.restart()
        self.ports = [
            PulsedPort(self.dut, k, layer, self.cells, self.rng, self.reset) for k, layer in enumerate(design.layers)
        ]

    def restart(self) -> None:
        """A twin as after a reset, whose cells are as the others are now."""
        self.copy = deepcopy(self.cells)
        self.registers = RegisterTwin(self.design)
        self.twin: PulseTwin = self.dut.model(self.registers, self.copy.codes, self.copy.pulse)

    async def access(self, ctx, name: str, value: int | None = None, select: int = 15) -> int | None:
        bus, number = self.dut.bus, (BY_NAME[name].address - DIAG_BASE) // 4
        for port, level in (("adr", number), ("we", value is not None), ("dat_w", value or 0), ("sel", select),
                            ("cyc", 1), ("stb", 1)):  # fmt: skip
            ctx.set(getattr(bus, port), level)
        ack, err, word = await ctx.tick().sample(bus.ack, bus.err, bus.dat_r).until(bus.ack | bus.err)
        assert ack + err == 1
        ctx.set(bus.cyc, 0)
        await ctx.tick()
        return word if ack else None

    async def both(self, ctx, name: str, value: int | None = None, select: int = 15) -> int | None:
        """An access of both, which must answer alike."""
        found = await self.access(ctx, name, value, select)
        expected = self.twin.access(BY_NAME[name].address, value, select)
        assert (found is None) == (expected is None), (name, value)
        assert found is None or value is not None or found == expected, name
        return found

    async def begin(self, ctx, layer: int, row: int, column: int, pattern: int) -> None:
        level = getattr(self.dut, f"level_{layer}")
        for name, value in (("row", row), ("column", column), ("level", pattern), ("strobe", 1)):
            ctx.set(getattr(level, f"program_{name}"), value)
        await ctx.tick()
        ctx.set(level.program_strobe, 0)

    async def program(self, ctx, layer: int, row: int, column: int, value: int) -> None:
        """A weight of both."""
        pattern = value % 2 ** self.design.layers[layer].weight_bits
        await self.begin(ctx, layer, row, column, pattern)
        done = getattr(self.dut, f"level_{layer}").program_done
        await ctx.tick().until(done)
        assert not ctx.get(self.dut.pulsing)
        self.twin.program(layer, row, column, pattern)
        self.compare()

    def compare(self) -> None:
        assert self.cells.pulses == self.copy.pulses
        for mine, twins in zip(self.cells.held, self.copy.held):
            assert np.array_equal(mine, twins)

    async def words(self, ctx) -> None:
        """All registers, and the list."""
        for register in PULSE_REGISTERS:
            await self.both(ctx, register.name)
        for at in range(FAILED_KEPT):
            await self.both(ctx, "FAILED_AT", at)
            await self.both(ctx, "FAILED")

    def run(self, body, cycles: int = 200_000, background=()) -> None:
        m = Module()
        m.submodules.dut = ResetInserter(self.reset)(self.dut)

        async def bench(ctx):
            await body(ctx, self)

        served = [serve for port in self.ports for serve in (port.reads, port.pulses)]
        simulate(m, bench, background=[*served, *background], cycles=cycles)

    def any_weight(self) -> tuple[int, int, int, int]:
        index = int(self.rng.integers(len(self.design.layers)))
        layer = self.design.layers[index]
        self.cells.spare = self.copy.spare = None
        column = int(self.rng.integers(layer.all_columns))
        if column >= layer.columns:
            self.cells.spare = self.copy.spare = (column - layer.columns) % layer.spares
        top = full_scale(layer.weight_bits)
        return index, int(self.rng.integers(layer.rows)), column, int(self.rng.integers(-top, top + 1))


@pytest.mark.parametrize(("kind", "noise"), [("stack", 0.0), ("stack", 0.2), ("fine", 0.3), ("two levels", 0.1)])
def test_every_pulse_and_every_register_is_the_twins(kind, noise):
    bench, programmed = Bench(DESIGNS[kind], 4, noise), []

    async def body(ctx, bench):
        names = [register.name for register in PULSE_REGISTERS]
        for turn in range(14):
            weight = bench.any_weight()
            if bench.rng.random() < 0.2:
                cell = int(bench.rng.integers(2))
                level = full_scale(bench.design.layers[weight[0]].weight_bits) * int(bench.rng.integers(2))
                for cells in (bench.cells, bench.copy):
                    cells.stick(*weight[:3], cell, level)
            limits = {"MOST": int(bench.rng.integers(30)) if turn % 4 == 0 else 150, "ERASE": 14 if turn % 5 else 2}
            strong = int(bench.rng.integers(1, 5))
            await bench.both(ctx, "PULSE_LIMITS", BY_NAME["PULSE_LIMITS"].pack(STRONG=strong, **limits))
            await bench.program(ctx, *weight)
            programmed.append(weight)
            for name in bench.rng.choice(names, 3):
                value = int(bench.rng.integers(2**32)) if name == "FAILED_AT" or turn == 7 else None
                await bench.both(ctx, str(name), value, 15 if bench.rng.random() < 0.8 else 7)
            if turn == 7:
                await bench.both(ctx, "PULSES", 1)
        for spare in range(bench.design.layers[0].spares):  # the first of the first ADC, the last of the last
            layer, bench.cells.spare, bench.copy.spare = bench.design.layers[0], spare, spare
            await bench.program(ctx, 0, 1, layer.columns if spare == 0 else layer.all_columns - 1, 3)
        await bench.words(ctx)

    bench.run(body)
    assert {weight[0] for weight in programmed} == set(range(len(bench.design.layers)))
    assert 0 < bench.twin.failures < len(programmed) / 2
    assert all(port.conversions > 10 for port in bench.ports)


def test_weights_lie_within_half_a_level_and_stuck_ones_are_listed():
    """Without a spread of the converters each is within a weak pulse and what the gain is raised by."""
    design = DESIGNS["stack"]
    bench = Bench(design, 1)
    top = full_scale(WIDE.weight_bits)
    weights = {(row, column): level for row, column, level in zip([0, 1, 2, 5, 8, 0, 1], [3, 0, 23, 7, 11, 9, 2],
                                                                  [7, -7, 0, 3, -4, 1, -1])}  # fmt: skip
    stuck = {(3, 4): (0, top, 3), (3, 5): (1, top, -2), (3, 6): (1, 0, 4), (3, 7): (0, top, top), (8, 8): (1, top, -top),
             (4, 1): (1, top, 0), (4, 2): (0, 0, 2)}  # fmt: skip

    async def body(ctx, bench):
        for (row, column), level in weights.items():
            await bench.program(ctx, 0, row, column, level)
        for (row, column), (cell, held, level) in stuck.items():
            for cells in (bench.cells, bench.copy):
                cells.stick(0, row, column, cell, held)
            await bench.program(ctx, 0, row, column, level)
        await bench.words(ctx)

    bench.run(body)
    found = bench.cells.weights(0)
    for at, level in weights.items():
        assert abs(found[at] - level) < 0.4, (at, level, found[at])
    assert bench.twin.failed == [(3, 4), (3, 5), (4, 2)]  # the others reach their levels all the same
    assert abs(found[3, 6] - 4) < 0.4
    assert abs(found[4, 1]) < 0.4


def test_the_list_has_the_first_sixteen():
    bench = Bench(DESIGNS["fine"], 2)

    async def body(ctx, bench):
        await bench.both(ctx, "PULSE_LIMITS", 0)  # no pulses at all: levels that the cells do not have are failures
        for turn in range(20):
            await bench.program(ctx, 0, turn % 3, turn % 2, 3)
        assert await bench.access(ctx, "FAILURES") == 20
        assert await bench.access(ctx, "PULSES") == 0
        await bench.words(ctx)
        await bench.both(ctx, "PULSES", 0)
        await bench.words(ctx)

    for cells in (bench.cells, bench.copy):
        cells.held[0][:] = 0.0
    bench.run(body)


def test_limits_and_counters_are_held_while_a_weight_is_programmed():
    bench = Bench(DESIGNS["fine"], 2)

    async def body(ctx, bench):
        await bench.begin(ctx, 0, 1, 1, 2)
        assert await bench.access(ctx, "PULSE_LIMITS", 1) is None
        assert await bench.access(ctx, "PULSES", 1) is None
        assert await bench.access(ctx, "FAILED_AT", 7) is not None
        assert await bench.access(ctx, "FAILED") is None
        await ctx.tick().until(bench.dut.level_0.program_done)
        bench.twin.program(0, 1, 1, 2)
        bench.twin.access(BY_NAME["FAILED_AT"].address, 7)
        await bench.words(ctx)
        bench.compare()

    bench.run(body)


@pytest.mark.parametrize("cycles", [2, 5])
def test_readings_follow_each_other_in_the_cycles_of_the_formula(cycles):
    """With pulses of three cycles between, and without one before the last, which confirms."""
    layer = replace(FINE, conversion_cycles=cycles)
    bench, times = Bench(Design("timed", (layer,)), 2), []
    bench.ports[0].answer = 3

    async def watch(ctx):
        cycle = 0
        while True:
            _, _, convert = await ctx.tick().sample(bench.dut.array_0.convert)
            times.extend([cycle] * convert)
            cycle += 1

    async def body(ctx, bench):
        await bench.program(ctx, 0, 1, 1, 2)

    bench.run(body, background=[watch])
    gaps = np.diff(times)
    assert set(gaps[:-1]) <= {bench.dut.cycles(cycles, 3), bench.dut.cycles(cycles)}
    assert gaps[-1] == cycles + 2
    assert (gaps == cycles + 5).sum() == len(bench.cells.pulses) - 2 * 24


SMALL = Design("small", (DenseLayer(inputs=1, outputs=2, adcs=2, adc_bits=3, weight_bits=3, spares=1, **PULSED),))
FEW = BY_NAME["PULSE_LIMITS"].pack(MOST=6, ERASE=2, STRONG=1)


@pytest.mark.parametrize("seed", range(2))
def test_a_cancel_in_any_cycle_changes_no_pulse(seed):
    """CONTROL.RESET ends conversions, which begin again."""
    bench, cancels = Bench(SMALL, seed), []

    async def body(ctx, bench):
        async def cancel(chance):
            while ctx.get(bench.dut.pulsing):
                now = bench.rng.random() < chance
                cancels.append(now)
                ctx.set(bench.dut.level_0.cancel, now)
                await ctx.tick()
            ctx.set(bench.dut.level_0.cancel, 0)

        await bench.both(ctx, "PULSE_LIMITS", FEW)
        for chance in (0.05, 0.1, 0.2, 0.3):
            await bench.begin(ctx, 0, 0, 1, 2)
            await cancel(chance)
            bench.twin.program(0, 0, 1, 2)
            bench.compare()
        await bench.words(ctx)

    bench.run(body)
    assert sum(cancels) > 20


def test_a_reset_in_every_cycle_leaves_a_programmer_that_works():
    bench, stops = Bench(SMALL, 3), [0]

    async def body(ctx, bench):
        ended = False
        while not ended:
            await bench.both(ctx, "PULSE_LIMITS", FEW)
            await bench.begin(ctx, 0, 1, stops[0] % 2, 5)
            for _ in range(stops[0]):
                await ctx.tick()
            ended = not ctx.get(bench.dut.pulsing)
            ctx.set(bench.reset, 1)
            await ctx.tick()
            ctx.set(bench.reset, 0)
            assert not ctx.get(bench.dut.pulsing)
            bench.restart()
            bench.cells.pulses.clear()
            bench.copy.pulses.clear()
            for register in PULSE_REGISTERS:
                await bench.both(ctx, register.name)
            await bench.both(ctx, "PULSE_LIMITS", FEW)
            await bench.program(ctx, 0, 0, 0, 1)
            stops[0] += 1

    bench.run(body)
    assert stops[0] > 40


def test_nothing_but_gains_and_rows_changes_for_what_passes_through():
    """Seals, trims and gains of the register bus, and readings of the layer, while no weight is programmed."""
    bench = Bench(SMALL, 0)

    async def body(ctx, bench):
        dut = bench.dut
        level, setup, core, array = dut.level_0, dut.setup_0, dut.core_0, dut.array_0
        for name, value in (("adjust_strobe", 1), ("adjust_adc", 1), ("adjust_what", 2), ("adjust_value", 77)):
            ctx.set(getattr(level, name), value)
            assert ctx.get(getattr(setup, name)) == value
        ctx.set(level.mult[0], 9)
        ctx.set(level.shift[0], 3)
        assert (ctx.get(setup.mult[0]), ctx.get(setup.shift[0])) == (9, 3)
        ctx.set(core.row_codes.as_value(), 5)
        ctx.set(core.bias_drive, 1)
        assert (ctx.get(array.row_codes.as_value()), ctx.get(array.bias_drive)) == (5, 1)
        ctx.set(level.seal, 1)
        await ctx.tick()
        ctx.set(level.seal, 0)
        await ctx.tick().until(level.program_done)
        assert ctx.get(level.sealed) == 1

    bench.run(body)


@pytest.mark.parametrize(("column", "place"), [(0, (0, 0)), (1, (0, 1)), (5, (2, 1)), (23, (11, 1)), (24, (0, 0)),
                                               (27, (1, 0)), (47, (11, 0))])  # fmt: skip
def test_where_a_column_is_read(column, place):
    assert place_of(WIDE, column) == place

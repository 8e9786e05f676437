"""The twin of an array: the integers of the reference, in the cycles that its plan says."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from hypothesis import Phase, given, settings

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.hdl.board.array_twin import ArrayTwin
from ohmgate.model.bit_fields import pack
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError, to_wire
from ohmgate.model.integer_noise import IntegerNoise
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order
from ohmgate.model.reference import run
from tests.designs import random_design, random_inputs, random_network, seeds
from tests.hdl.board.twin_bench import TwinBench
from tests.hdl.simulate import simulate
from tests.hdl.test_whole_design import Device

LSTM = LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=2, input_dac_bits=3, input_drive=3, weight_bits=3)
DENSE = DenseLayer(inputs=3, outputs=6, adcs=2, dac_bits=2, adc_bits=6, bias_rows=0)
SIGNS = DenseLayer(inputs=2, outputs=3, adcs=1, dac_bits=1, weight_bits=1, adc_bits=3, bias_rows=2)
ONE = DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=2, adc_bits=8, bias_rows=0)
WHOLE = DenseLayer(inputs=4, outputs=34, adcs=1, dac_bits=2, weight_bits=8)
#: A layer, rows a cycle, and what that makes: cycles of a first conversion, and from one column to the next.
TWINS = {
    # 7 of the pipeline, a tree of 1 and a drive; 1 group of 3 bits and 2 of 2; 4 sums
    "lstm": (LSTM, 2, 7 + 1 + 1 + (3 + 2 * 2) + 4 * 1, 7),
    "dense": (DENSE, 3, 7 + 2 + 2 + 2 * 1, 2),
    "whole words": (WHOLE, 5, 7 + 3 + 2 + 2, 2),
    "signs": (SIGNS, 1, 7 + 0 + 8 + 1 * 8, 8),
    "one cell": (ONE, 1, 7 + 2 + 2, 2),
    "diagnosed": (replace(LSTM, diagnostics=True), 2, 7 + 1 + 1 + (3 + 2 * 2) + 4 * 1, 7),
}


def bench_of(layer, rows: int, seed: int = 0, noise=None) -> TwinBench:
    rng = np.random.default_rng(seed)
    return TwinBench(layer, rows, random_network(Design("one", (layer,)), rng).layers[0], rng, noise)


async def time_step(bench: TwinBench, gaps: float = 0.0) -> None:
    """One time step with random rows; where nothing waits, in the cycles of the plan."""
    drive, plan, begun = bench.drive(), bench.twin.plan, bench.cycle
    bench.show(drive)
    expected = bench.expected(drive)
    for step in range(bench.layer.conversions):
        while bench.rng.random() < gaps:
            await bench.idle(int(bench.rng.integers(1, 2 * plan.slots + 4)))
        assert np.array_equal(await bench.convert(step), expected[step]), f"codes of column {step}"
    fixed, steps = bench.layer.conversion_cycles, bench.layer.conversions
    if not gaps:
        assert bench.cycle - begun == (fixed * steps if fixed else plan.step_cycles(0))
        assert fixed or plan.step_cycles(0) == bench.twin.latency + 1 + (steps - 1) * plan.slots


@settings(max_examples=12, deadline=None, phases=[Phase.generate])
@given(seeds)
def test_codes_are_those_of_the_reference(seed):
    rng = np.random.default_rng(seed)
    design = random_design(rng, layers=1, max_inputs=6, max_outputs=4, conversion_cycles=0)
    [layer], [data] = design.layers, random_network(design, rng).layers
    rows = int(rng.integers(1, layer.rows + 1))
    if rng.random() < 0.4:
        least = ArrayTwin(layer, rows).latency + 1
        layer = replace(layer, conversion_cycles=least + int(rng.integers(0, 3)))

    async def testbench(bench):
        await bench.load()
        for gaps in (0.0, 0.0, 0.3):
            await time_step(bench, gaps)

    TwinBench(layer, rows, data, rng).run(testbench)


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(seeds)
def test_noisy_codes_are_those_of_the_model_with_that_seed(seed):
    """Whatever the order of programming, stalls, and time steps that are broken off."""
    rng = np.random.default_rng(seed)
    design = random_design(rng, layers=1, max_inputs=6, max_outputs=4, conversion_cycles=0)
    [layer], [data] = design.layers, random_network(design, rng).layers
    noise = IntegerNoise(int(rng.integers(0, 2**32)), *rng.choice([0, 30, 255], size=2).tolist())

    async def testbench(bench):
        await bench.load()
        for gaps in (0.0, 0.3, 0.0):
            await time_step(bench, gaps)
            bench.show(bench.drive())
            await bench.convert(0, until=int(rng.integers(1, bench.twin.latency)))
            bench.ctx.set(bench.twin.array.setup.cancel, 1)
            await bench.tick()
            bench.ctx.set(bench.twin.array.setup.cancel, 0)
            bench.ctx.set(bench.twin.array.read.convert, 0)

    TwinBench(layer, int(rng.integers(1, layer.rows + 1)), data, rng, noise).run(testbench)


@pytest.mark.parametrize("kind", TWINS)
def test_cycles_and_the_software_twin(kind):
    layer, rows, conversion, slots = TWINS[kind]
    bench = bench_of(layer, rows)
    assert bench.twin.latency == conversion - 1
    assert bench.twin.plan.step_cycles(4) == conversion + (layer.conversions - 1) * slots + 4
    for _ in range(4):
        drive = bench.drive()
        assert np.array_equal(bench.twin.model(bench.data, drive), bench.expected(drive))

    async def testbench(bench):
        await bench.load()
        for _ in range(3):
            await time_step(bench)

    bench.run(testbench)


@pytest.mark.parametrize("fixed", [0, 1], ids=["done", "fixed"])
def test_codes_stay_until_they_are_asked_for_and_what_was_behind_them_is_computed_anew(fixed):
    """Of 34 columns, one of which is asked for late, by any number of cycles."""
    layer, rows, conversion, _ = TWINS["whole words"]
    bench = bench_of(replace(layer, conversion_cycles=fixed * (conversion + 1)), rows)

    async def testbench(bench):
        await bench.load()
        for late in range(2 * conversion):
            drive = bench.drive()
            bench.show(drive)
            expected = bench.expected(drive)
            for step in range(8):
                if step == 3:
                    await bench.idle(late)
                begun = bench.cycle
                assert np.array_equal(await bench.convert(step), expected[step]), (late, step)
                if step == 4 and late > conversion and not fixed:
                    assert bench.cycle - begun == conversion, "the column behind those that waited is a new start"

    bench.run(testbench)


@pytest.mark.parametrize("fixed", [0, 1], ids=["done", "fixed"])
@pytest.mark.parametrize("kind", ["lstm", "signs"])
def test_a_cancel_in_any_cycle_leaves_nothing_behind(kind, fixed):
    layer, rows, conversion, _ = TWINS[kind]
    bench = bench_of(replace(layer, conversion_cycles=fixed * (conversion + 1)), rows)

    async def broken_off(bench, cycles: int) -> None:
        """A time step that is cancelled in its last but ``cycles`` cycles; a done in that cycle counts as usual."""
        cancel, end, steps = bench.twin.array.setup.cancel, bench.cycle + cycles, bench.layer.conversions
        bench.show(bench.drive())
        for step in range(steps):
            if end == bench.cycle or await bench.convert(step, until=end - bench.cycle) is None:
                break
        bench.ctx.set(cancel, 1)
        await bench.tick()
        bench.ctx.set(cancel, 0)
        bench.ctx.set(bench.twin.array.read.convert, 0)
        await bench.idle(int(bench.rng.integers(0, 2 * conversion)))

    async def testbench(bench):
        await bench.load()
        for cycles in range((fixed * bench.layer.conversions + 1 - fixed) * (conversion + 1)):
            await broken_off(bench, cycles)
            await time_step(bench)

    bench.run(testbench)


def test_a_cancel_in_the_cycle_of_convert_ends_that_conversion():
    bench = bench_of(DENSE, 2)

    async def testbench(bench):
        await bench.load()
        for step in (0, 1):
            read, cancel = bench.twin.array.read, bench.twin.array.setup.cancel
            bench.ctx.set(read.select, step)
            bench.ctx.set(read.convert, 1)
            bench.ctx.set(cancel, 1)
            await bench.tick()
            bench.ctx.set(read.convert, 0)
            bench.ctx.set(cancel, 0)
            await bench.idle(60)
            await time_step(bench)

    bench.run(testbench)


def test_any_order_of_columns_and_a_step_given_up_start_anew():
    bench = bench_of(DENSE, 2)

    async def testbench(bench):
        await bench.load()
        for _ in range(6):
            bench.show(drive := bench.drive())
            for step in bench.rng.permutation(bench.layer.conversions).tolist():
                assert np.array_equal(await bench.convert(step), bench.expected(drive)[step])
                await bench.idle(int(bench.rng.integers(0, 20)))
            bench.show(drive := bench.drive())
            assert np.array_equal(await bench.convert(0), bench.expected(drive)[0])
            await bench.idle(int(bench.rng.integers(0, 20)))
            await time_step(bench)

    bench.run(testbench)


@pytest.mark.parametrize("kind", TWINS)
def test_a_cell_programmed_between_conversions_counts_in_the_next(kind):
    layer, rows, *_ = TWINS[kind]
    bench, other = bench_of(layer, rows), bench_of(layer, rows, seed=1)
    order = physical_order(layer)

    async def testbench(bench):
        await bench.load()
        weights = bench.data.weights.copy()
        bench.data = replace(bench.data, weights=weights)
        for number in range(4 + 120 // layer.conversions):
            bench.show(drive := bench.drive())
            for step in range(layer.conversions):
                row, column = (int(bench.rng.integers(0, size)) for size in weights.shape)
                weights[row, order[column]] = other.data.weights[row, order[column]]
                level = int(to_wire(weights[row, order[column]], layer.weight_bits))
                await bench.idle(int(bench.rng.integers(0, 8)))
                await bench.program(row, column, level)
                assert np.array_equal(await bench.convert(step), bench.expected(drive)[step]), number

    bench.run(testbench)


def test_a_conversion_in_which_a_cell_is_programmed_is_done_all_the_same():
    bench = bench_of(DENSE, 2)

    async def testbench(bench):
        await bench.load()
        for begun in range(2, bench.twin.latency):
            bench.show(bench.drive())
            assert await bench.convert(0, until=begun) is None
            row, column = begun % bench.layer.rows, begun % bench.layer.columns
            level = to_wire(bench.data.weights[row, physical_order(bench.layer)[column]], bench.layer.weight_bits)
            setup = bench.twin.array.setup
            for name, value in (("row", row), ("column", column), ("level", int(level)), ("strobe", 1)):
                bench.ctx.set(getattr(setup, f"program_{name}"), value)
            answers = []
            for _ in range(2 * bench.twin.latency):
                answers.append((await bench.tick())[:2])
                bench.ctx.set(setup.program_strobe, 0)
            assert np.sum(answers, axis=0).tolist() == [1, 1]
            await time_step(bench)

    bench.run(testbench)


def test_cells_begin_at_0_and_keep_their_levels_over_a_reset():
    bench, reset = bench_of(LSTM, 2), Signal()

    async def testbench(bench):
        bench.data, random = replace(bench.data, weights=np.zeros_like(bench.data.weights)), bench.data
        await time_step(bench)
        bench.data = random
        await bench.load()
        for cycles in range(bench.twin.latency):
            bench.show(bench.drive())
            assert await bench.convert(0, until=cycles + 1) is None
            bench.ctx.set(reset, 1)
            await bench.tick()
            bench.ctx.set(reset, 0)
            await bench.idle(cycles % 3)
            await time_step(bench)

    bench.run(testbench, ResetInserter(reset)(bench.twin))


def test_the_count_of_time_steps_begins_anew_with_restart():
    bench = bench_of(SIGNS, 2, noise=IntegerNoise(7, 99, 200))

    async def testbench(bench):
        await bench.load()
        bench.show(drive := bench.drive())
        for _ in range(2):
            for number in range(3):
                expected = bench.twin.model(bench.data, drive, bench.noise, number)
                codes = [(await bench.convert(step)).tolist() for step in range(SIGNS.conversions)]
                assert codes == expected.tolist()
            bench.ctx.set(bench.twin.noise.restart, 1)
            await bench.tick()
            bench.ctx.set(bench.twin.noise.restart, 0)

    bench.run(testbench)


@pytest.mark.parametrize("fixed", [0, 30], ids=["done", "fixed"])
def test_a_hosts_conversions_have_the_rows_and_gains_of_then(fixed):
    """Also where the next column would have been computed ahead; bias rows are driven or not."""
    layer = replace(LSTM, diagnostics=True, bias_rows=2, hidden=4, conversion_cycles=fixed)
    bench, rng = bench_of(layer, 2), np.random.default_rng(4)

    async def testbench(bench):
        await bench.load()
        before = None
        for k in range(40):
            drive = bench.drive()
            drive[-2:] *= int(rng.integers(2))
            bench.show(drive)
            if k % 3 == 0:
                bench.data = replace(bench.data, mult=rng.integers(1, 256, 4))
                bench.ctx.set(bench.twin.array.setup.mult.as_value(), pack(bench.data.mult, 8))
            step = k % layer.conversions if k < 20 else int(rng.integers(layer.conversions))
            await bench.idle(int(rng.integers(1, 40)))
            codes = await bench.convert(step)
            assert np.array_equal(codes, bench.expected(drive)[step])
            assert before is None or (codes != before).any() or k > 20
            before = codes

    bench.run(testbench)


def test_a_layer_whose_cells_take_pulses_has_no_twin():
    layer = replace(DENSE, adc_bits=8, diagnostics=True, programming="pulse")
    with pytest.raises(
        DesignError, match=f"^programming of {layer.macro_name} must be by level for a twin, not by pulse$"
    ):
        ArrayTwin(layer, 1)


def test_a_layer_with_spares_has_no_twin():
    layer = replace(DENSE, diagnostics=True, spares=1)
    with pytest.raises(DesignError, match=f"^spares of {layer.macro_name} must be 0 for a twin, not 1$"):
        ArrayTwin(layer, 1)


@pytest.mark.parametrize("rows", [0, 6])
def test_rows_that_a_layer_does_not_have(rows):
    with pytest.raises(DesignError, match=rf"^rows a cycle must be an integer from 1 to 5, not {rows}$"):
        ArrayTwin(LSTM, rows)


def test_conversions_that_are_too_short():
    conversion = TWINS["lstm"][2]
    ArrayTwin(replace(LSTM, conversion_cycles=conversion), 2)
    short = replace(LSTM, conversion_cycles=conversion - 1)
    said = f"conversion cycles of {short.macro_name} must be at least 20 for a twin that adds 2 rows a cycle, not 19"
    with pytest.raises(DesignError, match=f"^{said}$"):
        ArrayTwin(short, 2)


class TwinDevice(Device):
    """An accelerator on twins that add ``rows`` rows a cycle."""

    def __init__(self, network, codes, lengths, rows, gaps, noise=None):
        super().__init__(network, codes, lengths, 0, gaps)
        self.rows, self.noise = rows, noise

    def run(self) -> None:
        m, noise = Module(), self.noise
        m.submodules.accelerator = self.dut
        for k, ((layer, _), rows) in enumerate(zip(self.layers, self.rows)):
            m.submodules[f"twin_{k}"] = twin = ArrayTwin(layer, rows, None if noise is None else k)
            wiring.connect(m, self.port(k), twin.array)
            if noise is not None:
                names = ("seed", "programming", "adc")
                m.d.comb += [getattr(twin.noise, name).eq(getattr(noise, name)) for name in names]
        simulate(m, self.source, self.sink, background=[self.count_cycles])


STACK = Design("stack", (
    LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=3, bias_rows=2, conversion_cycles=34),
    DenseLayer(inputs=2, outputs=4, adcs=2, dac_bits=3, adc_bits=5, output="argmax"),
))  # fmt: skip

NOISY = replace(STACK, layers=(replace(STACK.layers[0], conversion_cycles=0), replace(STACK.layers[1], emit="end")))


@pytest.mark.parametrize("gaps", [0.0, 0.8])
def test_an_accelerator_on_twins_gives_the_results_of_the_reference(gaps):
    rng = np.random.default_rng(0)
    network = random_network(STACK, rng)
    codes, lengths = random_inputs(STACK, rng, batch=5, steps=6)
    device = TwinDevice(network, codes, lengths, (4, 1), gaps)
    device.run()
    assert device.out == results(device, run(network, codes, lengths).out)


def test_an_accelerator_on_noisy_twins_gives_the_results_of_the_model_with_that_seed():
    rng = np.random.default_rng(1)
    network, noise = random_network(NOISY, rng), IntegerNoise(0x12345678, 40, 120)
    codes, lengths = random_inputs(NOISY, rng, batch=7, steps=4)
    device = TwinDevice(network, codes, lengths, (3, 2), 0.3, noise)
    device.run()
    noisy = run(network, codes, lengths, integer_noise_codes(network, noise, lengths, codes.shape[1])).out
    assert device.out == results(device, noisy)
    assert device.out != results(device, run(network, codes, lengths).out)


def results(device: Device, out: np.ndarray) -> list[list[int]]:
    """What the device shows for results ``out`` (B, T, k), or (B, k) where they come at the end."""
    lengths, steps = device.lengths, device.results()
    out = out if out.ndim == 3 else np.repeat(out[:, None], max(lengths), axis=1)
    return [[*out[b, t].tolist(), int(t == 0), int(t == lengths[b] - 1)] for b, t in steps]


def test_row_tiles_are_refused():
    layer = LstmLayer(inputs=2, hidden=2, adcs=4, tile_rows=3)
    with pytest.raises(DesignError, match=f"^rows of {layer.macro_name} must be in one tile for a twin, not in 2$"):
        ArrayTwin(layer, 1)

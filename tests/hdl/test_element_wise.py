"""Element-wise lane against the reference: random formats and operands, extremes, every tanh index."""

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.hdl.element_wise import ElementWiseLane, half_bits
from ohmgate.model.formats import from_wire, signed_range
from ohmgate.model.layers import LstmLayer
from tests.designs import random_design, seeds
from tests.hdl.simulate import simulate


def check_lane(layer: LstmLayer, operands: np.ndarray) -> np.ndarray:
    """One set of operands (n, 6: f, i, o, g, c, first) in two cycles; returns the cells, all compared with the model."""
    dut = ElementWiseLane(layer)
    cells, hidden, out, saturated = (np.asarray(v) for v in dut.model(*operands.T))
    got = {"cell": [], "hidden": [], "value": [], "saturated": []}

    half = half_bits(layer)

    async def testbench(ctx):
        for cycle in range(2 * len(operands) + dut.latency):
            at, high = divmod(cycle, 2)
            if at < len(operands):
                values = dict(zip((*"fiogc", "first"), operands[at].tolist()))
                values["c"] = (values["c"] >> half * high) % 2**half
                for port, value in (values | {"high": high}).items():
                    ctx.set(getattr(dut, port), value)
            if cycle >= dut.cell_latency and (cycle - dut.cell_latency) % 2 == 0:
                got["cell"].append(ctx.get(dut.cell))
                got["saturated"].append(ctx.get(dut.saturated))
            if cycle >= dut.latency and (cycle - dut.latency) % 2 == 0:
                got["hidden"].append(ctx.get(dut.hidden))
                if layer.output == "value":
                    got["value"].append(ctx.get(dut.value))
            await ctx.tick()

    simulate(dut, testbench)
    count = len(operands)
    assert got["cell"][:count] == cells.tolist()
    assert got["saturated"][:count] == saturated.astype(int).tolist()
    assert from_wire(np.array(got["hidden"]), layer.dac_bits).tolist() == hidden.tolist()
    assert got["value"] == (out.tolist() if layer.output == "value" else [])
    return cells


def random_operands(layer: LstmLayer, rng: np.random.Generator, count: int) -> np.ndarray:
    a, c = layer.activation_bits, layer.cell_bits
    ranges = [(0, 2**a - 1)] * 3 + [signed_range(a), signed_range(c), (0, 1)]
    columns = []
    for low, high in ranges:
        column = rng.integers(low, high, size=count, endpoint=True)
        extreme = rng.choice([low, low + 1, 0, high - 1, high], size=count)
        columns.append(np.where(rng.random(count) < 0.3, extreme, column))
    return np.stack(columns, axis=1).astype(np.int64)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_random_formats_and_operands(seed):
    rng = np.random.default_rng(seed)
    design = random_design(rng, layers=1)
    while design.layers[0].kind != "lstm":
        design = random_design(rng, layers=1)
    check_lane(design.layers[0], random_operands(design.layers[0], rng, 60))


def test_every_tanh_index_is_reached_and_right():
    layer = LstmLayer(inputs=1, hidden=1, adcs=4, tanh_bits=8, tanh_fraction=5)
    step = 2 ** (layer.cell_fraction - layer.tanh_fraction)
    low, high = signed_range(layer.tanh_bits)
    cells = np.array([index * step + offset for index in range(low - 2, high + 3) for offset in (0, step - 1)])
    operands = np.zeros((len(cells), 6), dtype=np.int64)
    operands[:, 0], operands[:, 2] = 2**layer.activation_bits - 1, 2**layer.activation_bits - 1
    operands[:, 4] = np.ceil(cells * 256 / 255).astype(np.int64)  # f is a little less than 1
    reached = check_lane(layer, operands) // step
    assert set(range(low, high + 1)) <= set(reached.tolist())


@pytest.mark.parametrize("sign", [1, -1])
def test_the_cell_saturates(sign):
    layer = LstmLayer(inputs=1, hidden=1, adcs=4, cell_bits=12, cell_fraction=8)
    top = signed_range(12)[1 if sign > 0 else 0]
    operands = np.array([[255, 255, 255, 127 if sign > 0 else -128, top, 0]])
    assert check_lane(layer, operands).tolist() == [top]

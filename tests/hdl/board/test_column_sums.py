"""Column sums of a twin, of patterns on the wires that are no symmetric codes too."""

from itertools import accumulate

import numpy as np
import pytest
from amaranth.hdl import Value

from ohmgate.hdl.board.column_sums import ColumnSums
from ohmgate.hdl.board.twin_plan import TwinPlan
from ohmgate.model.bit_fields import signed, unpack
from ohmgate.model.formats import full_scale
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.hdl.simulate import simulate

LAYERS = {  # rows that are added in a cycle, and bits of a code that count in one
    "alike": (DenseLayer(inputs=6, outputs=4, adcs=2), 3, 1),
    "diagnosed": (DenseLayer(inputs=6, outputs=4, adcs=2, bias_rows=2, diagnostics=True), 3, 1),
    "two bits": (DenseLayer(inputs=15, outputs=4, adcs=2, weight_bits=8), 8, 2),
    "all bits": (DenseLayer(inputs=15, outputs=4, adcs=2, weight_bits=8), 12, 4),
    "blocks": (LstmLayer(inputs=9, hidden=5, adcs=20, input_dac_bits=2, weight_bits=8), 12, 2),
    "whole words": (DenseLayer(inputs=7, outputs=20, adcs=1, weight_bits=8, dac_bits=2), 5, 1),
    "two drives": (LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=2, input_dac_bits=4, input_drive=5), 2, 1),
    "two of own bits": (LstmLayer(inputs=9, hidden=6, adcs=4, dac_bits=6, input_dac_bits=2, weight_bits=8), 6, 2),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_sums_of_all_columns_at_the_ends_of_their_range(kind):
    layer, rows, parallel = LAYERS[kind]
    plan, rng = TwinPlan(layer, rows), np.random.default_rng(0)
    assert plan.parallel == parallel
    sums = ColumnSums(plan)
    bits = np.array([layer.input_bits] * layer.inputs + [layer.dac_bits] * layer.hidden)
    widest = max(layer.input_bits, layer.dac_bits)
    at = [0, *accumulate(bits.tolist())]
    weights = np.zeros((layer.rows, layer.adcs, layer.conversions), dtype=np.int64)

    def expected(codes, driven: int, biased: int, column: int) -> list[int]:
        """Sums of each ADC by Python's integers."""
        steps = [2 ** (widest - layer.input_bits) * layer.input_drive] * layer.inputs
        steps += [2 ** (widest - layer.dac_bits)] * (layer.hidden + layer.bias_rows)
        drive = [*codes[: layer.inputs], *(driven * codes[layer.inputs :])]
        drive += [full_scale(layer.dac_bits) * biased] * layer.bias_rows
        cells = weights[:, :, column].tolist()
        return [sum(int(d) * s * w[adc] for d, s, w in zip(drive, steps, cells)) for adc in range(layer.adcs)]

    async def write(ctx, lowest: bool):
        for row, adc, column in np.ndindex(*weights.shape):
            half = 2 ** (layer.weight_bits - 1)
            weights[row, adc, column] = -half if lowest else rng.integers(-half, half)
            word, position = plan.place(row)
            for name, value in (("adc", adc), ("column", column), ("word", word), ("position", position),
                                ("level", int(weights[row, adc, column]) % (2 * half))):  # fmt: skip
                ctx.set(getattr(sums, f"write_{name}"), value)
            ctx.set(sums.write, 1)
            await ctx.tick()
            ctx.set(sums.write, 0)
            await ctx.tick()

    async def read(ctx, codes, driven: int):
        word = sum((int(c) % 2 ** int(b)) << k for c, b, k in zip(codes, bits, at))
        ctx.set(sums.row_codes.as_value(), word)
        ctx.set(sums.hidden_drive, driven)
        biased = int(rng.integers(2)) if layer.diagnostics else 1
        if layer.diagnostics:
            ctx.set(sums.bias_drive, biased)
        begin = int(rng.integers(0, layer.conversions))
        ctx.set(sums.column, begin)
        ctx.set(sums.start, 1)
        cycle, column = 0, begin
        while column < layer.conversions:
            _, _, valid, found = await ctx.tick().sample(sums.valid, Value.cast(sums.sums))
            ctx.set(sums.start, 0)
            if valid:
                assert cycle == sums.latency + (column - begin) * plan.slots
                found = signed(unpack(found, sums.sum_bits, layer.adcs), sums.sum_bits).tolist()
                assert found == expected(codes, driven, biased, column)
                column += 1
            cycle += 1
            assert cycle < 1000

    async def testbench(ctx):
        for lowest in (True, False, False):
            await write(ctx, lowest)
            for _ in range(3):
                ends = -(2 ** (bits - 1))
                codes = ends if lowest else rng.integers(ends, -ends)
                await read(ctx, codes, int(rng.integers(0, 2)) if layer.hidden else 0)
        weights_2d = weights.reshape(layer.rows, -1)
        drive = np.concatenate([rng.integers(-1, 2, size=layer.inputs + layer.hidden), np.ones(layer.bias_rows)])
        assert sums.model(weights_2d, drive.astype(int)).tolist() == [
            sum(int(d) * step * int(w) for d, step, w in zip(drive, [
                *[2 ** (widest - layer.input_bits) * layer.input_drive] * layer.inputs,
                *[2 ** (widest - layer.dac_bits)] * (layer.hidden + layer.bias_rows)], column))
            for column in weights_2d.T
        ]  # fmt: skip

    simulate(sums, testbench)

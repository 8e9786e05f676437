"""Argmax against its model: every tie, every number of conversions."""

import numpy as np
import pytest

from ohmgate.hdl.argmax import Argmax
from ohmgate.model.layers import DenseLayer
from tests.hdl.simulate import simulate


@pytest.mark.parametrize(
    "outputs, adcs, bits", [(1, 1, 1), (9, 9, 8), (9, 3, 2), (8, 1, 3), (10, 5, 1), (6, 6, 2), (4, 2, 1), (34, 17, 2)]
)
@pytest.mark.parametrize("tiles", [1, 3])
def test_the_lowest_index_of_the_largest_code_wins(outputs, adcs, bits, tiles):
    layer = DenseLayer(inputs=2, outputs=outputs, adcs=adcs, adc_bits=bits, output="argmax", tile_rows=tiles > 1)
    low, high = tiles * -(2 ** (bits - 1)), tiles * (2 ** (bits - 1) - 1)
    zero = 0 if tiles == 1 else low  # row tiles' sums are counted from the lowest
    rng = np.random.default_rng(outputs)
    dut = Argmax(layer)

    async def testbench(ctx):
        label = 0
        for _ in range(60):
            codes = rng.integers(low, high + 1, size=outputs)
            for step in range(layer.conversions):
                for adc in range(adcs):
                    ctx.set(dut.codes[adc], int(codes[step * adcs + adc]) - zero)
                ctx.set(dut.step, step)
                ctx.set(dut.take, 1)
                await ctx.tick()
                ctx.set(dut.take, 0)
                for adc in range(adcs):
                    ctx.set(dut.codes[adc], 0)
                for _ in range(int(rng.integers(0, 3))):
                    assert ctx.get(dut.label) == label or step == layer.conversions - 1
                    await ctx.tick()
            for _ in range(Argmax.latency):
                await ctx.tick()
            label = dut.model(codes)
            assert ctx.get(dut.label) == label

    simulate(dut, testbench)

"""Sums of row tiles' codes against plain addition: both ends of the range, and random codes between."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from ohmgate.hdl.tile_sums import TileSums
from ohmgate.model.layers import DenseLayer, LstmLayer

LAYERS = [
    LstmLayer(inputs=3, hidden=2, adcs=8, adc_bits=4, tile_rows=3),
    LstmLayer(inputs=5, hidden=2, adcs=4, adc_bits=8, tile_rows=2),
    LstmLayer(inputs=5, hidden=2, adcs=4, adc_bits=5, tile_rows=2, input_tile_shift=3),
    DenseLayer(inputs=15, outputs=3, adcs=3, adc_bits=8, tile_rows=1),
    DenseLayer(inputs=4, outputs=3, adcs=1, adc_bits=1, tile_rows=1),
]


@pytest.mark.parametrize(
    "layer",
    LAYERS,
    ids=lambda layer: f"{layer.row_tiles} tiles of {layer.adc_bits} bits, shift {layer.input_tile_shift}",
)
def test_codes_of_the_tiles_are_added_from_the_lowest_on(layer):
    rng = np.random.default_rng(1)
    dut, half = TileSums(layer), 2 ** (layer.adc_bits - 1)
    tiles = -(-layer.rows // layer.tile_rows)
    units = [2**layer.input_tile_shift] * 3 + [1] * (tiles - 3)  # of tiles with inputs, where there is a shift

    async def testbench(ctx):
        for turn in range(100):
            codes = rng.integers(-half, half, size=(tiles, layer.adcs))
            if turn < 2:
                codes[:] = (-half, half - 1)[turn]
            for number, code in enumerate(codes.reshape(-1).tolist()):
                ctx.set(dut.codes[number], code % 2**layer.adc_bits)
            await ctx.delay(1e-9)
            sums = [ctx.get(dut.sums[adc]) for adc in range(layer.adcs)]
            assert sums == [sum(u * (int(code) + half) for u, code in zip(units, column)) for column in codes.T]
            assert sums == dut.model(codes.reshape(-1)).tolist()

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()

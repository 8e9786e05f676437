"""Activation tables: every gate, every code, every ADC, loaded and constant."""

import math

import numpy as np
import pytest

from ohmgate.hdl.activation_tables import ActivationTables
from ohmgate.model.formats import signed_range
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import nominal_tables, table_patterns
from tests.hdl.simulate import simulate

LAYERS = [
    LstmLayer(inputs=1, hidden=4, adcs=8, adc_bits=4),
    LstmLayer(inputs=1, hidden=2, adcs=4, adc_bits=1, activation_bits=3),
    LstmLayer(inputs=1, hidden=2, adcs=8, adc_bits=8, activation_bits=16),
    LstmLayer(inputs=1, hidden=2, adcs=8, adc_bits=5, tables="constant"),
    DenseLayer(inputs=1, outputs=6, adcs=3, adc_bits=6, output_bits=3),
    DenseLayer(inputs=1, outputs=2, adcs=2, adc_bits=3, output_bits=1, tables="constant", function="tanh"),
    LstmLayer(inputs=3, hidden=2, adcs=8, adc_bits=3, tile_rows=2),
    LstmLayer(inputs=3, hidden=2, adcs=4, adc_bits=2, tile_rows=1, tables="constant"),
    DenseLayer(inputs=4, outputs=3, adcs=3, adc_bits=1, tile_rows=2),
]


@pytest.mark.parametrize("layer", LAYERS, ids=range(len(LAYERS)))
def test_every_code_of_every_adc_gives_its_entry(layer):
    rng = np.random.default_rng(1)
    dut = ActivationTables(layer)
    tables = nominal_tables(layer)
    if layer.tables == "loaded":
        tables = np.stack([rng.permutation(row) for row in tables])
    patterns = table_patterns(layer, tables)
    low, high = signed_range(layer.adc_bits)
    tiles = math.ceil(layer.rows / layer.tile_rows) if layer.tile_rows else 1
    low, high = tiles * low, tiles * high
    seen = 0

    async def testbench(ctx):
        nonlocal seen
        if layer.tables == "loaded":
            for gate, row in enumerate(patterns):
                for entry, pattern in enumerate(row):
                    for port, value in zip(("en", "gate", "entry", "data"), (1, gate, entry, int(pattern))):
                        ctx.set(getattr(dut.write, port), value)
                    await ctx.tick()
            ctx.set(dut.write.en, 0)
            for gate, row in enumerate(patterns):  # nothing of this is written
                for entry, pattern in enumerate(row):
                    for port, value in zip(("gate", "entry", "data"), (gate, entry, ~int(pattern))):
                        ctx.set(getattr(dut.write, port), value)
                    await ctx.tick()
        for code in range(low, high + 1):
            codes = np.array([low + (code - low + 3 * adc) % (high - low + 1) for adc in range(layer.adcs)])
            for adc, value in enumerate(codes):
                ctx.set(dut.codes[adc], int(value) & 2**layer.adc_bits - 1 if tiles == 1 else int(value) - low)
            ctx.set(dut.take, 1)
            for _ in range(dut.latency):
                await ctx.tick()
            expected = table_patterns(layer, dut.model(tables, codes))
            assert [ctx.get(dut.entries[adc]) for adc in range(layer.adcs)] == expected.tolist()
            ctx.set(dut.take, 0)
            for adc in range(layer.adcs):  # codes of no conversion: the entries stay
                ctx.set(dut.codes[adc], int(rng.integers(2**layer.adc_bits)))
            await ctx.tick()
            assert [ctx.get(dut.entries[adc]) for adc in range(layer.adcs)] == expected.tolist()
            seen += layer.adcs

    simulate(dut, testbench)
    assert seen == layer.adcs * (tiles * (2**layer.adc_bits - 1) + 1)

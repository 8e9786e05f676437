"""Stream contract of the layers under random stalls: a payload waits unchanged, and valid never waits for ready."""

import numpy as np
import pytest

from ohmgate.hdl.accelerator import layer_core
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.hdl.simulate import simulate

LAYERS = {
    "lstm": LstmLayer(inputs=2, hidden=4, adcs=8),
    "fixed lstm": LstmLayer(inputs=1, hidden=3, adcs=12, conversion_cycles=2, tables="constant"),
    "table": DenseLayer(inputs=2, outputs=4, adcs=2),
    "codes": DenseLayer(inputs=2, outputs=3, adcs=1, output="codes", conversion_cycles=3),
    "argmax": DenseLayer(inputs=1, outputs=6, adcs=3, output="argmax"),
    "end": DenseLayer(inputs=1, outputs=4, adcs=4, output="argmax", emit="end"),
}
SEQUENCES = (3, 1, 4, 2)  # steps of each


def run(layer, seed: int, gaps: float) -> list[int]:
    """Payloads that the layer hands on; conversion k gives the same codes whatever the stalls."""
    dut = layer_core(layer)
    rng = np.random.default_rng(seed)
    steps = [(t == 0, t == length - 1) for length in SEQUENCES for t in range(length)]
    outputs = len(SEQUENCES) if getattr(layer, "emit", "step") == "end" else len(steps)
    taken = []

    async def tables(ctx):
        if hasattr(dut, "table"):
            for gate in range(layer.gates):
                for entry in range(2**layer.adc_bits):
                    ctx.set(dut.table.en, 1)
                    ctx.set(dut.table.gate, gate)
                    ctx.set(dut.table.entry, entry)
                    ctx.set(dut.table.data, (37 * entry + 11 * gate) & 2 ** len(dut.table.data) - 1)
                    await ctx.tick()
            ctx.set(dut.table.en, 0)

    async def array(ctx):
        codes = np.random.default_rng(0)
        held = (dut.array.row_codes.as_value(), dut.array.select)
        while True:
            _, _, convert, *rows = await ctx.tick().sample(dut.array.convert, *held)
            if not convert:
                continue
            cycles = layer.conversion_cycles or int(rng.integers(2, 6))
            for _ in range(cycles - 2):
                _, _, *now = await ctx.tick().sample(*held)
                assert now == rows, "rows or multiplexers changed during a conversion"
            for adc in range(layer.adcs):
                ctx.set(dut.array.codes[adc], int(codes.integers(0, 2**layer.adc_bits)))
            if not layer.conversion_cycles:
                ctx.set(dut.array.done, 1)
            await ctx.tick()
            if not layer.conversion_cycles:
                ctx.set(dut.array.done, 0)

    async def source(ctx):
        await tables(ctx)
        for number, (first, last) in enumerate(steps):
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.x.payload.first, first)
            ctx.set(dut.x.payload.last, last)
            ctx.set(dut.x.payload.values[0], number & 1)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)

    async def sink(ctx):
        while len(taken) < outputs:
            while not ctx.get(dut.y.valid):  # ready is low: valid must come by itself
                await ctx.tick()
            payload = ctx.get(dut.y.payload.as_value())
            while rng.random() < gaps:
                await ctx.tick()
                assert ctx.get(dut.y.valid), "valid was taken back"
                assert ctx.get(dut.y.payload.as_value()) == payload, "the payload changed while it waited"
            ctx.set(dut.y.ready, 1)
            taken.append(payload)
            await ctx.tick()
            ctx.set(dut.y.ready, 0)
        for _ in range(20):
            assert not ctx.get(dut.y.valid), "a result too many"
            await ctx.tick()
        assert not ctx.get(dut.busy)

    simulate(dut, source, sink, background=[array])
    return taken


@pytest.mark.parametrize("kind", LAYERS)
def test_stalls_change_nothing(kind):
    smooth = run(LAYERS[kind], 0, 0.0)
    assert len(set(smooth)) > 1
    assert run(LAYERS[kind], 1, 0.5) == run(LAYERS[kind], 2, 0.95) == smooth

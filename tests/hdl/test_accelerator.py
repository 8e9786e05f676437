"""The periphery as a whole: what a reset over the register bus does at the streams."""

import pytest

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from tests.hdl.simulate import simulate

DESIGNS = {
    "dense": Design("dense", (DenseLayer(inputs=1, outputs=2, adcs=2, output="codes", conversion_cycles=2),)),
    "lstm": Design("lstm", (LstmLayer(inputs=1, hidden=1, adcs=4, conversion_cycles=2),)),
    "stack": Design("stack", (DenseLayer(inputs=1, outputs=1, adcs=1, conversion_cycles=2),
                              LstmLayer(inputs=1, hidden=1, adcs=4, conversion_cycles=2))),
}  # fmt: skip


@pytest.mark.parametrize("kind", DESIGNS)
@pytest.mark.parametrize("cycles", [0, 1, 3, 5, 8, None])
def test_no_result_from_before_a_reset_is_handed_out_after_it(kind, cycles):
    """From the cycle of ``ack`` on: a step that was taken ``cycles`` before, or a result that waits, is gone.

    And no input is taken in that cycle.
    """
    design = DESIGNS[kind]
    dut, fingerprint = Accelerator(design), int(design.fingerprint, 16)

    async def write(ctx, name, value):
        for field, level in (("adr", BY_NAME[name].address // 4), ("dat_w", value), ("we", 1), ("sel", 15)):
            ctx.set(getattr(dut.bus, field), level)
        ctx.set(dut.bus.cyc, 1)
        ctx.set(dut.bus.stb, 1)
        await ctx.tick()
        assert ctx.get(dut.bus.ack)
        ctx.set(dut.bus.cyc, 0)
        ctx.set(dut.bus.stb, 0)

    async def testbench(ctx):
        for index in range(len(design.layers)):
            ctx.set(getattr(dut, f"array_{index}").setup.sealed, 1)
        await write(ctx, "UNLOCK_LOW", fingerprint & 0xFFFFFFFF)
        await ctx.tick()
        await write(ctx, "UNLOCK_HIGH", fingerprint >> 32)
        await ctx.tick()
        await write(ctx, "CONTROL", 1)
        ctx.set(dut.x.payload.first, 1)
        ctx.set(dut.x.valid, 1)
        await ctx.tick().until(dut.x.ready)
        ctx.set(dut.x.valid, 0)
        if cycles is None:
            await ctx.tick().until(dut.y.valid)
            assert ctx.get(dut.y.valid), "a result waits"
        else:
            for _ in range(cycles):
                await ctx.tick()
        await write(ctx, "CONTROL", BY_NAME["CONTROL"].pack(ENABLE=1, RESET=1))
        ctx.set(dut.x.valid, 1)
        ctx.set(dut.y.ready, 1)
        assert (ctx.get(dut.y.valid), ctx.get(dut.x.ready)) == (0, 0), "in the cycle of ack"
        ctx.set(dut.x.valid, 0)
        for _ in range(20):
            await ctx.tick()
            assert not ctx.get(dut.y.valid)

    simulate(dut, testbench)

"""The converters of a twin: every shift, the ends of sums and codes, and blocks that share a unit."""

import numpy as np
import pytest
from amaranth.hdl import Value

from ohmgate.hdl.board.adc_bank import AdcBank
from ohmgate.hdl.board.twin_plan import TwinPlan
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.hdl.simulate import simulate

BANKS = {  # a plan, and digits and units that it has
    "serial": (TwinPlan(LstmLayer(inputs=6, hidden=2, adcs=8, adc_bits=5), 1), 4, 1),
    "two bits": (TwinPlan(DenseLayer(inputs=7, outputs=8, adcs=8, adc_bits=8), 1), 4, 1),
    "parallel": (TwinPlan(LstmLayer(inputs=6, hidden=4, adcs=16, dac_bits=4), 5), 1, 2),
    "a unit each": (TwinPlan(DenseLayer(inputs=1, outputs=7, adcs=7, dac_bits=2, adc_bits=1, bias_rows=0), 1), 2, 7),
}
SUM_BITS = 12


def exact(total: int, mult: int, shift: int, bits: int) -> int:
    """The converter in Python's integers."""
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, (total * mult) // 2**shift))


@pytest.mark.parametrize("kind", BANKS)
def test_codes_of_every_shift(kind):
    plan, digits, units = BANKS[kind]
    assert (plan.digits, plan.units) == (digits, units)
    layer, rng = plan.layer, np.random.default_rng(0)
    bank = AdcBank(plan, SUM_BITS)
    ends = [-(2 ** (SUM_BITS - 1)), 2 ** (SUM_BITS - 1) - 1, 0, -1, 1]

    async def testbench(ctx):
        for number in range(64):
            shift = (number + rng.integers(0, 24, size=layer.gates)) % 64
            mult = rng.choice([1, 255, *rng.integers(1, 256, size=4)], size=layer.gates)
            sums = rng.choice([*ends, *rng.integers(-2048, 2048, size=9)], size=layer.adcs)
            await column(ctx, sums, mult, shift)

    async def column(ctx, sums, mult, shift):
        ctx.set(bank.mult.as_value(), pack(mult, 8))
        ctx.set(bank.shift.as_value(), pack(shift, 6))
        ctx.set(Value.cast(bank.sums), pack(sums, SUM_BITS))
        ctx.set(bank.take, 1)
        codes, cycle = None, 0
        while codes is None:
            _, _, complete = await ctx.tick().sample(bank.complete)
            cycle += 1
            ctx.set(bank.take, 0)
            ctx.set(Value.cast(bank.sums), 0)
            if complete:
                codes = signed(unpack(ctx.get(bank.codes.as_value()), layer.adc_bits, layer.adcs), layer.adc_bits)
            assert cycle < 100
        assert cycle == bank.latency
        gate = [k // (layer.adcs // layer.gates) for k in range(layer.adcs)]
        expected = [exact(int(s), int(mult[g]), int(shift[g]), layer.adc_bits) for s, g in zip(sums, gate)]
        assert codes.tolist() == expected
        assert bank.model(sums, mult, shift).tolist() == expected
        ctx.set(bank.take, 1)
        ctx.set(bank.keep, 1)
        await ctx.tick()
        ctx.set(bank.take, 0)
        await ctx.tick().repeat(bank.latency)
        ctx.set(bank.keep, 0)
        assert signed(
            unpack(ctx.get(bank.codes.as_value()), layer.adc_bits, layer.adcs), layer.adc_bits
        ).tolist() == (expected)

    simulate(bank, testbench)

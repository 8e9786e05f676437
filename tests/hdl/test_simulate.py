"""The bound of the component tests' simulations."""

import pytest

from ohmgate.hdl.result_bank import ResultBank
from tests.hdl.simulate import simulate


def test_a_test_bench_that_waits_in_vain_is_ended_with_a_sentence():
    dut = ResultBank(1, 1)

    async def testbench(ctx):
        while not ctx.get(dut.whole):
            await ctx.tick()

    with pytest.raises(AssertionError, match=r"^the simulation has not ended after 20000 cycles$"):
        simulate(dut, testbench)

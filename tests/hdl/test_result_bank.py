"""Result bank: a time step's words show all at once, never mixed with the step before."""

import numpy as np
import pytest

from ohmgate.hdl.result_bank import ResultBank
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("words, bits", [(1, 5), (2, 1), (3, 8), (8, 16)])
def test_words_gather_in_any_order_and_show_at_once(words, bits):
    rng = np.random.default_rng(words)
    dut = ResultBank(words, bits)
    assert dut.latency == 1

    async def testbench(ctx):
        shown = 0
        for _ in range(5):
            values = [int(v) for v in rng.integers(0, 2**bits, size=words)]
            for index in [*rng.permutation(words - 1), words - 1]:
                ctx.set(dut.write, 1)
                ctx.set(dut.index, int(index))
                ctx.set(dut.word, values[index])
                assert ctx.get(dut.whole) == shown
                await ctx.tick()
                ctx.set(dut.write, 0)
                ctx.set(dut.word, 0)
                if rng.random() < 0.5 and index != words - 1:
                    await ctx.tick()
            shown = dut.model(values)
            assert [shown >> bits * k & 2**bits - 1 for k in range(words)] == values
            assert ctx.get(dut.whole) == shown

    simulate(dut, testbench)


def test_sizes_out_of_range_are_refused():
    with pytest.raises(DesignError, match=r"^words must be an integer from 1 to 16384, not 0$"):
        ResultBank(0, 4)
    with pytest.raises(DesignError, match=r"^word bits must be an integer from 1 to 65536, not 0$"):
        ResultBank(4, 0)

"""Banks of contexts: a result shows at once, in the bank of its context alone."""

import numpy as np
import pytest

from ohmgate.hdl.context_banks import ContextBanks
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate


@pytest.mark.parametrize("words, bits, contexts", [(1, 5, 2), (2, 1, 3), (4, 8, 5)])
def test_words_gather_and_show_in_the_bank_of_their_context(words, bits, contexts):
    rng = np.random.default_rng(words)
    dut = ContextBanks(words, bits, contexts)
    assert dut.latency == 1

    async def testbench(ctx):
        shown = [0] * contexts
        for _ in range(20):
            context = int(rng.integers(contexts))
            values = [int(v) for v in rng.integers(0, 2**bits, size=words)]
            for index in range(words):
                assert [ctx.get(dut.whole[k]) for k in range(contexts)] == shown
                ctx.set(dut.write, 1)
                ctx.set(dut.index, index)
                ctx.set(dut.context, context)
                ctx.set(dut.word, values[index])
                await ctx.tick()
                ctx.set(dut.write, 0)
            shown[context] = sum(value << bits * k for k, value in enumerate(values))
            assert dut.model(values) == shown[context]
            assert [ctx.get(dut.whole[k]) for k in range(contexts)] == shown

    simulate(dut, testbench)


def test_sizes_out_of_range_are_refused():
    with pytest.raises(DesignError, match=r"^words must be an integer from 1 to 16384, not 0$"):
        ContextBanks(0, 4, 2)
    with pytest.raises(DesignError, match=r"^word bits must be an integer from 1 to 65536, not 0$"):
        ContextBanks(4, 0, 2)
    with pytest.raises(DesignError, match=r"^contexts must be an integer from 2 to 16, not 1$"):
        ContextBanks(4, 4, 1)

"""Sums of bits against Python's integers, in columns of all sorts of heights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.hdl.board.compressor_tree import CompressorTree
from tests.designs import seeds
from tests.hdl.simulate import simulate

NAMES = (16, 32, 48, 64, 48, 32, 16)


def check(heights: tuple[int, ...], seed: int) -> None:
    """All bits, none, and random ones, a sum in every cycle."""
    tree, rng = CompressorTree(heights), np.random.default_rng(seed)
    bits = [[np.full(height, kind, dtype=int) for height in heights] for kind in (1, 0, 1)]
    bits += [[rng.integers(0, 2, size=height) for height in heights] for _ in range(8)]
    expected = [sum(int(bit) << weight for weight, column in enumerate(each) for bit in column) for each in bits]
    words = [int("".join(map(str, np.concatenate(each)[::-1])), 2) for each in bits]
    assert [tree.model([int(sum(column)) for column in each]) for each in bits] == expected

    async def testbench(ctx):
        found = []
        for word in [*words, *[0] * tree.latency]:
            ctx.set(tree.columns.as_value(), word)
            await ctx.tick()
            found.append(ctx.get(tree.sum))
        assert found[tree.latency - 1 :][: len(words)] == expected

    simulate(tree, testbench)


@pytest.mark.parametrize("heights", [(1,), (2,), (3,), (1, 0, 2), (7,), NAMES], ids=str)
def test_sums(heights):
    check(heights, 0)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any), seeds)
def test_sums_of_any_heights(heights, seed):
    check(tuple(heights), seed)


def test_registers_by_hand():
    """Heights of 63, 42, 28 | 19, 13, 9 | 6, 4, 3 | 2 and the adder: registers at the bars and behind the adder."""
    latencies = {2: 1, 3: 1, 4: 1, 6: 2, 9: 2, 13: 2, 19: 3, 64: 4}
    assert {height: CompressorTree((height,)).latency for height in latencies} == latencies
    assert CompressorTree(NAMES).latency == 4

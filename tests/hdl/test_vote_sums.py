"""Sums of votes against plain additions: every tie, contexts, resets; and layers with them whose array is shared."""

import re

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, ResetInserter, Signal

from ohmgate.hdl.dense_layer import DenseLayerCore
from ohmgate.hdl.vote_sums import VoteSums
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.designs import random_inputs, random_network
from tests.hdl.interleaved_bench import InterleavedBench, check
from tests.hdl.simulate import simulate

HEAD = {"inputs": 4, "output": "argmax", "emit": "end"}
LAYERS = {
    "three conversions": DenseLayer(**HEAD, outputs=6, adcs=2, adc_bits=3, votes=4),
    "one conversion": DenseLayer(**HEAD, outputs=3, adcs=3, adc_bits=8, votes=5),
    "one bit": DenseLayer(**HEAD, outputs=4, adcs=1, adc_bits=1, votes=2),
    "tiles": DenseLayer(**HEAD, outputs=4, adcs=2, adc_bits=2, tile_rows=2, votes=3),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("contexts", [1, 3])
def test_sums_are_those_of_all_votes_so_far(kind, contexts):
    """Of codes at the ends of their range, too; what is shown at another time than that of ``take`` does not count."""
    layer, rng, reset, m = LAYERS[kind], np.random.default_rng(1), Signal(), Module()
    low, high = layer.row_tiles * -(2 ** (layer.adc_bits - 1)), layer.row_tiles * (2 ** (layer.adc_bits - 1) - 1)
    dut = VoteSums(layer, contexts)
    m.submodules.dut = ResetInserter(reset)(dut)
    given: list[list[np.ndarray]] = [[] for _ in range(contexts)]  # codes of the votes so far, by context
    fills = [lambda: rng.integers(low, high + 1, layer.outputs), lambda: np.full(layer.outputs, high)]

    async def testbench(ctx):
        for turn in range(40):
            context = int(rng.integers(contexts))
            codes = fills[turn // 10 % 2]()
            whole = len(given[context]) == layer.votes - 1
            expected = sum(given[context], codes) - (len(given[context]) + 1) * low
            if contexts > 1:
                ctx.set(dut.context, context)
            for step in range(layer.conversions):
                part = slice(step * layer.adcs, (step + 1) * layer.adcs)
                for adc, code in enumerate(codes[part]):
                    ctx.set(dut.codes[adc], int(code) - (low if layer.row_tiles > 1 else 0))
                ctx.set(dut.take, 1)
                ctx.set(dut.take_last, step == layer.conversions - 1)
                assert [ctx.get(dut.sums[adc]) for adc in range(layer.adcs)] == expected[part].tolist()
                assert ctx.get(dut.whole) == whole
                await ctx.tick()
                ctx.set(dut.take, 0)
                ctx.set(dut.take_last, 0)
                for _ in range(int(rng.integers(0, 3))):
                    for adc in range(layer.adcs):
                        ctx.set(dut.codes[adc], 0)
                    await ctx.tick()
            given[context] = [] if whole else [*given[context], codes]
            if turn in (9, 24, 30):
                ctx.set(reset, 1)
                await ctx.tick()
                ctx.set(reset, 0)
                given[:] = [[] for _ in range(contexts)]

    simulate(m, testbench)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_twin_adds_up_codes_counted_from_the_lowest(kind):
    layer = LAYERS[kind]
    codes = np.random.default_rng(2).integers(-1, 1, (layer.votes, layer.outputs))
    low = layer.row_tiles * -(2 ** (layer.adc_bits - 1))
    assert VoteSums(layer).model(codes).tolist() == [sum(int(v) - low for v in column) for column in codes.T]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("contexts, gaps", [(2, 0.0), (3, 0.5), (2, 0.9)])
def test_votes_of_interleaved_sequences_are_their_contexts(kind, contexts, gaps):
    """Under stalls, with a context that has a result less than the others."""
    layer = LAYERS[kind]
    rng = np.random.default_rng(3)
    network = random_network(Design("one", (layer,)), rng)
    codes, lengths = random_inputs(network.design, rng, batch=(2 * contexts - 1) * layer.votes, steps=2)
    one = InterleavedBench(layer, network.layers[0], codes, lengths, contexts, seed=4, gaps=gaps)
    seen = one.run()
    check(one, seen)
    assert len(seen.out) == 2 * contexts - 1


@pytest.mark.parametrize("votes, gates", [(1, 1), (2, 2)])
def test_a_head_of_contexts_without_votes_keeps_its_verilog(votes, gates):
    """A result is begun with a last conversion; only of votes does it also wait for their last."""
    core = DenseLayerCore(DenseLayer(**HEAD, outputs=6, adcs=2, votes=votes), contexts=3)
    text = verilog.convert(core, strip_internal_attrs=True, emit_src=False)
    terms, found = ["begun"], 0
    while terms:  # all that are joined by "and" behind it
        if joined := re.search(rf"assign {re.escape(terms.pop())} +=([^;]*) & ([^;]*);", text):
            found += 1
            terms += [joined[1].strip(), joined[2].strip()]
    assert found == gates

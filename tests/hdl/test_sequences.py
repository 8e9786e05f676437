"""Layers whose array some sequences share: every integer by context, never idle, fair, and nothing waits in vain."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from hypothesis import Phase, given, settings

from ohmgate.hdl.accelerator import layer_core
from ohmgate.model.design import Design
from ohmgate.model.formats import signed_range
from ohmgate.model.layers import DenseLayer, Layer, LstmLayer, RnnLayer
from ohmgate.model.payloads import context_of, output_numbers, step_payload
from tests.designs import random_design, random_inputs, random_network, seeds
from tests.hdl.interleaved_bench import InterleavedBench, check
from tests.hdl.pretended_array import PretendedArray, write_tables
from tests.hdl.simulate import simulate

SMALL = {"cell_bits": 8, "cell_fraction": 6, "tanh_fraction": 4}
LAYERS = {
    "one lane": LstmLayer(inputs=2, hidden=3, adcs=4, **SMALL),
    "all lanes": LstmLayer(inputs=2, hidden=2, adcs=8, bias_rows=0, **SMALL),
    "values": LstmLayer(inputs=2, hidden=4, adcs=8, output="value", activation_bits=6, cell_bits=7, cell_fraction=5),
    "fixed time": LstmLayer(inputs=1, hidden=4, adcs=8, conversion_cycles=3, **SMALL),
    "rnn of one ADC": RnnLayer(inputs=2, hidden=3, adcs=1, adc_bits=3),
    "rnn of all ADCs": RnnLayer(inputs=2, hidden=2, adcs=2, dac_bits=2, input_dac_bits=5, bias_rows=0),
    "table": DenseLayer(inputs=2, outputs=6, adcs=2, adc_bits=2),
    "codes": DenseLayer(inputs=3, outputs=2, adcs=2, output="codes", adc_bits=2, bias_rows=0),
    "argmax": DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax", adc_bits=2),
    "label at the end": DenseLayer(inputs=2, outputs=4, adcs=4, output="argmax", emit="end", conversion_cycles=2),
}


def bench(layer: Layer, contexts: int, seed: int = 0, batch: int = 6, steps: int = 4, **options) -> InterleavedBench:
    rng = np.random.default_rng(seed)
    network = random_network(Design("one", (layer,)), rng)
    codes, lengths = random_inputs(network.design, rng, batch, steps)
    return InterleavedBench(layer, network.layers[0], codes, lengths, contexts, seed, **options)


def check_counts(one: InterleavedBench, seen, twin) -> None:
    at = tuple(np.array([place for context in range(one.contexts) for place in one.read(context)]).T)
    ends = np.isin(twin.adc[at], signed_range(one.layer.adc_bits)).sum()
    assert seen.counts == {"adc": ends, "cell": twin.saturations}


@settings(max_examples=6, deadline=None, phases=[Phase.generate])  # a smaller seed is no simpler case
@given(seeds)
def test_random_layers_under_random_stalls(seed):
    rng = np.random.default_rng(seed)
    layer = random_design(rng, layers=1, max_inputs=3, max_outputs=6, max_bits=5).layers[0]
    one = bench(layer, int(rng.integers(2, 6)), seed, batch=9, steps=3, gaps=float(rng.choice([0, 0.3, 0.9])))
    seen = one.run()
    check_counts(one, seen, check(one, seen))


@pytest.mark.full
@pytest.mark.parametrize("seed", range(200))
def test_more_random_layers_under_random_stalls(seed):
    test_random_layers_under_random_stalls.hypothesis.inner_test(seed + 1000)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("contexts, conversion", [(2, 2), (2, 5), (3, 3)])
def test_a_step_takes_its_conversions_or_its_share_of_conversions_and_tail(kind, contexts, conversion):
    """With equal sequences and no stalls, after a first turn of all contexts and before the last one."""
    layer = LAYERS[kind]
    one = bench(layer, contexts, batch=contexts, steps=8, conversion=(conversion, conversion))
    one = replace(one, lengths=np.full(contexts, 1 if layer.at_end else 8))
    seen = one.run()
    check(one, seen)
    core = layer_core(layer, True, contexts)
    cycles, tail = layer.conversion_cycles or conversion, core.tail
    array, starts = layer.conversions * cycles, np.array(seen.array.starts)
    if layer.at_end:  # one reading a sequence
        return
    assert seen.turns == [*range(contexts)] * 8, "each gets every B-th turn"
    turn = set((starts[2 * contexts :] - starts[contexts:-contexts]).tolist())
    if layer.hidden:
        assert turn == {max(contexts * array, array + tail)}
    assert max(turn) <= contexts * core.cycles(cycles) < contexts * (array + tail)
    if array >= tail:
        assert turn == {contexts * array}
        assert all(seen.busy[starts[0] : starts[-1]]), "the array is never idle"
        assert core.cycles(cycles) == array


@pytest.mark.parametrize("kind", ["one lane", "all lanes", "rnn of one ADC", "table", "argmax"])
def test_a_context_without_inputs_does_not_hold_up_the_others(kind):
    layer = LAYERS[kind]
    one = bench(layer, 3, batch=6, steps=4, conversion=(3, 3), silent=(1,))
    one = replace(one, lengths=np.full(6, 4))
    seen = one.run()
    check(one, seen)
    assert Counter(seen.turns) == {0: 8, 2: 8}
    alone = replace(one, silent=(0, 1))
    seen = alone.run()
    check(alone, seen)
    assert seen.turns == [2] * 8
    if layer.hidden:  # an LSTM is as fast as without contexts; an RNN's next input needs a cycle more than its tail
        assert set(np.diff(seen.array.starts)) == {layer.conversions * 3 + (5 if layer.kind == "lstm" else 2)}


@pytest.mark.parametrize("kind", LAYERS)
def test_results_that_wait_stay_and_hold_up_no_other_context_until_each_has_one(kind):
    """Nobody takes results: each context's first is computed, and its bank is not overwritten by the next."""
    layer = LAYERS[kind]
    one = bench(layer, 3, batch=3, steps=2, conversion=(3, 3))
    one = replace(one, lengths=np.full(3, 1 if layer.at_end else 2))
    core = layer_core(layer, True, 3)
    array = PretendedArray(core.array, layer, one.data, np.random.default_rng(0), one.conversion)
    shown = []

    async def source(ctx):
        await write_tables(ctx, core, one.data)
        for t in range(one.lengths[0]):
            for b in range(3):
                last = t == one.lengths[b] - 1
                ctx.set(core.x.payload.as_value(), step_payload(layer, one.codes[b, t], t == 0, last, b))
                ctx.set(core.x.valid, 1)
                await ctx.tick().until(core.x.ready)
                ctx.set(core.x.valid, 0)

    async def sink(ctx):
        await ctx.tick().until(core.y.valid)
        first = ctx.get(core.y.payload.as_value())
        for _ in range(60):
            await ctx.tick()
            assert (ctx.get(core.y.valid), ctx.get(core.y.payload.as_value())) == (1, first)
        waiting = len(array.codes)
        assert waiting == 3 * layer.conversions + (layer.conversions - 1) * (not layer.at_end)
        ctx.set(core.y.ready, 1)
        while len(shown) < one.lengths.sum():
            if ctx.get(core.y.valid):
                shown.append(ctx.get(core.y.payload.as_value()))
            await ctx.tick()

    simulate(core, source, sink, background=[array.serve])
    out = core.model(one.data, one.codes, one.lengths).out
    for at, payload in enumerate(shown):
        t, b = divmod(at, 3)
        t = one.lengths[b] - 1 if layer.at_end else t
        assert context_of(layer, payload) == b
        assert output_numbers(layer, payload).tolist() == [*out[b, t], int(t == 0), int(t == one.lengths[b] - 1)]


def test_a_number_that_is_no_contexts_is_never_taken():
    layer = LAYERS["table"]
    core = layer_core(layer, contexts=3)

    async def source(ctx):
        ctx.set(core.x.valid, 1)
        for context, ready in ((3, 0), (2, 1)):
            ctx.set(core.x.payload.context, context)
            for _ in range(4 if context == 3 else 1):
                assert ctx.get(core.x.ready) == ready
                assert not ctx.get(core.busy)
                await ctx.tick()
        assert (ctx.get(core.x.ready), ctx.get(core.busy)) == (0, 1)

    simulate(core, source)


@pytest.mark.parametrize("kind", ["all lanes", "argmax", pytest.param("values", marks=pytest.mark.full)])
def test_a_reset_in_any_cycle_leaves_nothing_behind(kind):
    """Two contexts at work, a reset after 0, 1, ... cycles, then a sequence of each."""
    layer = LAYERS[kind]
    one = bench(layer, 2, batch=2, steps=2, conversion=(2, 2))
    one = replace(one, lengths=np.full(2, 2))
    core, reset, m = layer_core(layer, contexts=2), Signal(), Module()
    array = PretendedArray(core.array, layer, one.data, np.random.default_rng(0), one.conversion, cancel=reset)
    m.submodules.core = ResetInserter(reset)(core)
    out = core.model(one.data, one.codes, one.lengths).out
    expected = {b: [[*out[b, t].tolist(), int(t == 0), int(t == 1)] for t in range(2)] for b in range(2)}
    payloads = [step_payload(layer, one.codes[b, t], t == 0, t == 1, b) for t in range(2) for b in range(2)]

    async def play(ctx, cycles: int, results: int) -> dict[int, list[list[int]]]:
        got: dict[int, list[list[int]]] = {0: [], 1: []}
        sent = cycle = 0
        while cycle < cycles and sum(map(len, got.values())) < results:
            ctx.set(core.x.valid, sent < len(payloads))
            ctx.set(core.x.payload.as_value(), payloads[min(sent, len(payloads) - 1)])
            _, _, ready, valid, value = await ctx.tick().sample(core.x.ready, core.y.valid, core.y.payload.as_value())
            sent += ready and sent < len(payloads)
            if valid:
                got[context_of(layer, value)].append(output_numbers(layer, value).tolist())
            cycle += 1
        ctx.set(core.x.valid, 0)
        return got

    async def testbench(ctx):
        await write_tables(ctx, core, one.data)
        ctx.set(core.y.ready, 1)
        for stop in range(4 * layer.conversions * 2 + 12):
            await play(ctx, stop, 99)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert (ctx.get(core.y.valid), ctx.get(core.busy), ctx.get(core.x.ready)) == (0, 0, 1)
            assert await play(ctx, 500, 4) == expected, f"after a reset in cycle {stop}"

    simulate(m, testbench, background=[array.serve])

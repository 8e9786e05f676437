"""The dense layer alone on an exact array: every result, under random stalls, against its twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from ohmgate.hdl.dense_layer import DenseLayerCore
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.designs import perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.hdl.layer_bench import Bench, check, check_resets


def bench(layer: DenseLayer, seed: int = 0, batch: int = 4, steps: int = 4, **options) -> Bench:
    rng = np.random.default_rng(seed)
    network = random_network(Design("one", (layer,)), rng)
    codes, lengths = random_inputs(network.design, rng, batch, steps)
    return Bench(layer, network.layers[0], codes, lengths, seed, **options)


def random_layer(rng: np.random.Generator) -> DenseLayer:
    while True:
        layer = perhaps_tiled(random_design(rng, layers=1, max_inputs=4, max_outputs=10), rng).layers[0]
        if layer.kind == "dense":
            return layer


@settings(max_examples=25, deadline=None, phases=[Phase.generate])  # a smaller seed is no simpler case
@given(seeds)
def test_random_layers_under_random_stalls(seed):
    rng = np.random.default_rng(seed)
    one = bench(random_layer(rng), seed, gaps=float(rng.choice([0, 0.3, 0.9])))
    check(one, one.run())


LAYERS = {
    "table": DenseLayer(inputs=2, outputs=6, adcs=2, adc_bits=2),
    "constant table": DenseLayer(inputs=2, outputs=4, adcs=4, adc_bits=3, tables="constant", function="relu"),
    "codes": DenseLayer(inputs=3, outputs=5, adcs=1, output="codes", adc_bits=2, bias_rows=0),
    "argmax": DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax", adc_bits=2),
    "one bit": DenseLayer(inputs=4, outputs=9, adcs=3, dac_bits=1, weight_bits=1, adc_bits=1, output_bits=1, bias_rows=2),
    "at the end": DenseLayer(inputs=2, outputs=4, adcs=2, emit="end", adc_bits=3),
    "label at the end": DenseLayer(inputs=2, outputs=8, adcs=4, output="argmax", emit="end", conversion_cycles=2),
    "fixed time": DenseLayer(inputs=1, outputs=4, adcs=2, output="codes", conversion_cycles=4, adc_bits=3),
    "tiles": DenseLayer(inputs=5, outputs=6, adcs=2, adc_bits=2, tile_rows=2),
    "codes of tiles": DenseLayer(inputs=6, outputs=5, adcs=1, output="codes", adc_bits=2, tile_rows=3, tile_columns=5),
    "argmax of tiles": DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax", adc_bits=2, tile_rows=1),
    "votes": DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax", emit="end", adc_bits=2, votes=3),
    "votes of one ADC": DenseLayer(inputs=2, outputs=4, adcs=1, output="argmax", emit="end", adc_bits=1, votes=2),
    "votes of all ADCs": DenseLayer(inputs=2, outputs=3, adcs=3, output="argmax", emit="end", adc_bits=3, votes=6),
    "votes of tiles": DenseLayer(
        inputs=3, outputs=4, adcs=2, output="argmax", emit="end", adc_bits=2, tile_rows=2, votes=3
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("gaps", [0.0, 0.6])
def test_results_marks_and_counts(kind, gaps):
    """With codes that reach the ends of the ADC's range."""
    one = bench(LAYERS[kind], seed=3, batch=6, steps=5, gaps=gaps)
    louder = replace(one.data, shift=one.data.shift - 1)
    one = replace(one, data=louder, lengths=np.array([2, 5, 1, 3, 1, 4]))
    seen = one.run()
    check(one, seen)
    assert seen.counts["adc"] > 3


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("conversion", [2, 3, 7])
def test_a_time_step_takes_steps_times_conversion_plus_tail(kind, conversion):
    one = bench(replace(LAYERS[kind], emit="step", votes=1), conversion=(conversion, conversion))
    seen = one.run()
    cycles, tail = one.layer.conversion_cycles or conversion, 2 if one.layer.output == "argmax" else 1
    assert set(np.diff(seen.array.starts)) == {one.layer.conversions * cycles + tail}
    core = DenseLayerCore(one.layer)
    assert core.cycles(cycles) == one.layer.conversions * cycles + tail
    assert core.latency == seen.first_valid - seen.first_taken - one.layer.conversions * cycles == tail + 1


@pytest.mark.parametrize("kind", LAYERS)
def test_a_reset_in_any_cycle_leaves_nothing_behind(kind):
    votes = LAYERS[kind].votes
    one = bench(LAYERS[kind], batch=2 * votes, conversion=(3, 3))
    one = replace(one, lengths=np.array([3, 2] * votes))
    check_resets(one, votes * (2 * one.layer.conversions * 3 + 12))

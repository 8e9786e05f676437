"""The simple recurrent layer alone on an exact array: rows and results under random stalls, against its twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from ohmgate.hdl.accelerator import layer_core
from ohmgate.hdl.reverse_layer import ReverseLayerCore
from ohmgate.hdl.rnn_layer import RnnLayerCore
from ohmgate.model.design import Design
from ohmgate.model.layers import RnnLayer
from tests.designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.hdl.layer_bench import Bench, check, check_resets


def bench(layer: RnnLayer, seed: int = 0, batch: int = 4, steps: int = 4, **options) -> Bench:
    rng = np.random.default_rng(seed)
    network = random_network(Design("one", (layer,)), rng)
    codes, lengths = random_inputs(network.design, rng, batch, steps)
    return Bench(layer, network.layers[0], codes, lengths, seed, **options)


def random_layer(rng: np.random.Generator) -> RnnLayer:
    while True:
        design = perhaps_simple(random_design(rng, layers=1, max_inputs=4, max_outputs=8), rng)
        layer = perhaps_tiled(design, rng).layers[0]
        if isinstance(layer, RnnLayer):
            return layer


@settings(max_examples=20, deadline=None, phases=[Phase.generate])  # a smaller seed is no simpler case
@given(seeds)
def test_random_layers_under_random_stalls(seed):
    rng = np.random.default_rng(seed)
    one = bench(random_layer(rng), seed, gaps=float(rng.choice([0, 0.3, 0.9])))
    check(one, one.run())


LAYERS = {
    "one ADC": RnnLayer(inputs=2, hidden=4, adcs=1, adc_bits=3),
    "all ADCs": RnnLayer(inputs=2, hidden=3, adcs=3, bias_rows=0),
    "one bit": RnnLayer(inputs=3, hidden=4, adcs=2, dac_bits=1, weight_bits=1, adc_bits=1, bias_rows=3),
    "constant table": RnnLayer(inputs=1, hidden=4, adcs=2, tables="constant", adc_bits=5),
    "relu": RnnLayer(inputs=2, hidden=4, adcs=2, tables="constant", function="relu", adc_bits=5),
    "fixed time": RnnLayer(inputs=2, hidden=6, adcs=2, conversion_cycles=2),
    "tiles": RnnLayer(inputs=2, hidden=4, adcs=2, adc_bits=3, tile_rows=3, tile_columns=2),
    "own input bits": RnnLayer(inputs=2, hidden=4, adcs=2, dac_bits=2, input_dac_bits=6, input_drive=3),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("conversion", [2, 5])
def test_a_time_step_takes_steps_times_conversion_plus_a_cycle(kind, conversion):
    one = bench(LAYERS[kind], conversion=(conversion, conversion))
    seen = one.run()
    check(one, seen)
    cycles = one.layer.conversion_cycles or conversion
    assert set(np.diff(seen.array.starts)) == {one.layer.conversions * cycles + 1}
    core = RnnLayerCore(one.layer)
    assert core.cycles(cycles) == one.layer.conversions * cycles + 1
    assert core.latency == seen.first_valid - seen.first_taken - one.layer.conversions * cycles == 2


@pytest.mark.parametrize("kind", ["one ADC", "all ADCs", "one bit", "fixed time", "tiles"])
def test_a_reset_in_any_cycle_leaves_nothing_behind(kind):
    one = replace(bench(LAYERS[kind], batch=2, conversion=(3, 3)), lengths=np.array([3, 2]))
    check_resets(one, 2 * one.layer.conversions * 3 + 8)


@pytest.mark.parametrize("gaps", [0.0, 0.6])
@pytest.mark.parametrize("kind", ["one ADC", "all ADCs", "own input bits"])
def test_a_layer_in_reverse(kind, gaps):
    layer = replace(LAYERS[kind], direction="reverse", max_steps=5)
    one = replace(bench(layer, batch=5, steps=5, gaps=gaps, conversion=(3, 3)), lengths=np.array([3, 1, 5, 5, 2]))
    seen = one.run()
    check(one, seen)
    core = layer_core(layer)
    assert isinstance(core, ReverseLayerCore)
    assert (core.latency, core.cycles(3)) == (2, layer.conversions * 3 + 1)

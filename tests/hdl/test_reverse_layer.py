"""A layer in reverse against its twin: rows, traces and outputs, under stalls and resets."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.hdl.accelerator import layer_core
from ohmgate.hdl.lstm_layer import LstmLayerCore
from ohmgate.hdl.reverse_layer import ReverseLayerCore
from ohmgate.model.bit_fields import signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from tests.designs import random_inputs, random_network
from tests.hdl.layer_bench import Bench, check, check_resets

LAYERS = {
    "codes": LstmLayer(inputs=2, hidden=3, adcs=4, cell_bits=8, cell_fraction=6, tanh_fraction=4, direction="reverse",
                       max_steps=5),
    "values": LstmLayer(inputs=2, hidden=2, adcs=8, output="value", activation_bits=6, cell_bits=9, cell_fraction=7,
                        tanh_fraction=4, direction="reverse", max_steps=7),
    "constant": LstmLayer(inputs=1, hidden=2, adcs=8, tables="constant", input_dac_bits=6, dac_bits=2,
                          conversion_cycles=2, direction="reverse", max_steps=5),
}  # fmt: skip


def bench(layer: LstmLayer, lengths, **options) -> Bench:
    rng = np.random.default_rng(len(lengths))
    network = random_network(Design("one", (replace(layer, joined=False),)), rng)
    codes, _ = random_inputs(network.design, rng, len(lengths), 5)
    return Bench(layer, network.layers[0], codes, np.array(lengths), **options)


@pytest.mark.parametrize("gaps", [0.0, 0.6])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_integer_under_stalls(kind, gaps):
    one = bench(LAYERS[kind], [3, 1, 5, 5, 2], gaps=gaps)
    seen = one.run()
    twin = check(one, seen)
    cells = np.array([unpack(value, one.layer.cell_bits, one.layer.lanes) for value in seen.trace["cell"]])
    got = signed(cells, one.layer.cell_bits).reshape(-1, one.layer.hidden)
    assert np.array_equal(got, twin.cell[tuple(np.array(one.read()).T)])


def test_one_step_follows_the_other_as_in_a_forward_layer():
    """While a sequence is computed the next is taken in, and the one before handed on."""
    one = bench(LAYERS["codes"], [5, 5, 5, 5], conversion=(3, 3))
    seen, step = one.run(), one.layer.conversions * 3 + 5
    core = layer_core(one.layer)
    assert isinstance(core, ReverseLayerCore)
    assert core.cycles(3) == step
    assert core.latency == LstmLayerCore(one.layer).latency
    assert np.diff(seen.array.starts).tolist() == [step] * 19


@pytest.mark.parametrize("kind", ["codes", "constant"])
def test_a_reset_in_any_cycle_leaves_nothing_behind(kind):
    one = bench(LAYERS[kind], [3, 2], conversion=(2, 2))
    step = one.layer.conversions * 2 + 5
    check_resets(one, 3 * step + 20)


def test_a_joined_layer_has_the_same_twin():
    layer = LAYERS["codes"]
    one = bench(layer, [3, 2])
    twins = [layer_core(x).model(one.data, one.codes, one.lengths) for x in (layer, replace(layer, joined=True))]
    assert np.array_equal(twins[0].out, twins[1].out)

"""The LSTM layer alone on an exact array: every integer that it shows, under random stalls, against its twin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from ohmgate.hdl.lstm_layer import LstmLayerCore
from ohmgate.model.bit_fields import signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.formats import from_wire, signed_range
from ohmgate.model.layers import LstmLayer
from ohmgate.model.layout import logical_columns
from tests.designs import perhaps_tiled, random_design, random_inputs, random_network, seeds
from tests.hdl.layer_bench import Bench, check, check_resets


def bench(layer: LstmLayer, seed: int = 0, batch: int = 4, steps: int = 4, **options) -> Bench:
    rng = np.random.default_rng(seed)
    network = random_network(Design("one", (layer,)), rng)
    codes, lengths = random_inputs(network.design, rng, batch, steps)
    return Bench(layer, network.layers[0], codes, lengths, seed, **options)


def saturating(layer: LstmLayer, seed: int = 0, **options) -> Bench:
    """Gates that are open and candidates that are large, so that many cells run to an end."""
    one = bench(layer, seed, **options)
    tables = one.data.tables.copy()
    tables[:3] = 2**layer.activation_bits - 1
    tables[3] = np.where(tables[3] < 0, *signed_range(layer.activation_bits))
    return replace(one, data=replace(one.data, tables=tables))


def check_traces(one: Bench, seen, twin) -> None:
    """Gates, cells and hidden codes of every conversion, in order."""
    layer, at = one.layer, tuple(np.array(one.steps()).T)
    columns = logical_columns(layer)

    def units(name: str, bits: int) -> np.ndarray:
        """(steps, hidden units)"""
        return np.array([unpack(value, bits, layer.lanes) for value in seen.trace[name]]).reshape(-1, layer.hidden)

    gates = twin.gates[at].reshape(len(one.steps()), -1)[:, columns.reshape(-1)] & 2**layer.activation_bits - 1
    got = np.array([unpack(value, layer.activation_bits, layer.adcs) for value in seen.trace["gates"]])
    assert np.array_equal(got.reshape(gates.shape), gates)
    assert np.array_equal(signed(units("cell", layer.cell_bits), layer.cell_bits), twin.cell[at])
    assert np.array_equal(from_wire(units("hidden", layer.dac_bits), layer.dac_bits), twin.hidden[at])


def random_layer(rng: np.random.Generator) -> LstmLayer:
    while True:
        layer = perhaps_tiled(random_design(rng, layers=1, max_inputs=4, max_outputs=6), rng).layers[0]
        if layer.kind == "lstm":
            return layer


@settings(max_examples=12, deadline=None, phases=[Phase.generate])  # a smaller seed is no simpler case
@given(seeds)
def test_random_layers_under_random_stalls(seed):
    rng = np.random.default_rng(seed)
    one = bench(random_layer(rng), seed, gaps=float(rng.choice([0, 0.3, 0.9])))
    seen = one.run()
    check_traces(one, seen, check(one, seen))


LAYERS = {
    "one lane": LstmLayer(inputs=2, hidden=3, adcs=4, cell_bits=8, cell_fraction=6, tanh_fraction=4),
    "all lanes": LstmLayer(inputs=2, hidden=3, adcs=12, cell_bits=8, cell_fraction=6, tanh_fraction=4, bias_rows=0),
    "one bit": LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=1, weight_bits=1, adc_bits=1, cell_bits=9,
                         cell_fraction=7, bias_rows=3),
    "values": LstmLayer(inputs=2, hidden=4, adcs=8, output="value", activation_bits=6, cell_bits=7, cell_fraction=5),
    "fixed time": LstmLayer(inputs=1, hidden=4, adcs=8, conversion_cycles=2, cell_bits=6, cell_fraction=4,
                            tanh_fraction=3),
    "tiles": LstmLayer(inputs=2, hidden=3, adcs=4, cell_bits=8, cell_fraction=6, tanh_fraction=4, tile_rows=2),
    "own input bits": LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=2, input_dac_bits=6, cell_bits=7, cell_fraction=5),
    "driven inputs": LstmLayer(inputs=2, hidden=2, adcs=4, input_drive=5, conversion_cycles=5, cell_bits=7,
                               cell_fraction=5),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("gaps", [0.0, 0.6])
def test_cells_at_the_ends_of_their_range_are_counted(kind, gaps):
    """Ragged lengths: the steps that a shorter sequence does not have are not counted."""
    one = saturating(LAYERS[kind], seed=3, batch=5, steps=6, gaps=gaps)
    one = replace(one, lengths=np.array([2, 6, 1, 4, 3]))
    seen = one.run()
    twin = check(one, seen)
    check_traces(one, seen, twin)
    assert 5 < twin.saturations < one.lengths.sum() * one.layer.hidden


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("conversion", [2, 3, 7])
def test_a_time_step_takes_steps_times_conversion_plus_tail(kind, conversion):
    one = bench(LAYERS[kind], conversion=(conversion, conversion))
    seen = one.run()
    cycles = one.layer.conversion_cycles or conversion
    assert set(np.diff(seen.array.starts)) == {one.layer.conversions * cycles + 5}
    core = LstmLayerCore(one.layer)
    assert core.cycles(cycles) == one.layer.conversions * cycles + 5
    assert core.latency == seen.first_valid - seen.first_taken - one.layer.conversions * cycles == 6


@pytest.mark.parametrize("kind", ["one lane", "all lanes", "values", "fixed time"])
def test_a_reset_in_any_cycle_leaves_nothing_behind(kind):
    one = replace(bench(LAYERS[kind], batch=2, conversion=(3, 3)), lengths=np.array([3, 2]))
    check_resets(one, 2 * one.layer.conversions * 3 + 16)

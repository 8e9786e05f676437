"""Network data: encoding of measurements, and one sentence for each broken rule."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import Network, nominal_tables, table_patterns
from tests.designs import random_network

VOWELS = Design.load("vowels")


def network(seed=0) -> Network:
    return random_network(VOWELS, np.random.default_rng(seed), labels=False)


def changed(index: int, **changes) -> Network:
    base = network()
    layers = list(base.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(base, layers=tuple(layers))


def with_value(index: int, name: str, at, value) -> Network:
    array = np.array(getattr(network().layers[index], name))
    array[at] = value
    return changed(index, **{name: array})


def test_encode_scales_then_offsets():
    net = replace(network(), input_scale=(0.5,) * 12, input_offset=(0.25,) * 12)
    values = np.zeros((2, 12))
    values[1] = 10
    assert net.encode(values).tolist() == [[2] * 12, [7] * 12]  # floor(0.25 * 7 + 0.5) = 2


def one_layer(layer, **units) -> Network:
    network = random_network(Design("one", (layer,)), np.random.default_rng(0), labels=False)
    return replace(network, **units)


HEAD = DenseLayer(inputs=1, outputs=2, adcs=1, adc_bits=3, adc_range=2.0, output="codes")


@pytest.mark.parametrize("layer, codes, values", [
    (HEAD, [-4, 3], [-1.75, 1.75]),  # steps of 0.5, mid-rise
    (replace(HEAD, output="table", output_bits=3), [-3, 1], [-1.0, 1 / 3]),
    (replace(HEAD, output="table", output_bits=1), [-1, 1], [-1.0, 1.0]),
    (LstmLayer(inputs=1, hidden=2, adcs=4, dac_bits=4), [-7, 0], [-1.0, 0.0]),
    (LstmLayer(inputs=1, hidden=2, adcs=4, activation_bits=8, output="value"), [-127, 64], [-127 / 128, 0.5]),
])  # fmt: skip
def test_decode_gives_the_nominal_values_of_codes(layer, codes, values):
    assert one_layer(layer).decode(np.array([codes] * 3)).tolist() == [values] * 3


def test_decode_scales_then_offsets():
    codes = np.array([[-4, 3], [0, -1]])
    assert one_layer(HEAD, output_scale=(2.0, -1.0)).decode(codes).tolist() == [[-7.0, -3.5], [1.0, 0.5]]
    assert one_layer(HEAD, output_offset=(10.0, 0.0)).decode(codes).tolist() == [[8.25, 1.75], [10.25, -0.25]]
    both = one_layer(HEAD, output_scale=(2.0, -1.0), output_offset=(10.0, 0.25))
    assert both.decode(codes[1]).tolist() == [11.0, 0.75]
    assert both.decode(np.zeros((0, 2), dtype=np.int64)).shape == (0, 2)


def test_units_of_a_host_are_chained_with_those_that_are_there():
    """Degrees into what the network took, and what it gave into degrees; the same for numbers and for vectors."""
    plain = one_layer(HEAD)
    codes = np.array([[-4, 3], [0, -1]])
    host = plain.in_units(input_scale=0.1, input_offset=-2, output_scale=10, output_offset=20)
    assert (host.input_scale, host.input_offset) == ((0.1,), (-2.0,))
    assert host.output_scale == (5.0, 5.0)  # of a step of 0.5
    assert host.decode(codes).tolist() == (plain.decode(codes) * 10 + 20).tolist()
    again = host.in_units(input_scale=[5.0], input_offset=[3.0], output_scale=(2.0, 4.0), output_offset=(0.0, 1.0))
    assert (again.input_scale, again.input_offset) == ((0.5,), (pytest.approx(-1.7),))
    assert again.decode(codes).tolist() == (host.decode(codes) * [2, 4] + [0, 1]).tolist()
    measured = np.array([[1.5], [2.5], [4.0]])
    assert np.array_equal(again.encode(measured), host.encode(measured * 5 + 3))
    assert plain.in_units() == plain
    assert plain.in_units(output_offset=3.0).output_scale == ()  # still the nominal one
    assert plain.in_units(output_scale=1.0).output_scale == (0.5, 0.5)  # the same, said


def test_equal_networks():
    assert network(1) == network(1)
    assert network(1) != network(2)


def test_encode_takes_any_leading_axes_and_what_scale_and_offset_there_are():
    plain = network()
    assert plain.input_scale == plain.input_offset == ()
    values = np.linspace(-1.2, 1.2, 12)
    codes = np.clip(np.floor(values * 7 + 0.5), -7, 7).astype(int).tolist()
    assert plain.encode(values).tolist() == codes
    assert plain.encode(values[None, None]).tolist() == [[codes]]
    scale, offset = tuple(np.linspace(0.5, 2, 12).tolist()), tuple(np.linspace(-0.3, 0.3, 12).tolist())
    for given, expected in (
        ({"input_scale": scale}, values * scale),
        ({"input_offset": offset}, values + offset),
        ({"input_scale": scale, "input_offset": offset}, values * scale + offset),
    ):
        assert replace(plain, **given).encode(values).tolist() == plain.encode(expected).tolist()


@pytest.mark.parametrize("name", ["weights", "mult", "shift", "tables"])
def test_networks_differ_by_every_array_of_a_layer(name):
    array = np.array(getattr(network().layers[0], name))
    at = (0,) * array.ndim
    assert with_value(0, name, at, array[at] + (1 if array[at] < 7 else -1)) != network()
    assert network().layers[0] != "a layer"
    assert changed(1, tables=None) == network()
    assert changed(1).layers[1] != replace(network().layers[1], tables=np.zeros((1, 16), int))


def test_the_ends_of_gains_and_tables_are_legal():
    for mult, shift in ((1, 0), (255, 63)):
        changed(0, mult=np.full(4, mult), shift=np.full(4, shift))
    for entries in ((0, 0, 0, -128), (255, 255, 255, 127)):
        changed(0, tables=np.repeat(np.array(entries)[:, None], 16, axis=1))


SENTENCES = [
    (lambda: replace(network(), layers=()), "a network of design 'vowels' must have data of 2 layers, not 0"),
    (lambda: with_value(0, "weights", (1, 2), 8), "layer 0: weights must be symmetric 4-bit codes, not 8 at (1, 2)"),
    (lambda: changed(0, weights=np.zeros((45, 128))), "layer 0: weights must be integers, not float64"),
    (lambda: changed(0, weights=np.zeros((45, 127), int)), "layer 0: weights must have shape (45, 128), not (45, 127)"),
    (lambda: with_value(0, "mult", 3, 256), "layer 0: mult must be from 1 to 255, not 256 at (3,)"),
    (lambda: with_value(0, "mult", 3, 0), "layer 0: mult must be from 1 to 255, not 0 at (3,)"),
    (lambda: with_value(1, "shift", 0, 64), "layer 1: shift must be from 0 to 63, not 64 at (0,)"),
    (lambda: with_value(0, "tables", (0, 5), 256), "layer 0: tables must be activations of 8 bits, not 256 at (0, 5)"),
    (lambda: with_value(0, "tables", (0, 5), -1), "layer 0: tables must be activations of 8 bits, not -1 at (0, 5)"),
    (lambda: with_value(0, "tables", (3, 5), 128), "layer 0: tables must be activations of 8 bits, not 128 at (3, 5)"),
    (lambda: with_value(0, "weights", (1, 2), -8), "layer 0: weights must be symmetric 4-bit codes, not -8 at (1, 2)"),
    (lambda: with_value(1, "shift", 0, -1), "layer 1: shift must be from 0 to 63, not -1 at (0,)"),
    (lambda: with_value(0, "tables", (3, 5), -129), "layer 0: tables must be activations of 8 bits, not -129 at (3, 5)"),
    (lambda: changed(0, mult=np.full(1, 1)), "layer 0: mult must have shape (4,), not (1,)"),
    (lambda: changed(0, tables=network().layers[0].tables[:, 1:]), "layer 0: tables must have shape (4, 16), not (4, 15)"),
    (lambda: replace(network(), input_offset=(np.nan,) * 12), f"input_offset must be 12 finite numbers, not {(np.nan,) * 12!r}"),
    (lambda: replace(network(), input_scale=(np.inf,) * 12), f"input_scale must be 12 finite numbers, not {(np.inf,) * 12!r}"),
    (lambda: changed(0, tables=None), "layer 0: tables of 4 x 16 entries are missing"),
    (lambda: changed(1, tables=np.zeros((1, 256), int)), "layer 1: a head with output 'argmax' must have no table"),
    (lambda: replace(network(), input_scale=(1.0,)), "input_scale must be 12 finite numbers, not (1.0,)"),
    (lambda: replace(network(), labels=("a",)), "labels must name the 9 outputs, not 1"),
    (lambda: network().encode(np.zeros(3)), "inputs must have 12 channels in their last axis, not (3,)"),
    (lambda: replace(network(), output_scale=(1.0,) * 9), "output_scale must be empty for a head with output 'argmax', which gives no values"),
    (lambda: network().in_units(output_scale=2), "output_scale must be empty for a head with output 'argmax', which gives no values"),
    (lambda: network().in_units(output_offset=2), "output_offset must be empty for a head with output 'argmax', which gives no values"),
    (lambda: network().decode(np.zeros(9, int)), "a head with output 'argmax' gives the number of an output, and no value to decode"),
    (lambda: one_layer(HEAD, output_scale=(1.0,)), "output_scale must be 2 finite numbers, not (1.0,)"),
    (lambda: one_layer(HEAD, output_offset=(1.0, float("inf"))), "output_offset must be 2 finite numbers, not (1.0, inf)"),
    (lambda: one_layer(HEAD, output_scale=(1.0, 0.0)), "output_scale must be numbers other than 0, not (1.0, 0.0)"),
    (lambda: one_layer(HEAD).decode(np.zeros(3, int)), "output codes must be integers with 2 outputs in their last axis, not int64 of (3,)"),
    (lambda: one_layer(HEAD).decode(np.zeros(2)), "output codes must be integers with 2 outputs in their last axis, not float64 of (2,)"),
    (lambda: one_layer(HEAD).decode(np.array([0, 4])), "output codes must be from -4 to 3, not 4"),
    (lambda: one_layer(HEAD).decode(np.array([-5, 4])), "output codes must be from -4 to 3, not -5"),
    (lambda: one_layer(HEAD).in_units(input_scale=(1, 2)), "input_scale must be a number or 1 of them, not (1, 2)"),
    (lambda: one_layer(HEAD).in_units(output_scale="2"), "output_scale must be a number or 2 of them, not '2'"),
    (lambda: one_layer(HEAD).in_units(output_scale=1e308).in_units(output_scale=10), "output_scale must be 2 finite numbers, not (inf, inf)"),
]  # fmt: skip


@pytest.mark.parametrize("make, sentence", SENTENCES, ids=[s for _, s in SENTENCES])
def test_a_broken_rule_is_one_sentence(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence


def test_constant_tables_are_the_designs_own():
    content = VOWELS.to_dict()
    content["layer"][0]["tables"] = "constant"
    design = Design.from_dict(content)
    net = random_network(design, np.random.default_rng(0))
    assert np.array_equal(net.layers[0].tables, nominal_tables(design.layers[0]))
    tables = np.array(net.layers[0].tables)
    tables[0, 0] += 1
    with pytest.raises(DesignError, match=r"^layer 0: tables must be the design's constant ones$"):
        replace(net, layers=(replace(net.layers[0], tables=tables), net.layers[1]))


def test_dense_tables_hold_dac_codes():
    design = Design.load("har")
    net = random_network(design, np.random.default_rng(0))
    tables = np.array(net.layers[0].tables)
    tables[0, 3] = 8
    with pytest.raises(DesignError, match=r"^layer 0: tables must be symmetric 4-bit codes, not 8 at \(0, 3\)$"):
        replace(net, layers=(replace(net.layers[0], tables=tables), *net.layers[1:]))


@pytest.mark.parametrize(
    "layer, tables, patterns",
    [
        (LstmLayer(inputs=1, hidden=1, adcs=4, activation_bits=3), [[7], [0], [4], [-4]], [[7], [0], [4], [4]]),
        (DenseLayer(inputs=1, outputs=1, adcs=1, output_bits=3), [[-3, -1, 0, 3]], [[5, 7, 0, 3]]),
        (DenseLayer(inputs=1, outputs=1, adcs=1, output_bits=1), [[-1, 1]], [[1, 0]]),
    ],
)
def test_table_entries_on_wires(layer, tables, patterns):
    assert table_patterns(layer, np.array(tables)).tolist() == patterns

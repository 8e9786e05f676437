"""Network data: encoding of measurements, and one sentence for each broken rule."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.network import Network, nominal_tables
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


def test_equal_networks():
    assert network(1) == network(1)
    assert network(1) != network(2)


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
    (lambda: changed(0, tables=None), "layer 0: tables of 4 x 16 entries are missing"),
    (lambda: changed(1, tables=np.zeros((1, 256), int)), "layer 1: a head with output 'argmax' must have no table"),
    (lambda: replace(network(), input_scale=(1.0,)), "input_scale must be 12 finite numbers, not (1.0,)"),
    (lambda: replace(network(), labels=("a",)), "labels must name the 9 outputs, not 1"),
    (lambda: network().encode(np.zeros(3)), "inputs must have 12 channels in their last axis, not (3,)"),
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

"""Networks on hardware with other converters."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.firmware.image import pack, unpack
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.reference import run
from ohmgate.model.refit import possible_adcs, refit, with_adcs, with_fingerprint
from ohmgate.sim.random_designs import random_inputs, random_network

VOWELS = Design.load("vowels")


def test_the_same_integers_and_the_weights_at_other_places():
    rng = np.random.default_rng(1)
    network = random_network(VOWELS, rng)
    small = refit(network, with_adcs(VOWELS, (4, 3)))
    codes, lengths = random_inputs(VOWELS, rng, 3, 7)
    before, after = run(network, codes, lengths), run(small, codes, lengths)
    for one, other in zip(before.layers, after.layers):
        for name, values in one.stages().items():
            assert np.array_equal(values, other.stages()[name])
    assert small.design.fingerprint != VOWELS.fingerprint
    assert unpack(pack(small)) == small
    assert refit(small, VOWELS) == network


def test_every_number_of_adcs_that_divides():
    assert possible_adcs(VOWELS.layers[0]) == [4, 8, 16, 32, 64, 128]
    assert possible_adcs(VOWELS.layers[1]) == [1, 3, 9]
    wide = replace(VOWELS.layers[1], outputs=8192, adcs=1)
    assert possible_adcs(wide)[-1] == 4096


def test_a_fingerprint_tells_the_adcs():
    small = with_adcs(VOWELS, (4, 1))
    assert with_fingerprint(VOWELS, small.fingerprint) == small
    assert with_fingerprint(small, VOWELS.fingerprint) == VOWELS
    assert with_fingerprint(VOWELS, VOWELS.fingerprint) is VOWELS
    assert with_fingerprint(VOWELS, Design.load("har").fingerprint) is None


def changed(**fields) -> Design:
    return Design("other", (replace(VOWELS.layers[0], **fields), VOWELS.layers[1]))


@pytest.mark.parametrize(
    "design, sentence",
    [
        (Design.load("har"), "the design must have the network's 2 layers, not 3"),
        (Design("two", (VOWELS.layers[1],) * 1), "the design must have the network's 2 layers, not 1"),
        (changed(activation_bits=7), "layer 0: activation_bits must be the network's 8, not 7"),
        (changed(bias_rows=2), "layer 0: bias_rows must be the network's 1, not 2"),
    ],
)
def test_what_would_change_a_number_is_refused(design, sentence):
    network = random_network(VOWELS, np.random.default_rng(0))
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        refit(network, design)


def test_another_kind_is_refused():
    dense = replace(VOWELS.layers[1], inputs=12, outputs=32, adcs=1, output="table", emit="step")
    network = random_network(VOWELS, np.random.default_rng(0))
    with pytest.raises(DesignError, match=r"^layer 0: kind must be the network's 'lstm', not 'dense'$"):
        refit(network, Design("other", (dense, VOWELS.layers[1])))


@pytest.mark.parametrize(
    "adcs, sentence",
    [
        ((4,), "ADCs must be given for the 2 layers, not for 1"),
        ((6, 1), "layer 0: ADCs must be 4 times a divisor of the 32 hidden units, not 6"),
        ((4, 2), "layer 1: ADCs must be a divisor of the 9 outputs, not 2"),
    ],
)
def test_adcs_that_do_not_divide_are_refused(adcs, sentence):
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        with_adcs(VOWELS, adcs)

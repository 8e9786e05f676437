"""One small chip of two layers, compiled once, that all tests of a session may run."""

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.native import build as native
from tests.designs import random_inputs, random_network

DESIGN = Design(
    "pair_of_layers",
    (
        LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, input_dac_bits=5, output="codes", input_drive=3),
        DenseLayer(
            inputs=4, outputs=6, adcs=2, dac_bits=3, adc_bits=6, output="codes", conversion_cycles=3, tile_rows=3
        ),
    ),
)  #: the LSTM's macro says when it is done, the head's two row tiles take three cycles; codes differ in width


LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, tile_rows=6)
TURNED = Design(
    "turned",
    (
        *both_directions(LSTM, 9),
        DenseLayer(inputs=8, outputs=4, adcs=1, dac_bits=3, adc_bits=6, output="codes", conversion_cycles=3),
    ),
    contexts=2,
)  #: two row tiles in either direction; a step takes two conversions, and the head's four


@pytest.fixture(scope="session")
def network():
    return random_network(DESIGN, np.random.default_rng(5))


@pytest.fixture(scope="session")
def sequences():
    codes, _ = random_inputs(DESIGN, np.random.default_rng(6), batch=5, steps=9)
    return codes, np.array([9, 1, 4, 2, 7])


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return native.build(DESIGN, tmp_path_factory.mktemp("native"), cycles=1)


@pytest.fixture(scope="session")
def turned_network():
    return random_network(TURNED, np.random.default_rng(7))


@pytest.fixture(scope="session")
def turned_built(tmp_path_factory):
    return native.build(TURNED, tmp_path_factory.mktemp("turned"), cycles=1)

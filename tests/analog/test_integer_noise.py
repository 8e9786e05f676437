"""Integer noise in whole runs: which time step of the board each reading is."""

import numpy as np

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.model.design import Design
from ohmgate.model.integer_noise import IntegerNoise, noisy_codes
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import run
from tests.designs import random_inputs, random_network

DESIGN = Design("two", (
    LstmLayer(inputs=2, hidden=3, adcs=4),
    DenseLayer(inputs=3, outputs=4, adcs=2, output="codes", emit="end"),
))  # fmt: skip


def test_sequences_go_through_the_board_one_after_the_other():
    rng, noise = np.random.default_rng(0), IntegerNoise(3, 50, 90)
    network = random_network(DESIGN, rng)
    codes, _ = random_inputs(DESIGN, rng, batch=3, steps=4)
    lengths = np.array([2, 4, 1])
    result = run(network, codes, lengths, integer_noise_codes(network, noise, lengths, 4))
    counts = [0, 0]
    for b, length in enumerate(lengths):
        for t in range(length):
            for k in (0, 1) if t == length - 1 else (0,):
                trace, layer = result.layers[k], DESIGN.layers[k]
                drive, at = trace.drive[b, t][None], np.array([counts[k]])
                expected = noisy_codes(noise, k, layer, network.layers[k], drive, at)[0]
                assert np.array_equal(trace.adc[b, t], expected)
                counts[k] += 1
    assert counts == [7, 3]

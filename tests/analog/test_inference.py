"""Batches through arrays: the same as one sequence after another, and accuracy over draws of chips."""

import numpy as np
import pytest

from ohmgate.analog import inference
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.step_reader import StepReader
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import logical_order
from tests.designs import random_inputs, random_network


def small_network(**head):
    layers = (
        LstmLayer(inputs=4, hidden=8, adcs=8),
        DenseLayer(inputs=8, outputs=3, adcs=3, **({"output": "argmax", "emit": "end"} | head)),
    )
    return random_network(Design("small", layers), np.random.default_rng(2))


def small_task(network, batch=60, steps=7):
    codes, lengths = random_inputs(network.design, np.random.default_rng(3), batch, steps)
    labels = inference.predictions(network, reference.run(network, codes, lengths), lengths)
    return codes, lengths, labels


POLICIES = {
    redraw: ArrayConfig(weight_noise=0.1, redraw=redraw, adc_noise="paper")
    for redraw in ("per_programming", "per_sequence", "per_step")
}


@pytest.mark.parametrize("name", [*POLICIES, *PRESETS])
def test_a_sequence_at_a_time_has_the_same_chip(name):
    """As a co-simulation reads it; for every policy and every preset."""
    network = small_network()
    codes, lengths, _ = small_task(network, batch=1)
    config = POLICIES.get(name) or preset(name)
    traces = []
    for single in (False, True):
        arrays = inference.build_arrays(network, config, seed=9)
        convert = inference.convert_through(arrays)
        if single:  # as the co-simulation reads: one drive, one conversion step at a time

            def convert(index, drive, fresh, arrays=arrays):
                array = arrays[index]
                if fresh[0]:
                    array.new_sequence()
                reader = StepReader(array)
                steps = [reader.convert(drive[0], step) for step in range(array.layer.conversions)]
                physical = np.stack(steps, axis=-1).reshape(1, -1)
                return physical[:, logical_order(array.layer)]

        traces.append(reference.run(network, codes, lengths, convert))
    for a, b in zip(traces[0].layers, traces[1].layers):
        assert np.array_equal(a.adc, b.adc)


def test_layers_and_chips_have_noise_of_their_own():
    network = small_network()
    one, two = (inference.build_arrays(network, ArrayConfig(weight_noise=0.1), seed) for seed in (1, 2))
    assert not np.array_equal(one[0].effective(), two[0].effective())
    offset = [array.effective() - array.levels for array in one]
    assert not np.intersect1d(offset[0], offset[1]).size


@pytest.mark.parametrize("output, emit", [("argmax", "end"), ("argmax", "step"), ("codes", "end"), ("codes", "step")])
def test_predictions_are_the_largest_code_of_the_last_step(output, emit):
    network = small_network(output=output, emit=emit)
    codes, lengths = random_inputs(network.design, np.random.default_rng(3), 30, 7)
    result = reference.run(network, codes, lengths)
    expected = result.layers[-1].adc[np.arange(30), lengths - 1].argmax(axis=1)
    assert np.array_equal(inference.predictions(network, result, lengths), expected)
    assert len(np.unique(expected)) > 1


def test_without_noise_every_draw_is_the_reference():
    network = small_network()
    assert np.array_equal(inference.accuracy_draws(network, *small_task(network), preset("ideal"), 2), [1.0, 1.0])


def test_draws_differ_by_seed_and_number_only():
    network = small_network()
    task = small_task(network)
    draws = inference.accuracy_draws(network, *task, preset("paper"), 6, seed=4)
    assert np.array_equal(draws, inference.accuracy_draws(network, *task, preset("paper"), 6, seed=4))
    assert np.array_equal(draws[:3], inference.accuracy_draws(network, *task, preset("paper"), 3, seed=4))
    assert not np.array_equal(draws, inference.accuracy_draws(network, *task, preset("paper"), 6, seed=5))
    assert len(np.unique(draws)) > 1
    assert (draws < 1).all()


def test_chunks_do_not_change_a_noiseless_result(monkeypatch):
    network = small_network()
    codes, lengths, labels = small_task(network)
    monkeypatch.setattr(inference, "CHUNK", 20_000)
    arrays = inference.build_arrays(network)
    assert 1 < inference.chunk_size(network, arrays, 7) < 30
    classes = inference.classify(network, codes, lengths, arrays)
    assert np.array_equal(classes, labels)


def test_chunks_bound_the_noise_that_a_batch_holds():
    """Slow noise keeps numbers for every cell and sequence: fewer sequences at once."""
    network = small_network()
    sizes = [
        inference.chunk_size(network, inference.build_arrays(network, preset(name)), 7)
        for name in ("ideal", "paper", "reram")
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 100


@pytest.mark.parametrize("share, cells", [(1, 13 * 32), (5, 84), (1000, 1)])
def test_sequences_that_share_noise_hold_their_share_of_it(share, cells):
    """Weight noise per sequence is a number for each of 13 x 32 cells, rounded up."""
    network = small_network()
    arrays = inference.build_arrays(network, preset("paper"), share=share)
    assert arrays[0].slow_noise.numbers_per_sequence == cells
    reading = 7 * (13 + 9 + 4 * (32 + 3))
    assert inference.chunk_size(network, arrays, 7) == 2**24 // (reading + cells)
    ideal = inference.build_arrays(network)
    assert ideal[0].slow_noise.numbers_per_sequence == 13 + 32


def test_errors_are_one_clear_sentence():
    network = small_network(output="table", emit="step")
    codes, lengths = random_inputs(network.design, np.random.default_rng(3), 2, 3)
    with pytest.raises(DesignError, match=r"^predictions need a dense head whose output is argmax or codes$"):
        inference.classify(network, codes, lengths, inference.build_arrays(network))
    with pytest.raises(DesignError, match=r"^labels must be one for each of the 2 sequences, not of shape \(3,\)$"):
        inference.accuracy_draws(network, codes, lengths, [0, 1, 2], preset("ideal"), 1)
    with pytest.raises(DesignError, match=r"^draws must be an integer from 1 to 1000000, not 0$"):
        inference.accuracy_draws(network, codes, lengths, [0, 1], preset("ideal"), 0)

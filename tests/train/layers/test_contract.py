"""Evaluation in PyTorch gives the reference's integers, for random designs and networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError, full_scale, quantise_symmetric
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import Network
from ohmgate.train.export.verify import verify
from ohmgate.train.layers.straight_through import symmetric_code
from ohmgate.train.network import DesignNetwork, evaluate_codes
from tests.designs import perhaps_tiled, random_design, random_inputs, random_network, seeds


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_evaluation_of_a_description_is_the_reference(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(random_design(rng), rng), rng)
    codes, lengths = random_inputs(network.design, rng)
    report = verify(DesignNetwork.from_network(network), codes, lengths, network)
    assert report.mismatches == 0, str(report)
    assert report.integers > 0


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_evaluation_of_real_weights_is_the_reference_of_the_export(seed):
    rng = np.random.default_rng(seed)
    model = random_model(perhaps_tiled(random_design(rng), rng), seed)
    codes, lengths = random_inputs(model.design, rng)
    report = verify(model, codes, lengths)
    assert report.mismatches == 0, str(report)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_widths_up_to_16_bits_evaluate_exactly(seed):
    rng = np.random.default_rng(seed)
    model = random_model(random_design(rng, max_bits=16), seed)
    codes, lengths = random_inputs(model.design, rng)
    assert verify(model, codes, lengths).mismatches == 0


@pytest.mark.full
@settings(max_examples=2000, deadline=None)
@given(seeds)
def test_many_descriptions_are_the_reference(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_tiled(random_design(rng), rng), rng)
    codes, lengths = random_inputs(network.design, rng)
    assert verify(DesignNetwork.from_network(network), codes, lengths, network).mismatches == 0


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_training_computes_almost_the_same_hidden_codes(seed):
    """float32 cells may move a code at a rounding edge, not more: at the default formats nearly all agree."""
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(2, 7))
    layer = LstmLayer(inputs=5, hidden=8, adcs=4, dac_bits=bits, weight_bits=bits, adc_bits=bits)
    model = random_model(Design("one", (layer,)), seed)
    codes, _ = random_inputs(model.design, rng, batch=4, steps=8)
    exact = evaluate_codes(model, codes).numpy()
    model.train()
    trained = model(torch.from_numpy(codes / full_scale(bits)).float()).detach().numpy()
    assert np.mean(np.abs(exact - trained) > 1e-6) < 0.02


def test_verify_reports_the_first_difference():
    rng = np.random.default_rng(5)
    layer = LstmLayer(inputs=3, hidden=4, adcs=4)
    network = random_network(Design("one", (layer,)), rng)
    data = network.layers[0]
    tables = data.tables.copy()
    tables[1] = (tables[1] + 1) % 256  # every input gate is off by one
    other = Network(network.design, (replace(data, tables=tables),))
    codes, lengths = random_inputs(network.design, rng, batch=2, steps=3)
    report = verify(DesignNetwork.from_network(other), codes, lengths, network)
    assert report.mismatches > 0
    assert (report.first.layer, report.first.step, report.first.stage) == (0, 0, "gate activation")
    assert report.first.unit // 4 == 1
    assert (report.first.expected + 1) % 256 == report.first.got
    assert f"{report.mismatches} differ; first: layer 0, sequence 0, step 0, unit" in str(report)
    assert report.integers == int(lengths.sum()) * (16 + 16 + 4 + 4)


@pytest.mark.parametrize("bits", range(1, 17))
def test_symmetric_codes_in_torch_are_the_models(bits):
    values = np.random.default_rng(bits).uniform(-1.3, 1.3, 1000)
    ties = (np.arange(-5, 5) + 0.5) / full_scale(bits)
    values = np.concatenate([values, ties, [0.0, -0.0, 1.0, -1.0]])
    assert np.array_equal(symmetric_code(torch.from_numpy(values), bits).numpy(), quantise_symmetric(values, bits))


def test_float_parts_cannot_be_exported():
    design = Design.load("vowels")
    with pytest.raises(DesignError, match=r"^a layer whose weights are float cannot be exported$"):
        DesignNetwork(design, floating=True).export()
    with pytest.raises(DesignError, match=r"^a float network has no DAC codes to evaluate$"):
        evaluate_codes(DesignNetwork(design, floating=True), np.zeros((1, 1, 12), dtype=np.int64))


def test_a_loaded_network_cannot_be_trained():
    rng = np.random.default_rng(0)
    network = random_network(random_design(rng, layers=1), rng)
    model = DesignNetwork.from_network(network).train()
    with pytest.raises(DesignError, match=r"^a layer that holds the integers of a network can only be evaluated$"):
        model(torch.zeros(1, 1, network.design.layers[0].inputs))


def test_export_carries_the_hosts_data():
    model = DesignNetwork(Design.load("vowels"))
    network = model.export(input_scale=range(12), input_offset=range(12), labels="abcdefghi")
    assert network.input_scale == tuple(map(float, range(12)))
    assert network.labels == tuple("abcdefghi")
    assert isinstance(network.design.layers[1], DenseLayer)


def random_model(design: Design, seed: int) -> DesignNetwork:
    model = DesignNetwork(design)
    generator = torch.Generator().manual_seed(seed % 2**31)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model

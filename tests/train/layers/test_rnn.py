"""Simple recurrent layers in training: nn.RNN in float, the reference's integers in evaluation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, RnnLayer
from ohmgate.model.reference import run
from ohmgate.sim.random_designs import perhaps_directed
from ohmgate.train.export.description import export
from ohmgate.train.export.verify import verify
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.rnn import RnnArray
from ohmgate.train.layers.whole_model import set_noise
from ohmgate.train.network import DesignNetwork
from tests.designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network, seeds

RNN = RnnLayer(inputs=5, hidden=7, adcs=7)
HEAD = DenseLayer(inputs=7, outputs=3, adcs=3, adc_bits=8, output="codes", emit="end")
FLOATS = QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)


def float_pair(function: str) -> tuple[RnnArray, nn.RNN]:
    """An array without quantisers, and PyTorch's layer of the same weights, in float64."""
    torch.manual_seed(1)
    theirs = nn.RNN(5, 7, nonlinearity=function).double()
    ours = RnnArray(5, 7, FLOATS, function=function).double()
    with torch.no_grad():
        bias = theirs.bias_ih_l0 + theirs.bias_hh_l0
        ours.cells.copy_(torch.cat([theirs.weight_ih_l0.T, theirs.weight_hh_l0.T, bias[None]]))
    return ours, theirs


@pytest.mark.parametrize("function", ["tanh", "relu"])
@pytest.mark.parametrize("with_state", [False, True])
def test_without_quantisers_it_is_pytorchs(function, with_state):
    ours, theirs = float_pair(function)
    x = torch.rand(9, 4, 5, dtype=torch.float64, requires_grad=True)
    state = torch.rand(4, 7, dtype=torch.float64) if with_state else None
    out, last = ours(x, state)
    expected, end = theirs(x, None if state is None else state[None])
    assert (out - expected).abs().max() < 1e-12
    assert (last[-1] - end[0]).abs().max() < 1e-12
    weights = torch.rand(9, 4, 7, dtype=torch.float64)
    (grad,) = torch.autograd.grad((out * weights).sum(), ours.cells)
    grads = torch.autograd.grad(
        (expected * weights).sum(), [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0]
    )
    assert (grad - torch.cat([grads[0].T, grads[1].T, grads[2][None]])).abs().max() < 1e-12


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_evaluation_has_the_references_integers(seed):
    """Among other layers, in tiles, and in reverse."""
    rng = np.random.default_rng(seed)
    design = perhaps_simple(random_design(rng), rng)
    if seed % 3 == 0:
        design = perhaps_directed(design, rng, 5)
    network = random_network(perhaps_tiled(design, rng), rng)
    codes, lengths = random_inputs(network.design, rng)
    report = verify(DesignNetwork.from_network(network), codes, lengths, network)
    assert report.integers > 0
    assert report.mismatches == 0, str(report)


@pytest.mark.parametrize("fields", [{}, {"input_dac_bits": 6, "input_drive": 3}, {"dac_bits": 1}, {"tile_rows": 5}])
def test_what_is_trained_is_exported(fields):
    torch.manual_seed(2)
    first = replace(RNN, **fields)
    design = Design("trained", (first, replace(HEAD, dac_bits=first.output_bits)))
    model = DesignNetwork(design)
    x = torch.rand(20, 6, 5) * 2 - 1
    model.train()(x).square().sum().backward()
    gradient = model.layers[0].cells.grad
    assert all(part.abs().sum() > 0 for part in (gradient[:5], gradient[5:12], gradient[12:]))
    network = model.eval().export()
    codes = network.encode(x.numpy())
    report = verify(model, codes, None, network)
    assert (report.mismatches, report.integers > 0) == (0, True), str(report)
    with torch.no_grad():
        out = model(x).numpy()
    assert np.allclose(out, network.decode(run(network, codes).out), atol=0, rtol=1e-12)


def test_an_array_alone_is_described():
    array = RnnArray(3, 4, QuantConfig(dac_bits=3, input_dac_bits=5, input_drive=2), function="relu")
    [layer] = export(array, adcs=2).design.layers
    assert layer == RnnLayer(inputs=3, hidden=4, adcs=2, dac_bits=3, input_dac_bits=5, input_drive=2, function="relu")


def test_cells_of_another_input_drive_are_scaled():
    one, other = (RnnArray(5, 7, replace(FLOATS, input_drive=drive)) for drive in (1, 4))
    other.load_state_dict(one.state_dict())
    x = torch.rand(6, 2, 5)
    assert torch.allclose(one(x)[0], other(x)[0], atol=1e-6)
    assert torch.allclose(4 * other.cells[:5], one.cells[:5])


@pytest.mark.parametrize("kind", ["dac", "adc", "weight"])
def test_noise_has_its_law(kind):
    """Deviation of the voltages of a first step, on which the hidden rows are not driven."""
    torch.manual_seed(3)
    array = RnnArray(5, 7, QuantConfig(input_drive=3)).eval()
    seen = []
    array.recorder = lambda module, codes, trace: seen.append(trace.voltage.detach().double())
    x = torch.ones(2, 4000, 5)
    array(x)
    noise = Noise(weight=0.05, redraw="per_step") if kind == "weight" else Noise(**{kind: 0.3})
    set_noise(array, evaluate=noise, seed=4)
    array(x)
    array.recorder = None
    set_noise(array)
    prepared = array.prepare(1)
    drive = torch.tensor([3.0] * 5 + [0.0] * 7 + [1.0], dtype=torch.float64)  # of a row, over its code
    law = {
        "adc": torch.full((7,), 0.3, dtype=torch.float64),
        "dac": 0.3 * (prepared.weights.double() * drive[:, None]).square().sum(0).sqrt(),
        "weight": prepared.gain.double() * 0.05 * 2 * 7 * (7 * drive).square().sum().sqrt(),  # of the range 2 L
    }[kind]
    spread = (seen[1][0] - seen[0][0]).std(0)
    assert torch.allclose(spread, law.expand(7), rtol=0.05)
    assert abs(seen[1][0] - seen[0][0]).min() > 0
    assert (seen[1][1] - seen[0][1]).std(0).min() > spread.min()


def test_an_initial_state_must_be_finite():
    array = RnnArray(2, 3, QuantConfig())
    with pytest.raises(DesignError, match=r"^the initial state must be finite numbers, but some are not$"):
        array(torch.zeros(1, 1, 2), torch.full((1, 3), float("nan")))
    with pytest.raises(DesignError, match=r"^function must be one of identity, relu, tanh, not 'sine'$"):
        RnnArray(2, 3, QuantConfig(), function="sine")

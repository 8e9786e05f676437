"""Training for nonlinear cells sees the array model's voltages; evaluations stay linear."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.studies import montecarlo
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import logical_order
from ohmgate.train.data.datasets import vowels
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.curve import bend_of
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import set_curve
from ohmgate.train.network import DesignNetwork
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train
from tests.analog.arrays import IDEAL

CURVE = 3.0
BENT = ArrayConfig(cells=Cells(device=replace(IDEAL, sinh_voltage=IDEAL.read_voltage / CURVE)))


def design(**lstm) -> Design:
    layers = (LstmLayer(inputs=5, hidden=8, adcs=8, **lstm), DenseLayer(inputs=8, outputs=3, adcs=3, output="codes"))
    return Design("bent", layers)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("lstm", [{}, {"input_drive": 3}, {"input_dac_bits": 6, "bias_rows": 2}])
def test_voltages_of_training_are_those_of_the_array_model(lstm, fast):
    """In all rows: inputs, hidden, bias, of one reference voltage and of two. Levels there are rounded to 2^-12."""
    torch.manual_seed(1)
    model = DesignNetwork(design(**lstm), fast=fast).train()
    with torch.no_grad():
        model.layers[0].cells *= 4  # so that hidden codes are not all small
    set_curve(model, CURVE)
    seen = []
    for layer in model.layers:
        layer.recorder = lambda array, codes, trace: seen.append(trace)
    top = 2 ** (model.design.layers[0].input_bits - 1) - 1
    codes = torch.randint(-top, top + 1, (6, 20, 5))
    model(codes.transpose(0, 1) / top)
    lstm_trace, head = seen
    first, second = build_arrays(model.export(), BENT)
    hidden = lstm_trace.hidden.detach().numpy().astype(int)
    assert np.abs(hidden).max() >= 3
    for step in range(6):
        before = hidden[step - 1] if step else np.zeros_like(hidden[0])
        bias = np.full((20, model.design.layers[0].bias_rows), 7)
        for array, rows, trace in (
            (first, np.hstack([codes[step].numpy(), before, bias]), lstm_trace),
            (second, np.hstack([hidden[step], bias[:, :1]]), head),
        ):
            volts = array.analog(rows)[:, logical_order(array.layer)]
            assert trace.voltage[step].detach().numpy() == pytest.approx(volts, abs=0.01)
            linear = rows @ array.effective()[:, logical_order(array.layer)]
            assert np.abs(linear * array.scale[logical_order(array.layer)] - volts).max() > 0.1


def test_evaluations_are_linear():
    torch.manual_seed(2)
    model, inputs = DesignNetwork(design()), torch.rand(4, 6, 5) * 2 - 1
    plain = model.eval()(inputs)
    set_curve(model, CURVE)
    assert torch.equal(model.eval()(inputs), plain)
    assert not torch.equal(model.train()(inputs), plain.float())
    set_curve(model, 0)
    assert torch.equal(model.train()(inputs), plain.float())


def test_who_asks_for_the_kernel_gets_bent_rows_too():
    outputs = []
    for fast in (False, True):
        torch.manual_seed(4)
        model = DesignNetwork(design(), fast=fast).train()
        with torch.no_grad():
            model.layers[0].cells *= 4
        inputs = torch.rand(50, 6, 5, generator=torch.Generator().manual_seed(5)) * 2 - 1
        linear = model(inputs)
        set_curve(model, CURVE)
        outputs.append(model(inputs))
        assert not torch.equal(outputs[-1], linear)
    assert torch.equal(*outputs)


def test_full_scale_stays_and_half_is_as_the_law_has_it():
    bent = bend_of(2.0, 7)
    assert bent(torch.tensor([7.0, -7.0, 0.0])).tolist() == pytest.approx([7, -7, 0])
    assert float(bent(torch.tensor(3.5))) == pytest.approx(7 * math.sinh(1) / math.sinh(2))
    assert torch.autograd.gradcheck(bent, torch.linspace(-7, 7, 9, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("kind", ["lstm", "linear"])
def test_weight_noise_per_step_is_that_of_bent_rows(kind):
    torch.manual_seed(3)
    config = QuantConfig(adc_bits=16, adc_range=64.0)
    array = LstmArray(6, 30, config) if kind == "lstm" else LinearArray(6, 120, config)
    array.train_noise, seen = Noise(weight=0.1, redraw="per_step"), []
    array.recorder = lambda array, codes, trace: seen.append(trace.voltage.detach())
    set_curve(array, 4.0)
    inputs = torch.full((1, 500, 6), 3 / 7)
    array.train()(inputs)
    array.train_noise = Noise()
    array(inputs)
    gain = array.converter(array.alpha()).gain[0]
    level = 7 * math.sinh(12 / 7) / math.sinh(4)
    expected = 0.1 * 14 * gain * math.sqrt(6 * level**2 + 49)
    assert float((seen[0] - seen[1]).std()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("curve", [-1, 51, math.nan])
def test_curves_that_are_none(curve):
    with pytest.raises(DesignError, match="^curve, the read voltage over V0, must be a number from 0 to 50, not "):
        set_curve(LinearArray(2, 2, QuantConfig()), curve)


@pytest.mark.full
def test_vowels_trained_for_its_curve_keeps_its_accuracy_on_nonlinear_cells():
    """At 2 V0: 89 to 91 % without."""
    dataset = vowels()
    network = train(Design.load("vowels"), dataset, replace(PROTOCOLS["vowels"], curve=2.0)).network
    device = replace(IDEAL, sinh_voltage=IDEAL.read_voltage / 2)
    test = dataset.test
    study = montecarlo.Study(
        network, network.encode(test.features), test.lengths, test.labels, ArrayConfig(cells=Cells(device=device))
    )
    assert montecarlo.run(study, 1)[0].score > 0.95

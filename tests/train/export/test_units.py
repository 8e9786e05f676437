"""Numbers with their units: what a model gives, its description, its image and what is made of them give too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ohmgate.firmware import image
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.calibrate import calibrate
from ohmgate.train.export import export
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.network import DesignNetwork, evaluate_codes
from tests.designs import seeds


class Forecaster(nn.Module):
    """LSTM layers, and a head on every step if ``outputs`` is not 0."""

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int = 1, **fields) -> None:
        super().__init__()
        self.lstm = QuantLSTM(inputs, hidden, layers, batch_first=True, **fields)
        self.head = QuantLinear(hidden, outputs, **fields) if outputs else None

    def forward(self, x):
        hidden = self.lstm(x)[0]
        return hidden if self.head is None else self.head(hidden)


def series(hours: int) -> np.ndarray:
    """A load in MW: a day, a week and some chance, between 3 and 7."""
    t = np.arange(hours)
    rng = np.random.default_rng(0)
    return 5 + 1.2 * np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(2 * np.pi * t / 168) + 0.1 * rng.normal(size=hours)


def test_a_forecast_in_engineering_units_is_the_models_from_the_image_too():
    """LSTM 8, Linear 1: what the model, the reference, the image and what is loaded from it say of the next hour."""
    torch.manual_seed(0)
    load = series(240)
    mean, deviation = load.mean(), load.std()
    windows = np.lib.stride_tricks.sliding_window_view(load, 25)[:, :, None]
    past = torch.from_numpy((windows[:, :-1] - mean) / deviation).float()
    target = torch.from_numpy((windows[:, 1:] - mean) / deviation).float()
    model = Forecaster(1, 8, 1, weight_bits=6, dac_bits=6, adc_bits=8, learn_range=True)
    calibrate(model, lambda: model(past))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(70):
        if step == 50:
            calibrate(model, lambda: model(past))  # the head's range is another one by now
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(past[step % 4 :: 4]), target[step % 4 :: 4]).backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        expected = model(past).double().numpy() * deviation + mean
    host = {"input_scale": 1 / deviation, "input_offset": -mean / deviation}
    network = export(model, past[:4], name="load", **host, output_scale=deviation, output_offset=mean)
    network = image.unpack(image.pack(network))
    codes = network.encode(windows[:, :-1])
    out = reference.run(network, codes).out
    found = network.decode(out)
    step_mw = network.output_scale[0]
    assert found == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(np.rint((expected - mean) / step_mw - 0.5), out)  # to the last code
    loaded = evaluate_codes(DesignNetwork.from_network(network), codes).numpy()
    assert np.array_equal(loaded, found)
    error = np.sqrt(np.mean((found - windows[:, 1:])[:, 12:] ** 2))
    assert error < 0.35 < deviation  # MW
    nominal = (out + 0.5) * network.design.layers[-1].adc_step * deviation + mean
    assert np.abs(nominal - expected).max() > 1  # what the nominal step would have made of it


def random_forecaster(rng: np.random.Generator) -> tuple[Forecaster, torch.Tensor]:
    """A model and inputs (B, T, m) that it is calibrated on, beyond -1 to 1 by chance."""
    torch.manual_seed(int(rng.integers(2**31)))
    fields = {
        "weight_bits": int(rng.integers(1, 9)), "dac_bits": int(rng.integers(1, 9)),
        "adc_bits": int(rng.integers(1, 9)), "bias_rows": int(rng.integers(0, 3)),
        "quantiser": str(rng.choice(["absmax", "sawb", "lsq"])), "per_gate": bool(rng.integers(2)),
        "learn_range": bool(rng.integers(2)), "input_drive": int(rng.integers(1, 4)),
        "input_dac_bits": int(rng.integers(0, 9)),
    }  # fmt: skip
    inputs, hidden, outputs = (int(v) for v in rng.integers(1, 6, 3))
    if rng.random() < 0.3:
        outputs, fields = 0, fields | {"output": str(rng.choice(["codes", "value"]))}
    model = Forecaster(inputs, hidden, outputs, int(rng.integers(1, 3)), **fields)
    with torch.no_grad():
        for array in model.modules():
            if hasattr(array, "cells"):
                array.cells.mul_(float(rng.uniform(0.5, 4)))
                array.start_ranges()
    x = torch.randn(6, 5, inputs) * float(rng.uniform(0.3, 9))
    if rng.integers(4):
        calibrate(model, lambda: model(x))
    model = model.double() if rng.integers(2) else model
    return model.eval(), x


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_description_has_the_models_values_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    model, x = random_forecaster(rng)
    with torch.no_grad():
        expected = model(x)
    network = image.unpack(image.pack(export(model, x)))
    assert network == export(model, x)
    codes = network.encode(x.double().numpy())
    found = evaluate_codes(DesignNetwork.from_network(network), codes)
    assert torch.equal(found.to(expected.dtype), expected)
    decoded = torch.from_numpy(network.decode(reference.run(network, codes).out))
    if model.head is None:  # hidden codes over L, where decoding multiplies with 1/L
        assert torch.equal(decoded.float(), expected.float())
    else:
        assert torch.equal(decoded.to(expected.dtype), expected)


@pytest.mark.parametrize("output", ["codes", "table", "argmax"])
@pytest.mark.parametrize("learn_range", [False, True])
def test_a_design_keeps_its_heads_step_and_its_full_scale(output, learn_range):
    torch.manual_seed(1)
    head = DenseLayer(inputs=4, outputs=3, adcs=1, adc_bits=7, output=output, emit="end")
    design = Design("one", (LstmLayer(inputs=2, hidden=4, adcs=4), head))
    model = DesignNetwork(design, learn_range=learn_range).eval()
    x = torch.randn(8, 6, 2) * 3
    calibrate(model, lambda: model(x))
    network = image.unpack(image.pack(model.export()))
    assert network.input_scale == (1 / float(model.layers[0].full_scale),) * 2
    assert network.input_scale[0] < 1
    step = float(model.layers[1].real_steps()[0])
    assert network.output_scale == ((step,) * 3 if output == "codes" else ())
    assert step != head.adc_step
    codes = network.encode(x.double().numpy())
    assert torch.equal(evaluate_codes(model, codes), model(x))
    loaded = DesignNetwork.from_network(network)
    found = evaluate_codes(loaded, codes)
    if output == "argmax":  # whose unit no image has: in ADC steps
        assert torch.equal(found, torch.from_numpy(reference.run(network, codes).layers[1].adc[:, -1] + 0.5).float())
    else:
        assert torch.equal(found.double(), model(x).double())
    assert loaded.export().output_scale == network.output_scale


def test_only_a_head_at_its_nominal_step_has_no_scale():
    """Weights of exactly 1, and an ADC whose gain is a power of two: nothing is rounded."""
    head = QuantLinear(1, 2, bias=False, adc_range=3.5)
    with torch.no_grad():
        head.cells.copy_(torch.tensor([[1.0, -1.0]]))
    assert float(head.real_steps()[0]) != head.config.adc_range / 8  # 1/49 is no gain
    assert export(head).output_scale == (float(head.real_steps()[0]),) * 2
    exact = QuantLinear(1, 2, bias=False, weight_bits=1, dac_bits=1, adc_range=4.0)
    with torch.no_grad():
        exact.cells.copy_(torch.tensor([[1.0, -1.0]]))
    network = export(exact)
    assert float(exact.real_steps()[0]) == network.design.layers[0].adc_step == 0.5
    assert network.output_scale == ()
    assert network.decode(np.array([[2, -2]])).tolist() == [[1.25, -0.75]] == exact.eval()(torch.ones(1, 1)).tolist()


def test_inputs_on_a_rounding_edge_are_encoded_as_the_model_does():
    """Measurements in steps of a half, a full scale of 7 times 3: many are exactly between two codes."""
    head = QuantLinear(1, 4, bias=False, adc_bits=8)
    with torch.no_grad():
        head.full_scale.fill_(21.0)
    x = torch.arange(-21, 21.5, 0.5)[:, None]
    network = export(head)
    seen = []
    head.recorder = lambda array, codes, trace: seen.append(codes)
    head.eval()(x)
    assert np.array_equal(seen[0].numpy().reshape(-1, 1), network.encode(x.numpy()))


@pytest.mark.parametrize("outputs", [3, 0])
def test_units_of_the_host_lie_between_its_numbers_and_the_models(outputs):
    torch.manual_seed(2)
    model = Forecaster(2, 4, outputs, adc_bits=8, dac_bits=8).eval()
    mean, deviation = np.array([20.0, 1000.0]), np.array([5.0, 30.0])
    measured = np.random.default_rng(0).normal(size=(4, 5, 2)) * deviation + mean
    normal = torch.from_numpy((measured - mean) / deviation).float()
    calibrate(model, lambda: model(normal))
    host = {"input_scale": 1 / deviation, "input_offset": -mean / deviation, "output_scale": 5, "output_offset": 20}
    network = export(model, normal, **host)
    assert network == export(model, normal).in_units(**host)
    codes = network.encode(measured)
    assert np.array_equal(codes, export(model, normal).encode(normal.numpy()))
    values = network.decode(reference.run(network, codes).out)
    assert values == pytest.approx(model(normal).detach().numpy() * 5 + 20)
    found = evaluate_codes(DesignNetwork.from_network(image.unpack(image.pack(network))), codes)
    assert found.numpy() == pytest.approx(values)


def test_a_scale_of_the_host_keeps_the_calibrated_full_scale():
    """A full scale of 3.7 deviations: raw numbers become codes of raw / deviation / 3.7."""
    torch.manual_seed(0)
    model = Forecaster(2, 4, 3, dac_bits=6).eval()
    deviation = np.array([5.0, 30.0])
    normal = np.full((4, 5, 2), 3.7)
    calibrate(model, lambda: model(torch.from_numpy(normal).float()))
    assert float(model.lstm.arrays[0].full_scale) == pytest.approx(3.7)
    raw = np.random.default_rng(0).normal(size=(40, 5, 2)) * 2 * deviation
    expected = np.clip(np.floor(raw / deviation / 3.7 * 31 + 0.5), -31, 31)
    assert np.array_equal(export(model, torch.randn(4, 5, 2), input_scale=1 / deviation).encode(raw), expected)


def test_a_loaded_layer_alone_gives_adc_steps():
    head = QuantLinear(2, 3)
    head.load_data(head.layer_data())
    assert export(head).output_scale == (1.0,) * 3
    codes = np.array([[3, -5]])
    expected = reference.run(export(head), codes[:, None]).out[:, 0] + 0.5
    assert head.eval()(torch.tensor(codes / 7)).numpy() == pytest.approx(expected)


def test_constant_tables_keep_the_nominal_step():
    head = QuantLinear(2, 3, config=QuantConfig(tables="constant"))
    assert export(head).output_scale == ()

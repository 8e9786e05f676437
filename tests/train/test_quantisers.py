"""Quantisers find the ranges that the literature gives, and learned ones train."""

import math

import pytest
import torch
from scipy import stats

from ohmgate.train.modules import QuantLinear, QuantLSTM
from ohmgate.train.quantisers import PERCENTILE, QUANTISERS, SAWB, weight_range
from ohmgate.train.straight_through import symmetric_code


@pytest.mark.parametrize("method", QUANTISERS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12])
def test_ranges_are_positive_and_within_the_weights(method, bits):
    weights = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [0.01]])
    alpha = weight_range(weights, method, bits)
    assert alpha.shape == (2,)
    assert (alpha > 0).all()
    assert (alpha <= weights.abs().amax(1)).all()
    assert alpha[0] / alpha[1] == pytest.approx(100, rel=0.3)


def test_a_percentile_of_many_weights():
    """torch.quantile takes 16 million at most."""
    weights = torch.arange(17_000_001, dtype=torch.float32)[None]
    assert float(weight_range(weights, "percentile", 4)) == pytest.approx(PERCENTILE * 17e6, rel=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_sawb_is_near_the_least_squared_error(bits):
    weights = torch.from_numpy(stats.norm.ppf((torch.arange(20001).numpy() + 0.5) / 20001))

    def error(alpha):
        return float(
            (symmetric_code(weights / alpha, bits) * alpha / max(1, 2 ** (bits - 1) - 1) - weights).square().mean()
        )

    best = min(error(a) for a in torch.linspace(0.3, 4, 200))
    assert error(weight_range(weights[None], "sawb", bits)[0]) < 1.03 * best
    assert set(SAWB) == set(range(1, 9))


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 16])
def test_sawb_reckons_with_weight_noise(bits, noise):
    """Near the least error of normal weights as programmed, with noise drawn: nearer than without reckoning."""
    generator = torch.Generator().manual_seed(bits)
    weights, drawn = torch.randn(2, 200_000, dtype=torch.float64, generator=generator)

    def error(alpha):
        top = max(1, 2 ** (bits - 1) - 1)
        programmed = symmetric_code(weights / alpha, bits) + drawn * noise * 2 * top
        return float((programmed * alpha / top - weights).square().mean())

    best = min(error(a) for a in torch.linspace(0.3, 4, 200))
    reckoned, blind = (error(weight_range(weights[None], "sawb", bits, n)[0]) for n in (noise, 0.0))
    assert reckoned < 1.01 * best
    assert blind > reckoned
    assert noise < 0.2 or blind > (1.02 if bits == 1 else 1.15) * best


def test_the_range_of_a_layer_reckons_with_its_noise():
    layer = QuantLinear(40, 30, weight_bits=2, quantiser="sawb", range_noise=0.2)
    with torch.no_grad():
        layer.cells.normal_(generator=torch.Generator().manual_seed(0))
    cells = layer.cells.detach().flatten()[None]
    assert layer.alpha() == weight_range(cells, "sawb", 2, 0.2)
    assert layer.alpha() < 0.8 * weight_range(cells, "sawb", 2)


def test_learned_ranges_have_the_papers_gradients():
    """LSQ: (code - w L / alpha) / L inside, +-1 outside; PACT: +-1 outside only. Against the output's gradient."""
    for method in ("lsq", "pact"):
        layer = QuantLinear(1, 3, bias=False, weight_bits=3, dac_bits=8, adc_bits=32, quantiser=method)
        with torch.no_grad():
            layer.cells.copy_(torch.tensor([[0.2, -0.5, 1.4]]))
            layer.log_alpha.copy_(torch.tensor([0.9]).log())
        layer(torch.ones(1, 1)).sum().backward()
        inside = [round(w / 0.9 * 3) / 3 - w / 0.9 for w in (0.2, -0.5)] if method == "lsq" else [0.0, 0.0]
        factor = (3 * 3) ** -0.5
        expected = (sum(inside) + 1.0) * factor * 0.9  # the parameter is the logarithm
        assert float(layer.log_alpha.grad) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_a_learned_adc_range_has_the_gradient_of_its_rounding_error(quantiser, bits):
    layer = QuantLinear(
        1, 2, bias=False, weight_bits=bits, dac_bits=8, adc_bits=3, adc_range=1.0, quantiser=quantiser,
        learn_range=True,
    )  # fmt: skip
    with torch.no_grad():
        layer.cells.copy_(torch.tensor([[0.3, 4.0]]))  # the second clips
        if hasattr(layer, "log_alpha"):
            layer.log_alpha.fill_(math.log(4.0))
    out = layer(torch.ones(1, 1))
    out.sum().backward()
    step = 0.25
    codes = layer(torch.ones(1, 1)).detach()[0] / step - 0.5
    inside = float(codes[0]) + 0.5 - 0.3 / step
    assert float(codes[1]) == pytest.approx(3, abs=0.05)
    assert float(layer.log_step.grad) == pytest.approx((inside + 3.5) * step, rel=0.05)


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_every_quantiser_trains(quantiser):
    torch.manual_seed(0)
    module = QuantLSTM(3, 8, weight_bits=2, quantiser=quantiser, per_gate=True, learn_range=True)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    x = torch.rand(6, 32, 3) * 2 - 1
    goal = x.mean(0).sum(1) / 3
    losses = []
    for _ in range(60):
        loss = (module(x)[0][-1].mean(1) - goal).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]

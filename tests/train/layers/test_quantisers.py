"""Quantisers find the ranges that the literature gives, and learned ones train."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.quantisers import QUANTISERS, noisy_sawb, weight_range
from ohmgate.train.layers.straight_through import symmetric_code
from tests.train import oracle

#: of sawb by bits; networks are trained with them, so a change is another quantiser
MOMENTS = {1: (0.0, -1.0), 2: (2.546, 1.628), 3: (6.923, 6.283), 4: (11.805, 11.838)}
LAWS = {"normal": stats.norm, "uniform": stats.uniform(-1, 2), "laplace": stats.laplace, "logistic": stats.logistic}


@pytest.mark.parametrize("bits", MOMENTS)
def test_ranges_are_those_of_their_definitions(bits):
    """Each group by itself, of 1,000 weights whose magnitudes are 1 to 1000 and a hundredth of it, in any order."""
    rng = np.random.default_rng(bits)
    size = rng.permutation(np.arange(1.0, 1001.0)) * rng.choice([-1, 1], 1000)
    weights = torch.from_numpy(np.stack([size, rng.permutation(size) / 100]))

    def alpha(method):
        return weight_range(weights, method, bits).tolist()

    assert alpha("absmax") == [1000, 10]
    assert alpha("percentile") == pytest.approx([995.005, 9.95005])  # rank 0.995 * 999 = 994.005 from 0
    assert alpha("percentile") == pytest.approx([oracle.percentile_range(group) for group in weights.numpy()])
    c1, c2 = MOMENTS[bits]
    moments = c1 * np.sqrt(1001 * 2001 / 6) - c2 * 500.5
    for method in ("sawb", "lsq", "pact"):
        assert alpha(method) == pytest.approx([moments, moments / 100])
    assert weight_range(torch.zeros(3, 5), "absmax", bits).tolist() == pytest.approx([1e-8] * 3)


def test_a_range_that_moments_do_not_give_is_the_largest_weight():
    """One weight among many zeros, whose moments give more; weights all alike, whose moments give less than nothing."""
    for weights in (torch.eye(100)[:1], torch.ones(1, 100)):
        assert weight_range(weights, "sawb", 4).tolist() == [1]
        assert weight_range(weights, "sawb", 8).tolist() == [1], "of least error, which is none"


@pytest.mark.parametrize("bits", [5, 6, 7, 8])
@pytest.mark.parametrize("law", [*LAWS, "fresh head"])
def test_from_five_bits_on_a_range_has_the_least_squared_error(law, bits):
    """... of all ranges, and clips as few, and no more than at a bit less; a fresh head has 33 rows and 4 columns."""
    rng = np.random.default_rng(bits)
    head = law == "fresh head"
    weights = rng.uniform(-1, 1, 132) / 32**0.5 if head else LAWS[law].rvs(size=8000, random_state=rng)
    best, found, coarse = (
        oracle.least_error_range(weights, bits),
        *(float(weight_range(torch.from_numpy(weights)[None], "sawb", each)) for each in (bits, bits - 1)),
    )
    allowed = 1.25 if head else 1.05  # where the largest weights fall in their steps is luck
    assert oracle.squared_error(weights, found, bits) <= allowed * oracle.squared_error(weights, best, bits)
    largest = oracle.squared_error(weights, np.abs(weights).max(), bits)
    assert oracle.squared_error(weights, found, bits) <= largest * (1 + 1e-9)
    assert oracle.squared_error(weights, found, bits) < oracle.squared_error(weights, coarse, bits - 1)
    clipped = [float((np.abs(weights) > alpha).mean()) for alpha in (found, best)]
    assert clipped[0] == pytest.approx(clipped[1], abs=0.015 if head else 0.007)
    for quantiser in ("lsq", "pact"):
        assert float(weight_range(torch.from_numpy(weights)[None], quantiser, bits)) == found


def test_a_range_of_least_error_is_that_of_each_group():
    """Whatever its size, and whatever the other groups take to come to an end."""
    groups = torch.stack([torch.randn(999), torch.rand(999) / 1000, torch.ones(999), torch.zeros(999)])
    alone = [float(weight_range(group[None], "sawb", 7)) for group in groups]
    assert weight_range(groups, "sawb", 7).tolist() == pytest.approx(alone, rel=1e-6)
    assert alone[2:] == pytest.approx([1, 1e-8])


def test_a_percentile_of_many_weights():
    """torch.quantile takes 16 million at most."""
    weights = torch.arange(17_000_001, dtype=torch.float32)[None]
    assert float(weight_range(weights, "percentile", 4)) == pytest.approx(16_915_000, rel=1e-6)


@pytest.mark.parametrize("law", [stats.norm, stats.logistic], ids=["normal", "logistic"])
@pytest.mark.parametrize("bits", range(1, 5))
def test_sawb_is_near_the_least_squared_error(bits, law):
    weights = torch.from_numpy(law.ppf((torch.arange(5001).numpy() + 0.5) / 5001))

    def error(alpha):
        return float(
            (symmetric_code(weights / alpha, bits) * alpha / max(1, 2 ** (bits - 1) - 1) - weights).square().mean()
        )

    best = min(error(a) for a in torch.linspace(0.3, float(weights.max()), 300))
    assert error(weight_range(weights[None], "sawb", bits)[0]) < 1.05 * best


@pytest.mark.parametrize("bits, noise", [(1, 0.2), (2, 0.1), (4, 0.05)])
def test_noisy_coefficients_are_a_fit_over_six_laws(bits, noise):
    """Against another fit: ranges of weights of power 1 whose mean magnitude is 0.7 (Laplace) to 0.87 (uniform)."""
    c1, c2 = noisy_sawb(bits, noise)
    d1, d2 = oracle.fitted_moments(bits, noise)
    for mean in (0.7, 0.78, 0.87):
        assert c1 - c2 * mean == pytest.approx(d1 - d2 * mean, abs=0.015)


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

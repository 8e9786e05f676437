"""FGSM and PGD on a linear model, where the worst image within epsilon is a closed form."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ohmgate.model.formats import DesignError
from ohmgate.train.experiments.attacks import fgsm, pgd, slopes
from ohmgate.train.layers.modules import QuantLinear


class Linear(nn.Module):
    """Two classes, whose logits differ by w x."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(pixels, generator=torch.Generator().manual_seed(1)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logit = images.flatten(1) @ self.weight
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(2)
    model = Linear(12)
    return model, torch.rand(8, 1, 3, 4, generator=generator), torch.arange(8) % 2


def worst(model: Linear, values: torch.Tensor, labels: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Every pixel at that end of what it may be which is against its class."""
    against = model.weight.sign().view(1, 1, 3, 4) * (1 - 2 * labels).view(-1, 1, 1, 1)
    return torch.where(against > 0, (values + epsilon).clamp_max(1), (values - epsilon).clamp_min(0))


def losses(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(model(images), labels, reduction="none").detach()


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3, 1.0])
def test_on_a_linear_model_both_reach_the_worst_vertex(given, epsilon):
    model, values, labels = given
    wanted = worst(model, values, labels, epsilon)
    torch.testing.assert_close(fgsm(model, values, labels, epsilon), wanted)
    for generator in (None, torch.Generator().manual_seed(0)):
        found = pgd(model, values, labels, epsilon, steps=20, rate=0.125, generator=generator)
        torch.testing.assert_close(found, wanted)


def test_fgsm_raises_the_margin_by_epsilon_times_the_weights_size(given):
    """Where no pixel meets 0 or 1: |w|_1 epsilon against the class, and the loss is log(1 + e^-margin)."""
    model, values, labels = given
    values = 0.4 + 0.2 * values
    side = 2 * labels - 1
    margin = side * (values.flatten(1) @ model.weight) - 0.1 * model.weight.abs().sum()
    found = losses(model, fgsm(model, values, labels, 0.1), labels)
    torch.testing.assert_close(found, torch.log1p(torch.exp(-margin)).detach())


def test_pgd_stays_in_the_ball_and_takes_steps_of_its_rate(given):
    model, values, labels = given
    values = 0.4 + 0.2 * values
    once = pgd(model, values, labels, 0.2, steps=1, rate=0.25)
    torch.testing.assert_close((once - values).abs(), torch.full_like(values, 0.05))
    begun = pgd(model, values, labels, 0.2, steps=1, rate=0.0, generator=torch.Generator().manual_seed(3))
    away = (begun - values) / 0.2
    assert away.abs().max() <= 1
    assert away.std() == pytest.approx(3**-0.5, abs=0.08)
    assert away.mean() == pytest.approx(0, abs=0.12)
    far = pgd(model, values, labels, 0.2, steps=3, rate=50.0)
    torch.testing.assert_close((far - values).abs(), torch.full_like(values, 0.2))


def test_pgd_finds_what_one_step_misses():
    """The loss has its peak within the ball: one large step goes past it, small ones stay about it."""

    class Bent(nn.Module):
        def forward(self, images):
            logit = -(images.flatten(1)[:, 0] - 0.55).abs()
            return torch.stack([logit, torch.zeros_like(logit)], dim=1)

    values, labels = torch.full((1, 1, 1, 1), 0.5), torch.tensor([1])
    assert float(fgsm(Bent(), values, labels, 0.2)) == pytest.approx(0.7)  # past the peak, back to less
    found = float(pgd(Bent(), values, labels, 0.2, steps=21, rate=0.05))
    assert found == pytest.approx(0.55, abs=0.011)


def test_slopes_are_of_each_image_and_leave_the_model_alone(given):
    model, values, labels = given
    model.weight.grad = torch.ones(12)
    chances = torch.sigmoid(values.flatten(1) @ model.weight)
    wanted = (chances - labels)[:, None] * model.weight
    with torch.no_grad():
        found = slopes(model, values, labels)
    torch.testing.assert_close(found.flatten(1), wanted.detach())
    assert torch.equal(model.weight.grad, torch.ones(12))
    assert not values.requires_grad


def test_slopes_go_through_a_quantised_layer():
    """Straight through the roundings, as of the real weights: those of 12 bits are near."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        layer = QuantLinear(12, 2, weight_bits=12, dac_bits=8, adc_bits=12).train()
    values, labels = torch.rand(3, 12, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0])
    assert layer.bias is not None
    chances = functional.softmax(values @ layer.weight.T + layer.bias, dim=1) - functional.one_hot(labels, 2)
    torch.testing.assert_close(slopes(layer, values, labels), chances @ layer.weight, rtol=0, atol=0.003)
    assert (chances @ layer.weight).abs().max() > 0.1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda *given: fgsm(*given, -0.1), "epsilon must be a number from 0 to 1, not -0.1"),
        (lambda *given: pgd(*given, 2.0, steps=1, rate=1.0), "epsilon must be a number from 0 to 1, not 2.0"),
        (lambda *given: pgd(*given, 0.1, steps=0, rate=1.0), "steps must be an integer from 1 to 10000, not 0"),
        (lambda *given: pgd(*given, 0.1, steps=1, rate=-1.0), "rate must be a number from 0 to 100, not -1.0"),
    ],
    ids=["fgsm", "pgd", "steps", "rate"],
)
def test_what_is_no_attack_is_refused(given, call, said):
    with pytest.raises(DesignError) as caught:
        call(*given)
    assert str(caught.value) == said

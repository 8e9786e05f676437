"""Adversarial images: small changes of every pixel that raise a network's loss.

Both attacks stay within +-epsilon of each pixel and within 0 to 1. FGSM takes one step of that size along the sign of
the loss's slope (I. Goodfellow, J. Shlens, C. Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015).
PGD takes many smaller ones (A. Madry and others, "Towards deep learning models resistant to adversarial attacks",
ICLR 2018). Images made on one network often fool another, whose weights the attacker does not know: a black-box
attack.
"""

import torch
from torch import nn
from torch.nn import functional

from ...model.formats import check_integer, check_number


def fgsm(model: nn.Module, values: torch.Tensor, labels: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Images like ``values`` (B, channels, height, width) in 0 to 1, of classes ``labels`` (B,), after one step."""
    check_number("epsilon", epsilon, 0, 1)
    return (values + epsilon * slopes(model, values, labels).sign()).clamp(0, 1)


def pgd(
    model: nn.Module,
    values: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    steps: int,
    rate: float,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """As :func:`fgsm` after ``steps``, each of ``rate`` times epsilon.

    They begin anywhere in the ball if there is a ``generator``, and else at ``values``.
    """
    check_number("epsilon", epsilon, 0, 1)
    check_integer("steps", steps, 1, 10000)
    check_number("rate", rate, 0, 100)
    least, most = (values - epsilon).clamp_min(0), (values + epsilon).clamp_max(1)
    found = values
    if generator is not None:
        found = least + (most - least) * torch.rand(values.shape, generator=generator)
    for _ in range(steps):
        found = (found + rate * epsilon * slopes(model, found, labels).sign()).clamp(least, most)
    return found


def slopes(model: nn.Module, values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Of each image's cross entropy, by its pixels; the model keeps mode, weights and their gradients."""
    values = values.detach().requires_grad_()
    with torch.enable_grad():
        loss = functional.cross_entropy(model(values), labels, reduction="sum")
        return torch.autograd.grad(loss, values)[0]

"""Training of a module on images, and its votes: reads of a test set again and again, in noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.metrics import accuracy, majority
from ..data.images import Images, moved
from ..layers.noise import Noise
from ..layers.whole_model import GivenNoise, evaluating, set_noise
from .attacks import pgd

TOGETHER = 500  #: images of one pass of an evaluation


@dataclass(frozen=True)
class Descent:
    """How a stage of training goes; Adam, the rate rises over a tenth of the steps and falls to nothing."""

    epochs: int
    rate: float = 0.002
    batch: int = 100
    noiseless: float = 0.0  #: share of the batches that are trained without noise
    turn: float = 12.0  #: degrees, up to which a batch's images are turned by chance
    scale: float = 0.12  #: share by which they are larger or smaller
    shift: float = 0.08  #: share of their size by which they lie elsewhere
    mirror: bool = False  #: is every second one mirrored, left to right, by chance?
    epsilon: float = 0.0  #: adversarial training: every batch is attacked first, as :func:`hardened` says; 0: not so


def descend(
    model: nn.Module,
    data: Images,
    descent: Descent,
    seed: int,
    noise: GivenNoise | None = None,
    tell: Callable[[dict[str, float]], object] = lambda epoch: None,
) -> None:
    """Train ``model`` with ``noise``; afterwards it has none in training. The same seed gives the same weights.

    ``tell`` is called after every epoch, with its mean ``train_loss``.
    """
    generator = torch.Generator().manual_seed(seed)
    steps = len(data) // descent.batch
    optimiser = torch.optim.Adam(model.parameters(), lr=descent.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, descent.rate, total_steps=descent.epochs * steps, pct_start=0.1, cycle_momentum=False
    )
    model.train()
    for _ in range(descent.epochs):
        total = 0.0
        for rows in torch.randperm(len(data), generator=generator)[: steps * descent.batch].view(steps, -1):
            if noise is not None:
                without = float(torch.rand(1, generator=generator)) < descent.noiseless
                set_noise(model, train=Noise() if without else noise)
            ways = {"turn": descent.turn, "scale": descent.scale, "shift": descent.shift}
            values, labels = moved(data.values[rows], generator, **ways), data.labels[rows]
            if descent.mirror:
                turned = torch.rand(len(values), generator=generator) < 0.5
                values = torch.where(turned.view(-1, 1, 1, 1), values.flip(3), values)
            if descent.epsilon:
                values = hardened(model, values, labels, descent.epsilon, generator)
            loss = functional.cross_entropy(model(values), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        tell({"train_loss": total / steps})
    set_noise(model, train=Noise())


def hardened(
    model: nn.Module, values: torch.Tensor, labels: torch.Tensor, epsilon: float, generator: torch.Generator
) -> torch.Tensor:
    """Images as an attacker would have them: one step of 1.25 epsilon from a random start in the ball.

    E. Wong, L. Rice, J. Z. Kolter, "Fast is better than free: revisiting adversarial training", ICLR 2020.
    """
    return pgd(model, values, labels, epsilon, steps=1, rate=1.25, generator=generator)


def outputs_of(model: nn.Module, data: Images) -> np.ndarray:
    """(B, classes) of an evaluation."""
    with evaluating(model):
        return np.concatenate([model(values).numpy() for values in data.values.split(TOGETHER)])


def score(model: nn.Module, data: Images) -> float:
    """Accuracy of one read."""
    return accuracy(outputs_of(model, data).argmax(1), data.labels.numpy())


def voted(model: nn.Module, data: Images, counts: Sequence[int]) -> dict[str, float]:
    """Accuracy by the majority of classes and by the mean of outputs, for each number of reads: ``mean_9``."""
    outputs, labels = np.stack([outputs_of(model, data) for _ in range(max(counts))]), data.labels.numpy()
    found = {f"majority_{k}": accuracy(majority(outputs[:k].argmax(2)), labels) for k in counts}
    return found | {f"mean_{k}": accuracy(outputs[:k].mean(0).argmax(1), labels) for k in counts}

"""One pass over the training set: tensors, loss, steps of Adam, the learning rate's course."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..model.metrics import is_values
from .checkpoint import State
from .config import TrainConfig
from .data.sequences import Sequences
from .layers.noise import Noise
from .layers.whole_model import arrays_of
from .network import DesignNetwork


@dataclass(frozen=True)
class Epoch:
    """What an epoch gave, as checkpoints and ``results.json`` have it."""

    loss: float  #: mean over the training set, each batch before its step
    learning_rate: float  #: of the last step
    validation_loss: float | None = None  #: of the sequences held back, after the epoch
    validation_score: float | None = None  #: accuracy (0..1), or RMSE in the values' own units


def epochs_of(state: State) -> tuple[Epoch, ...]:
    """The epochs of a checkpoint; one of before does not tell of all."""
    return tuple(Epoch(**epoch) for epoch in state.epochs)


def best_of(epochs: Sequence[Epoch], config: TrainConfig, has_values: bool) -> int | None:
    """The number, from 0, of the epoch with the best score, of like ones the least loss; float ones do not count.

    None where no epoch was judged.
    """
    sign = 1 if has_values else -1
    judged = {
        number: (sign * epoch.validation_score, epoch.validation_loss)
        for number, epoch in enumerate(epochs)
        if epoch.validation_score is not None and epoch.validation_loss is not None and number >= config.floats
    }
    return min(judged, key=lambda number: judged[number], default=None)


def stopped_early(epochs: Sequence[Epoch], config: TrainConfig, has_values: bool) -> bool:
    """Has a run been without a better epoch for as long as its patience lasts?"""
    best = best_of(epochs, config, has_values)
    return config.patience > 0 and best is not None and len(epochs) - 1 - best >= config.patience


def class_weights(labels: torch.Tensor, config: TrainConfig) -> torch.Tensor | None:
    """(k,) what a sequence of each class counts in the loss, 1 on average; None: all the same.

    A class without any sequence has no part in it.
    """
    if config.class_weights == "none":
        return None
    counts = labels.bincount()
    return len(labels) / (counts.clamp_min(1) * (counts > 0).sum())


def tensors_of(data: Sequences, host: dict[str, list[float]]):
    """Features as the model takes them, lengths, and labels; of values, as the model gives them."""
    features = (data.features * np.array(host["input_scale"]) + host["input_offset"]).astype(np.float32)
    labels = data.labels
    if is_values(labels):
        labels = ((labels - host["output_offset"]) / host["output_scale"]).astype(np.float32)
    return torch.from_numpy(features), torch.from_numpy(data.lengths), torch.from_numpy(labels)


def run_epoch(
    model: DesignNetwork,
    optimiser,
    tensors,
    config: TrainConfig,
    epoch: int,
    weights: torch.Tensor | None = None,
    teacher: DesignNetwork | None = None,
) -> float:
    """One pass over the data; ``weights`` (k,) are those of the classes. Returns the mean loss.

    All its random numbers follow from seed and epoch, so a resumed run repeats them.
    """
    inputs, lengths, labels = tensors
    seed = config.seed * 1_000_003 + epoch
    generator = torch.Generator().manual_seed(seed)
    model.set_noise(seed=seed)
    model.train()
    order = torch.randperm(len(labels), generator=generator)
    batches = order.split(config.batch)
    total, noisy = 0.0, {array: array.train_noise for array in arrays_of(model)}
    for number, index in enumerate(batches):
        done = (epoch + number / len(batches)) / config.epochs
        quiet = int((number + 1) * config.noiseless) > int(number * config.noiseless)
        for array, noise in noisy.items():
            full = config.noise_at(done) if config.noise_ramp and not model.floating else noise
            array.train_noise = Noise() if quiet else full
        x = inputs[index, : int(lengths[index].max())]
        if config.input_noise:
            x = x + config.input_noise * torch.randn(x.shape, generator=generator)
        outputs = model(x, lengths[index])
        loss = loss_of(outputs, labels[index], lengths[index], config, weights)
        if teacher is not None:
            taught = _said(teacher, inputs[index, : x.shape[1]], lengths[index])
            loss = (1 - config.distil) * loss + config.distil * distance(outputs, taught, config.distil_temperature)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(done)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimiser.step()
        keep_in_bounds(model, config.weight_clip)
        total += float(loss.detach()) * len(index)
    for array, noise in noisy.items():
        array.train_noise = noise
    return total / len(labels)


def _said(teacher: DesignNetwork, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Outputs of a float network, without its noise of training."""
    with torch.no_grad():
        return teacher.eval()(inputs, lengths)


def distance(outputs: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback and Leibler's divergence of the softmax of ``outputs`` (B, k) from that of ``taught``, mean of the
    batch; both over ``temperature``, and times its square, so that gradients keep their size (Hinton et al., 2015).
    """
    said = functional.log_softmax(outputs / temperature, dim=1)
    wanted = functional.log_softmax(taught.to(said.dtype) / temperature, dim=1)
    return functional.kl_div(said, wanted, reduction="batchmean", log_target=True) * temperature**2


NARROWEST = 2.0**-10  #: range of inputs that may be learned


def keep_in_bounds(model: torch.nn.Module, weight_clip: float) -> None:
    """Clip each array's weights to ``weight_clip`` of their root mean square, and keep learned ranges above 0."""
    with torch.no_grad():
        for array in arrays_of(model):
            if weight_clip:
                most = weight_clip * float(array.cells.square().mean().sqrt())
                array.cells.clamp_(-most, most)
            if array.full_scale.requires_grad:
                array.full_scale.clamp_min_(NARROWEST)


def loss_of(
    outputs: torch.Tensor,
    labels: torch.Tensor,
    lengths: torch.Tensor,
    config: TrainConfig,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of classes, mean squared error of values over every step that a sequence has."""
    if not labels.is_floating_point():
        if weights is None:
            return functional.cross_entropy(outputs, labels, label_smoothing=config.label_smoothing)
        each = functional.cross_entropy(outputs, labels, label_smoothing=config.label_smoothing, reduction="none")
        return (each * weights[labels]).mean()
    if labels.dim() == 3:
        valid = torch.arange(outputs.shape[1]) < lengths[:, None]
        outputs, labels = outputs[valid], labels[:, : outputs.shape[1]][valid]
    return functional.mse_loss(outputs, labels)


def schedule(done: float) -> float:
    """Share of the highest learning rate after ``done`` (0..1) of a run: up over a fifth, down by a cosine."""
    if done < 0.2:
        return 0.04 + 0.96 * done / 0.2
    return 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))

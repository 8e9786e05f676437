"""One pass over the training set: tensors, loss, steps of Adam, the learning rate's course."""

import math

import numpy as np
import torch
from torch.nn import functional

from ..model.metrics import is_values
from .data.sequences import Sequences
from .layers.whole_model import arrays_of
from .network import DesignNetwork


def tensors_of(data: Sequences, host: dict[str, list[float]]):
    """Features as the model takes them, lengths, and labels; of values, as the model gives them."""
    features = (data.features * np.array(host["input_scale"]) + host["input_offset"]).astype(np.float32)
    labels = data.labels
    if is_values(labels):
        labels = ((labels - host["output_offset"]) / host["output_scale"]).astype(np.float32)
    return torch.from_numpy(features), torch.from_numpy(data.lengths), torch.from_numpy(labels)


def run_epoch(model: DesignNetwork, optimiser, tensors, config, epoch: int) -> float:
    """One pass over the data by ``config``, a :class:`.training.TrainConfig`.

    All its random numbers follow from seed and epoch, so a resumed run repeats them.
    """
    inputs, lengths, labels = tensors
    seed = config.seed * 1_000_003 + epoch
    generator = torch.Generator().manual_seed(seed)
    model.set_noise(seed=seed)
    model.train()
    order = torch.randperm(len(labels), generator=generator)
    batches = order.split(config.batch)
    total = 0.0
    for number, index in enumerate(batches):
        done = (epoch + number / len(batches)) / config.epochs
        if config.noise_ramp and not model.floating:
            for array in arrays_of(model):
                array.train_noise = config.noise_at(done)
        x = inputs[index, : int(lengths[index].max())]
        if config.input_noise:
            x = x + config.input_noise * torch.randn(x.shape, generator=generator)
        loss = _loss(model(x, lengths[index]), labels[index], lengths[index], config)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(done)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimiser.step()
        total += float(loss.detach()) * len(index)
    return total / len(labels)


def _loss(outputs: torch.Tensor, labels: torch.Tensor, lengths: torch.Tensor, config) -> torch.Tensor:
    """Cross-entropy of classes, mean squared error of values over every step that a sequence has."""
    if not labels.is_floating_point():
        return functional.cross_entropy(outputs, labels, label_smoothing=config.label_smoothing)
    if labels.dim() == 3:
        valid = torch.arange(outputs.shape[1]) < lengths[:, None]
        outputs, labels = outputs[valid], labels[:, : outputs.shape[1]][valid]
    return functional.mse_loss(outputs, labels)


def schedule(done: float) -> float:
    """Share of the highest learning rate after ``done`` (0..1) of a run: up over a fifth, down by a cosine."""
    if done < 0.2:
        return 0.04 + 0.96 * done / 0.2
    return 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))

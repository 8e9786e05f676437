"""Learning surnames character by character, and the measures of Table I."""

import math

import numpy as np
import torch

from ...model.design import Design
from ...model.formats import DesignError
from ..data.corpora import CHARACTERS, Names
from ..layers.threads import single_thread
from .config import LanguageConfig
from .descent import LanguageResult, Progress, begin, descend, own_random_numbers, set_out
from .kept import KeptTraining
from .model import LanguageModel


def train_names(
    data: Names,
    config: LanguageConfig,
    progress: Progress | None = None,
    device: str = "cpu",
    *,
    design: Design | None = None,
    checkpoint=None,
) -> LanguageResult:
    """Iterations on random names on a torch ``device``. In the end the whole training set is evaluated as in Table I.

    ``final``: ``accuracy`` and ``perplexity`` over all positions of the windows, END's included, and
    ``name_accuracy``, ``name_perplexity`` over each name's characters and the END after it alone.

    ``checkpoint`` is a file for the training of a ``design``, written after every epoch; it goes on from there.
    """
    if config.window + 1 != data.windows.shape[1]:
        raise DesignError(f"a window of names must have {data.windows.shape[1] - 1} steps, not {config.window}")
    windows = torch.from_numpy(data.windows.astype(np.int64)).to(device)
    with single_thread(), own_random_numbers(device):
        model, optimiser, generator = begin(len(CHARACTERS), config, device, design)
        kept = KeptTraining(checkpoint, "names", model, optimiser, generator)
        total = config.epochs * config.epoch_steps
        for epoch in range(len(kept.epochs), config.epochs):
            model.train()
            loss_sum = 0.0
            for step in range(config.epoch_steps):
                chosen = windows[torch.randint(len(windows), (config.batch,), generator=generator)].T
                done = (epoch * config.epoch_steps + step) / total
                set_out(model, done)
                loss = model.losses(model(chosen[:-1])[0], chosen[1:]).mean()
                descend(model, optimiser, loss, done)
                loss_sum += float(loss.detach())
                if progress is not None:
                    progress(epoch * config.epoch_steps + step + 1, total, math.exp(loss_sum / (step + 1)))
            kept.finish_epoch({"train_perplexity": math.exp(loss_sum / config.epoch_steps)})
        return LanguageResult(tuple(kept.epochs), evaluate_names(model, data), model)


def evaluate_names(model: LanguageModel, data: Names, batch: int = 1024) -> dict:
    """Accuracies and perplexities of all ``data`` (see :func:`train_names`)."""
    model.eval()
    arrays = (data.windows.astype(np.int64), data.lengths, np.arange(data.windows.shape[1] - 1)[:, None])
    windows, lengths, positions = (torch.from_numpy(array).to(model.device) for array in arrays)
    sums = np.zeros((2, 3))  # all positions, names alone: losses, hits, count
    with torch.no_grad():
        for part, length in zip(windows.split(batch), lengths.split(batch)):
            tokens = part.T
            hidden, _ = model(tokens[:-1])
            losses = model.losses(hidden, tokens[1:]).double()
            hits = model.predict(hidden) == tokens[1:]
            for row, mask in enumerate((torch.ones_like(hits), positions < length)):
                sums[row] += [float((losses * mask).sum()), int((hits & mask).sum()), int(mask.sum())]
    (loss, accuracy, _), (name_loss, name_accuracy, _) = sums / sums[:, 2:]
    return {
        "accuracy": accuracy,
        "perplexity": math.exp(loss),
        "name_accuracy": name_accuracy,
        "name_perplexity": math.exp(name_loss),
    }

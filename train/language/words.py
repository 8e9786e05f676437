"""Learning the Penn Treebank word by word, and its perplexity."""

import math

import numpy as np
import torch

from ...model.design import Design
from ...model.formats import DesignError
from ..data.corpora import Words
from ..layers.threads import single_thread
from .config import LanguageConfig
from .descent import LanguageResult, Progress, begin, descend, own_random_numbers
from .kept import KeptTraining
from .model import LanguageModel


def train_words(
    data: Words,
    config: LanguageConfig,
    progress: Progress | None = None,
    steps: int | None = None,
    device: str = "cpu",
    *,
    design: Design | None = None,
    checkpoint=None,
) -> LanguageResult:
    """Passes over the text in ``batch`` parallel streams on a torch ``device``, states kept from window to window.

    After each epoch the validation perplexity per word; ``final`` is the last one's. ``steps`` cuts an epoch short.
    ``checkpoint`` is a file for the training of a ``design``, written after every epoch; it goes on from there.
    """
    stream = _streams(data.train, config.batch).to(device)
    starts = range(0, len(stream) - 1, config.window)[:steps]
    with single_thread(), own_random_numbers(device):
        model, optimiser, generator = begin(len(data.vocabulary), config, device, design)
        kept = KeptTraining(checkpoint, "ptb", model, optimiser, generator)
        total = config.epochs * len(starts)
        for epoch in range(len(kept.epochs), config.epochs):
            model.train()
            state, loss_sum, count = None, 0.0, 0
            for number, start in enumerate(starts):
                tokens = stream[start : start + config.window + 1]
                again = config.start_every and number % config.start_every == 0
                state = None if state is None or again else tuple(part.detach() for part in state)
                hidden, state = model(tokens[:-1], state)
                loss = model.losses(hidden, tokens[1:]).mean()
                descend(model, optimiser, loss, (epoch + number / len(starts)) / config.epochs)
                loss_sum, count = loss_sum + float(loss.detach()) * (len(tokens) - 1), count + len(tokens) - 1
                if progress is not None:
                    progress(epoch * len(starts) + number + 1, total, math.exp(loss_sum / count))
            valid = evaluate_words(model, data.valid)
            kept.finish_epoch({"train_perplexity": math.exp(loss_sum / count), "valid_perplexity": valid})
    return LanguageResult(tuple(kept.epochs), {"perplexity": kept.epochs[-1]["valid_perplexity"]}, model)


def evaluate_words(model: LanguageModel, words: np.ndarray, batch: int = 20, window: int = 35) -> float:
    """Perplexity per word of a text, read as ``batch`` streams with their states kept."""
    model.eval()
    stream = _streams(words, batch).to(model.device)
    state, loss, count = None, 0.0, 0
    with torch.no_grad():
        for start in range(0, len(stream) - 1, window):
            tokens = stream[start : start + window + 1]
            hidden, state = model(tokens[:-1], state)
            loss += float(model.losses(hidden, tokens[1:]).double().sum())
            count += tokens[1:].numel()
    return math.exp(loss / count)


def _streams(words: np.ndarray, batch: int) -> torch.Tensor:
    """(n // batch, batch): column k is the k-th part of the text."""
    length = len(words) // batch
    if length < 2:
        raise DesignError(f"a text must have at least 2 words for each of {batch} streams, not {len(words)} in all")
    return torch.from_numpy(words[: length * batch].reshape(batch, length).T.copy())

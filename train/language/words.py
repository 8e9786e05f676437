"""Learning the Penn Treebank word by word, and its perplexity."""

import math

import numpy as np
import torch

from ...model.design import Design
from ...model.formats import DesignError
from ..data.corpora import Words
from ..layers.threads import single_thread
from .config import LanguageConfig
from .descent import LanguageResult, Progress, begin, descend, own_random_numbers, set_out
from .kept import KeptTraining
from .model import LanguageModel
from .warm import distance, said

TYPICAL = 10  #: windows of the text that the ranges of a start are calibrated on


def train_words(
    data: Words,
    config: LanguageConfig,
    progress: Progress | None = None,
    steps: int | None = None,
    device: str = "cpu",
    *,
    design: Design | None = None,
    checkpoint=None,
    start: LanguageModel | None = None,
) -> LanguageResult:
    """Passes over the text in ``batch`` parallel streams on a torch ``device``, states kept from window to window.

    After each epoch the validation perplexity per word; ``final`` is the last one's. ``steps`` cuts an epoch short.
    ``checkpoint`` is a file for the training of a ``design``, written after every epoch; it goes on from there.
    ``start`` is a model of like layers, float or quantised, whose weights the training begins with; a float one may
    be distilled, too.
    """
    stream = _streams(data.train, config.batch).to(device)
    starts = range(0, len(stream) - 1, config.window)[:steps]
    with single_thread(), own_random_numbers(device):
        model, optimiser, generator = begin_words(data, config, device, design, start)
        kept = KeptTraining(checkpoint, "ptb", model, optimiser, generator, start)
        total = config.epochs * len(starts)
        for epoch in range(len(kept.epochs), config.epochs):
            model.train()
            state, taught_state, loss_sum, count = None, None, 0.0, 0
            for number, place in enumerate(starts):
                tokens = stream[place : place + config.window + 1]
                done = (epoch + number / len(starts)) / config.epochs
                again = config.start_every and number % config.start_every == 0
                state = None if state is None or again else tuple(part.detach() for part in state)
                set_out(model, done)
                hidden, state = model(tokens[:-1], state)
                loss = model.losses(hidden, tokens[1:]).mean()
                loss_sum, count = loss_sum + float(loss.detach()) * (len(tokens) - 1), count + len(tokens) - 1
                if start is not None and config.distil:
                    taught, taught_state = said(start, tokens[:-1], None if again else taught_state)
                    loss = (1 - config.distil) * loss + config.distil * distance(model, hidden, taught)
                descend(model, optimiser, loss, done)
                if progress is not None:
                    progress(epoch * len(starts) + number + 1, total, math.exp(loss_sum / count))
            valid = evaluate_words(model, data.valid)
            kept.finish_epoch({"train_perplexity": math.exp(loss_sum / count), "valid_perplexity": valid})
    return LanguageResult(tuple(kept.epochs), {"perplexity": kept.epochs[-1]["valid_perplexity"]}, model)


def begin_words(
    data: Words, config: LanguageConfig, device: str, design: Design | None = None, start: LanguageModel | None = None
):
    """As :func:`.descent.begin`; ranges of what has a ``start`` are calibrated on the first words of all streams."""
    typical = _streams(data.train, config.batch)[: TYPICAL * config.window].to(device)
    return begin(len(data.vocabulary), config, device, design, None if start is None else start.to(device), typical)


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

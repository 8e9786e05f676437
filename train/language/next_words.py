"""How well next words are predicted: by the likeliest word, and by the perplexity."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..layers.threads import single_thread
from .model import LanguageModel


@dataclass(frozen=True)
class Score:
    """Of all words predicted: the share (0..1) that the likeliest one has right, and the perplexity."""

    accuracy: float
    perplexity: float


class NextWords:
    """What the softmax of ``model`` makes of hidden values, wherever they come from, part by part of a text."""

    def __init__(self, model: LanguageModel) -> None:
        self._model, self._hits, self._loss, self._count = model.eval(), 0, 0.0, 0

    def see(self, hidden: np.ndarray, targets: np.ndarray) -> None:
        """``hidden`` (T, B, n) real values, and the words that follow, ``targets`` (T, B)."""
        values, words = torch.from_numpy(hidden).float(), torch.from_numpy(np.ascontiguousarray(targets))
        with single_thread(), torch.no_grad():
            self._hits += int((self._model.predict(values) == words).sum())
            self._loss += float(self._model.losses(values, words).double().sum())
        self._count += words.numel()

    @property
    def score(self) -> Score:
        return Score(self._hits / self._count, math.exp(self._loss / self._count))


def score_of(model: LanguageModel, tokens: np.ndarray) -> Score:
    """Of ``model`` itself, in evaluation, on sequences of tokens (B, T + 1), each from a state of 0."""
    words = NextWords(model)
    with single_thread():
        hidden = model.evaluate(tokens[:, :-1]).cpu().numpy()
    words.see(hidden, tokens.T[1:])
    return words.score

"""The share of next words that are predicted, and their perplexity, by hand."""

import math

import numpy as np
import pytest
import torch

from ohmgate.train.language.model import LanguageModel
from ohmgate.train.language.next_words import NextWords, score_of
from tests.train.language.test_language import small


def test_words_are_predicted_by_the_largest_logit_and_all_parts_count():
    """Hidden values pick one of two distributions over three words, (0.7, 0.2, 0.1) and (0.25, 0.25, 0.5)."""
    model = LanguageModel(3, small((4, 4)))
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    with torch.no_grad():
        model.softmax.weight.zero_()
        model.softmax.weight[:, :2] = chances.log().T
        model.softmax.bias.zero_()
    hidden = np.zeros((3, 2, 16))
    hidden[[0, 0, 1, 1, 2, 2], [0, 1] * 3, [0, 1, 1, 0, 0, 0]] = 1
    targets = np.array([[0, 2], [0, 1], [0, 2]])
    words = NextWords(model)
    words.see(hidden[:1], targets[:1])
    words.see(hidden[1:], targets[1:])
    assert words.score.accuracy == 3 / 6
    product = 0.7 * 0.5 * 0.25 * 0.2 * 0.7 * 0.1
    assert words.score.perplexity == pytest.approx(product ** (-1 / 6), rel=1e-6)


def test_a_models_own_score_is_of_all_words_but_the_first():
    torch.manual_seed(3)
    model = LanguageModel(9, small((4, 4)))
    tokens = np.random.default_rng(1).integers(0, 9, (4, 6))
    with torch.no_grad():
        hidden, _ = model.eval()(torch.from_numpy(tokens[:, :-1].T.copy()))
        logits = torch.log_softmax(model.softmax(hidden), -1).double().numpy()
    after = tokens[:, 1:].T
    found = score_of(model, tokens)
    assert found.accuracy == (logits.argmax(-1) == after).mean()
    losses = -np.take_along_axis(logits, after[..., None], -1)
    assert found.perplexity == pytest.approx(math.exp(losses.mean()), rel=1e-6)

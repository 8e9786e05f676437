"""The hidden Markov model against one that is written down as an n-gram, and all its paths."""

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest

from ohmgate.train.speech.hidden_markov import HiddenMarkovModel

PATHS = [np.array(path) for path in ([0, 0, 2, 2, 0, 1, 3], [2, 0, 0, 2, 1, 0], [0, 3, 3, 3, 1, 1], [1, 0, 2, 0, 0])]
ADDED = 0.5


def walked(path):
    """(last symbol, is it still heard?) before each step, and the step's symbol."""
    last, still = 0, False
    for symbol in path:
        yield (last, still), symbol
        last, still = (symbol or last), symbol != 0


COUNTS = Counter(pair for path in PATHS for pair in walked(path))
TOTALS = Counter(before for path in PATHS for before, _ in walked(path))
SOUGHT = Counter(int(symbol) for path in PATHS for symbol in path)


def log_probability(path, at_start) -> float:
    """The start has counts of its own."""
    found = 0.0
    for step, (before, symbol) in enumerate(walked(path)):
        if step == 0:
            found += np.log((at_start[symbol] + ADDED) / (len(PATHS) + 28 * ADDED))
        else:
            begun = len(PATHS) if before == (0, False) else 0
            count = COUNTS[before, symbol] - (at_start[symbol] if begun else 0)
            found += np.log((count + ADDED) / (TOTALS[before] - begun + 28 * ADDED))
    return found


def merged(path) -> list[int]:
    return [symbol for step, symbol in enumerate(path) if symbol and (not step or symbol != path[step - 1])]


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 0.6), (0.0, 2.0)])
def test_it_decodes_the_best_of_all_paths(weights):
    model, rng = HiddenMarkovModel.of(PATHS, ADDED), np.random.default_rng(0)
    at_start = Counter(int(path[0]) for path in PATHS)
    prior = np.array([np.log((SOUGHT[s] + ADDED) / (sum(map(len, PATHS)) + 28 * ADDED)) for s in range(28)])
    np.testing.assert_allclose(model.prior, prior, rtol=1e-12)
    texts = set()
    for steps in (1, 2, 4):
        paths = list(product(range(4), repeat=steps))
        known = weights[1] * np.array([log_probability(path, at_start) for path in paths])
        for _ in range(20):
            scores = np.where(np.arange(28) < 4, 2 * rng.normal(size=(steps, 28)), -1e6)
            sums = known + (scores - weights[0] * prior)[np.arange(steps), np.array(paths)].sum(1)
            best = merged(paths[sums.argmax()])
            assert model.decode(scores, *weights) == best
            texts.add(tuple(best))
    assert len(texts) > 8
    assert any(a == b for text in texts for a, b in pairwise(text)), "alike, behind a filler"


def test_every_row_adds_up_to_one():
    model = HiddenMarkovModel.of(PATHS)
    np.testing.assert_allclose(np.exp(model.transitions).sum(1), 1, rtol=1e-12)
    assert np.exp(model.start).sum() == pytest.approx(1)
    assert (np.isfinite(model.transitions).sum(1) == 28).all(), "every symbol may follow, and the blank"


def test_with_no_weight_it_is_greedy():
    scores = np.full((6, 28), -9.0)
    scores[np.arange(6), [0, 5, 5, 0, 5, 7]] = 0
    assert HiddenMarkovModel.of(PATHS).decode(scores, 0.0, 1e-9) == [5, 5, 7]

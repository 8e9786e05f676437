"""The best path against all paths."""

from itertools import product

import numpy as np
import pytest

from ohmgate.train.speech.viterbi import viterbi


@pytest.mark.parametrize("steps", range(1, 6))
def test_it_is_the_best_of_all_paths(steps):
    """Whole numbers have ties; a third of all ways is closed."""
    rng = np.random.default_rng(steps)
    paths, tied = np.array(list(product(range(3), repeat=steps))), 0
    for _ in range(50):
        scores, start, ways, end = (rng.integers(-2, 1, size).astype(float) for size in ((steps, 3), 3, (3, 3), 3))
        ways[rng.random((3, 3)) < 1 / 3] = -np.inf
        sums = scores[np.arange(steps), paths].sum(1) + start[paths[:, 0]] + end[paths[:, -1]]
        sums += ways[paths[:, :-1], paths[:, 1:]].sum(1)
        if sums.max() == -np.inf:
            continue
        best = paths[sums == sums.max()]
        tied += len(best) > 1
        assert viterbi(scores, start, ways, end).tolist() == min(best.tolist(), key=lambda path: path[::-1])
    assert tied > 10

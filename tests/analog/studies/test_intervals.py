"""Intervals of a mean score: how often they hold it, in simulated studies; and a few by hand."""

import numpy as np
import pytest
from scipy.special import ndtr

from ohmgate.analog.studies.intervals import over_chips, over_sequences

STUDIES = 3000  #: coverage is known to 0.4 points (one standard error)


def coverage(truth: float, intervals: list[tuple[float, float]]) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


@pytest.mark.parametrize("chips", [2, 5, 20])
def test_over_chips_holds_the_mean_in_95_of_100_studies(chips):
    scores = np.random.default_rng(chips).normal(0.95, 0.01, (STUDIES, chips))
    assert coverage(0.95, [over_chips(s) for s in scores]) == pytest.approx(0.95, abs=0.02)


def test_a_bootstrap_of_few_chips_does_not():
    rng = np.random.default_rng(5)
    found = []
    for scores in rng.normal(0.95, 0.01, (1000, 5)):
        picks = scores[rng.integers(0, 5, (500, 5))].mean(axis=1)
        found.append(tuple(np.quantile(picks, [0.025, 0.975])))
    assert coverage(0.95, found) == pytest.approx(0.83, abs=0.03)


@pytest.mark.parametrize("chips, sequences", [(3, 370), (5, 370), (20, 1000)])
def test_over_sequences_holds_the_mean_over_all_sequences_and_chips(chips, sequences):
    """A sequence has a margin, a chip moves all margins and each a little; a positive margin is a right class.

    The mean over all sequences and chips is that of a normal number. 95 to 97 of 100 intervals hold it (it is on the
    safe side); of those over chips alone, few do.
    """
    rng = np.random.default_rng(sequences + chips)
    spread, own = 0.12, 0.05
    truth = float(ndtr(1.7 / np.sqrt(1 + spread**2 + own**2)))
    both, alone = [], []
    for _ in range(1000):
        margin = 1.7 + rng.standard_normal(sequences) + spread * rng.standard_normal((chips, 1))
        scores = (margin + own * rng.standard_normal((chips, sequences)) > 0).mean(axis=1)
        both.append(over_sequences(scores, sequences))
        alone.append(over_chips(scores))
    assert 0.935 < coverage(truth, both) < 0.98
    assert coverage(truth, alone) < 0.88


def test_by_hand():
    """Student's t of 2 degrees is 4.302653 at 97.5 %; 0.8 points for 370 sequences at 97.3 %."""
    low, high = over_chips([0.9, 0.92, 0.94])
    assert ((low + high) / 2, high - low) == pytest.approx((0.92, 2 * 4.302653 * 0.02 / 3**0.5), rel=1e-6)
    assert over_chips([0.9]) == (0.9, 0.9)
    low, high = over_sequences([360 / 370] * 4, 370)
    assert (high - low) / 2 / 1.959964 == pytest.approx((362 * 12 / 374**2 / 370) ** 0.5)
    assert (high - low) / 2 / 1.959964 == pytest.approx(0.008, abs=0.0012)
    low, high = over_sequences([1.0], 370)
    assert high == 1.0
    assert 1 - low == pytest.approx(3 / 370, rel=0.25), "the rule of three"

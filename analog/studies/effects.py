"""What each source of error does to the mean score, with intervals: which is worth improving, and when none is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from ...model.metrics import ACCURACY, Metric
from .montecarlo import Sensitivity, Summary

CHANCE = 0.05  #: that any interval of a study misses its mean


@dataclass(frozen=True)
class Effect:
    """A difference of two mean scores; ``low`` to ``high`` holds it, and is infinite for a single chip."""

    mean: float
    low: float
    high: float

    def text(self, metric: Metric = ACCURACY) -> str:
        """In points or in units of the values, with the interval."""

        def said(number: float) -> str:
            return f"{number:+.4g}" if metric.less_is_better else f"{100 * number:+.2f}"

        points = "" if metric.less_is_better else " points"
        if math.isinf(self.low):
            return f"{said(self.mean)}{points} (one chip has no interval)"
        return f"{said(self.mean)}{points} ({said(self.low)} to {said(self.high)})"

    def is_gain(self, metric: Metric) -> bool:
        """Is the score better, whatever chance did?"""
        return self.high < 0 if metric.less_is_better else self.low > 0

    def is_loss(self, metric: Metric) -> bool:
        """Is it worse?"""
        return self.low > 0 if metric.less_is_better else self.high < 0


@dataclass(frozen=True)
class SourceEffect:
    """What one source changes alone, and what taking it out changes with all others in place."""

    source: str
    alone: Effect
    without: Effect


def source_effects(
    sensitivity: Sequence[Sensitivity],
    all_on: Summary,
    ideal: float,
    sequences: int,
    metric: Metric = ACCURACY,
) -> list[SourceEffect]:
    """The effect of each source, against ``all_on`` (all sources) and the score ``ideal`` (none).

    The intervals are Student's and Welch's over chips. They hold together: in 95 of 100 studies none of them misses.
    An accuracy of so many ``sequences`` is a whole number of them, so it is not known closer than that.
    """
    chance = CHANCE / (2 * len(sensitivity)) if sensitivity else CHANCE
    least = 0.0 if metric.less_is_better else 1 / sequences / math.sqrt(12)

    def difference(mean: float, *uncertain: Summary) -> Effect:
        squares = [(max(s.deviation, least) ** 2 / s.draws, s.draws - 1) for s in uncertain]
        variance = sum(square for square, _ in squares)
        if any(freedom == 0 for _, freedom in squares):
            return Effect(mean, -math.inf, math.inf)
        if variance == 0:
            return Effect(mean, mean, mean)
        freedom = variance**2 / sum(square**2 / freedom for square, freedom in squares)
        half = float(stats.t.ppf(1 - chance / 2, freedom)) * math.sqrt(variance)
        return Effect(mean, mean - half, mean + half)

    return [
        SourceEffect(
            e.source,
            difference(e.alone.mean - ideal, e.alone),
            difference(e.without.mean - all_on.mean, e.without, all_on),
        )
        for e in sensitivity
    ]


def verdict(found: list[SourceEffect], metric: Metric = ACCURACY) -> str:
    """Which sources are worth improving, in a sentence."""
    better = sorted((e for e in found if e.without.is_gain(metric)), key=lambda e: -abs(e.without.mean))
    if better:
        listed = "; ".join(f"{e.source}, {e.without.text(metric)}" for e in better)
        return f"Worth improving, by what taking it out brings: {listed}."
    costly = sorted((e for e in found if e.alone.is_loss(metric)), key=lambda e: -abs(e.alone.mean))
    if costly:
        listed = "; ".join(f"{e.source}, {e.alone.text(metric)}" for e in costly)
        return f"No source alone is worth improving. Each of these costs something, but the others hide it: {listed}."
    return "No source matters here: none costs more than chance explains."

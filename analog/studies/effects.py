"""What each source of error does to the mean accuracy, with intervals: which is worth improving, and when none is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from .montecarlo import Sensitivity, Summary

CHANCE = 0.05  #: that any interval of a study misses its mean


@dataclass(frozen=True)
class Effect:
    """A difference of two mean accuracies; ``low`` to ``high`` holds it, and is infinite for a single chip."""

    mean: float
    low: float
    high: float

    def text(self) -> str:
        """In points, with the interval."""
        if math.isinf(self.low):
            return f"{100 * self.mean:+.2f} points (one chip has no interval)"
        return f"{100 * self.mean:+.2f} points ({100 * self.low:+.2f} to {100 * self.high:+.2f})"


@dataclass(frozen=True)
class SourceEffect:
    """What one source changes alone, and what taking it out changes with all others in place."""

    source: str
    alone: Effect
    without: Effect


def source_effects(
    sensitivity: Sequence[Sensitivity], all_on: Summary, ideal: float, sequences: int
) -> list[SourceEffect]:
    """The effect of each source, against ``all_on`` (all sources) and the accuracy ``ideal`` (none).

    The intervals are Student's and Welch's over chips. They hold together: in 95 of 100 studies none of them misses.
    An accuracy of so many ``sequences`` is a whole number of them, so it is not known closer than that.
    """
    chance = CHANCE / (2 * len(sensitivity)) if sensitivity else CHANCE
    least = 1 / sequences / math.sqrt(12)

    def difference(mean: float, *uncertain: Summary) -> Effect:
        squares = [(max(s.deviation, least) ** 2 / s.draws, s.draws - 1) for s in uncertain]
        variance = sum(square for square, _ in squares)
        if any(freedom == 0 for _, freedom in squares):
            return Effect(mean, -math.inf, math.inf)
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


def verdict(found: list[SourceEffect]) -> str:
    """Which sources are worth improving, in a sentence."""
    better = sorted((e for e in found if e.without.low > 0), key=lambda e: -e.without.mean)
    if better:
        listed = "; ".join(f"{e.source}, {e.without.text()}" for e in better)
        return f"Worth improving, by what taking it out brings: {listed}."
    costly = sorted((e for e in found if e.alone.high < 0), key=lambda e: e.alone.mean)
    if costly:
        listed = "; ".join(f"{e.source}, {e.alone.text()}" for e in costly)
        return f"No source alone is worth improving. Each of these costs something, but the others hide it: {listed}."
    return "No source matters here: none costs more than chance explains."

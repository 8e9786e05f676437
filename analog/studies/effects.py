"""What each source of error does to the mean score, with intervals: which is worth improving, and when none is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...model.metrics import ACCURACY, Metric
from .montecarlo import Sensitivity
from .summaries import Summary

NOTHING = "No source matters here: none costs more than chance explains."
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


UNKNOWN = Effect(0.0, -math.inf, math.inf)


@dataclass(frozen=True)
class SourceEffect:
    """What one source changes alone, and what taking it out changes with all others in place.

    In scores, and in ``code`` errors: the share of ADC codes that differ from the ideal array's.
    """

    source: str
    alone: Effect
    without: Effect
    code_alone: Effect = UNKNOWN
    code_without: Effect = UNKNOWN

    def text(self, metric: Metric = ACCURACY) -> str:
        """A line for a terminal."""
        return (
            f"{self.source}: alone {self.alone.text(metric)}, taken out {self.without.text(metric)}; "
            f"codes that differ {self.code_alone.text()}, {self.code_without.text()}"
        )


def source_effects(
    sensitivity: Sequence[Sensitivity],
    all_on: Summary,
    ideal: float,
    sequences: int,
    metric: Metric = ACCURACY,
) -> list[SourceEffect]:
    """The effect of each source, against ``all_on`` (all sources) and the score ``ideal`` (none).

    Chip i of each study is the same chip, so what taking a source out changes is told chip by chip, of those that
    both have. The intervals are Student's over chips. Those of the scores hold together: in 95 of 100 studies none of
    them misses; and so do those of the code errors. An accuracy of so many ``sequences`` is a whole number of them,
    so it is not known closer than that.
    """
    chance = CHANCE / (2 * len(sensitivity)) if sensitivity else CHANCE
    least = 0.0 if metric.less_is_better else 1 / sequences / math.sqrt(12)

    def effect(changes: np.ndarray, least: float) -> Effect:
        mean, chips = float(changes.mean()), len(changes)
        if chips == 1:
            return Effect(mean, -math.inf, math.inf)
        deviation = max(float(changes.std(ddof=1)), least)
        half = float(stats.t.ppf(1 - chance / 2, chips - 1)) * deviation / math.sqrt(chips)
        return Effect(mean, mean - half, mean + half)

    def taken_out(without: Sequence[float], everything: Sequence[float], least: float) -> Effect:
        chips = min(len(without), len(everything))
        return effect(np.array(without[:chips]) - np.array(everything[:chips]), least)

    return [
        SourceEffect(
            e.source,
            effect(np.array(e.alone.scores) - ideal, least),
            taken_out(e.without.scores, all_on.scores, least * math.sqrt(2)),
            effect(np.array(e.alone.chip_errors), 0.0),
            taken_out(e.without.chip_errors, all_on.chip_errors, 0.0),
        )
        for e in sensitivity
    ]


def ranked(found: Sequence[SourceEffect], metric: Metric = ACCURACY) -> list[SourceEffect]:
    """The source first that matters most: by what taking it out brings to the score, of those for which that is sure.

    The others follow by code errors, which differ before scores do: what the source makes wrong alone.
    """
    better = sorted((e for e in found if e.without.is_gain(metric)), key=lambda e: -abs(e.without.mean))
    rest = sorted((e for e in found if e not in better), key=lambda e: -e.code_alone.mean)
    return better + rest


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
    by_codes = [e for e in ranked(found, metric) if e.code_alone.low > 0]
    if not by_codes:
        return NOTHING
    listed = "; ".join(f"{e.source}, {100 * e.code_alone.mean:.2g} %" for e in by_codes)
    return f"{NOTHING} By the codes that each makes wrong alone: {listed}."

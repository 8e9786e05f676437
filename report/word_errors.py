"""Errors in words of a trial's systems, from its records, and how sure a difference of two systems is."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..train.experiments.asr_ctc import SPEAKERS
from ..train.speech.scores import difference_interval
from .sweep_results import finals


def metrics_of(systems: Iterable[str]) -> list[str]:
    """Names of the final numbers of each system: both rates, then errors and words of each speaker."""
    counts = [f"{what}_{k}" for what in ("errors", "words") for k in range(SPEAKERS)]
    return [f"{system}_{name}" for system in systems for name in ("wer", "cer", *counts)]


def counts_of(records: list[dict[str, Any]], system: str) -> np.ndarray:
    """(speakers, 2) errors and words of all seeds together."""
    return np.array(
        [[sum(finals(records, f"{system}_{what}_{k}")) for what in ("errors", "words")] for k in range(SPEAKERS)]
    )


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """The second's rate less the first's, and the ends of its 95 % interval, in points; counts (speakers, 2)."""
    rates = [errors / words for errors, words in (counts.sum(0) for counts in (first, second))]
    low, high = difference_interval(first, second)
    return 100 * (rates[1] - rates[0]), 100 * low, 100 * high

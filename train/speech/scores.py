"""Errors in words and characters, and how sure a difference of two systems is.

An error is a word that is replaced, left out or put in; a rate is errors over words that were said, of all utterances
together, and may exceed 1.
"""

from collections.abc import Hashable, Sequence

import numpy as np


def edit_distance(said: Sequence[Hashable], heard: Sequence[Hashable]) -> int:
    """Least number of replaced, left-out and put-in items (Levenshtein, 1966)."""
    row = list(range(len(heard) + 1))
    for count, item in enumerate(said, 1):
        corner, row[0] = row[0], count
        for place, other in enumerate(heard, 1):
            corner, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, corner + (item != other))
    return row[-1]


def word_counts(said: Sequence[str], heard: Sequence[str]) -> np.ndarray:
    """(B, 2) errors and words of each utterance."""
    pairs = [(a.split(), b.split()) for a, b in zip(said, heard, strict=True)]
    return np.array([(edit_distance(a, b), len(a)) for a, b in pairs])


def character_counts(said: Sequence[str], heard: Sequence[str]) -> np.ndarray:
    """(B, 2) errors and characters of each utterance, spaces included."""
    return np.array([(edit_distance(a, b), len(a)) for a, b in zip(said, heard, strict=True)])


def error_rate(counts: np.ndarray) -> float:
    """Of counts (B, 2): all errors over all that was said."""
    errors, said = counts.sum(0)
    return float(errors / said)


def by_speaker(counts: np.ndarray, speakers: Sequence[str]) -> np.ndarray:
    """Counts (speakers, 2), in the order of their names."""
    names, index = np.unique(np.asarray(speakers), return_inverse=True)
    found = np.zeros((len(names), 2), dtype=counts.dtype)
    np.add.at(found, index, counts)
    return found


def difference_interval(
    first: np.ndarray, second: np.ndarray, *, share: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the second error rate less the first, by a paired bootstrap of the speakers.

    Counts (speakers, 2) of both systems on the same speakers. A draw takes as many speakers, with replacement, the
    same for both: utterances of one speaker are alike, so single ones are no sample (Bisani and Ney, 2004).
    """
    picked = np.random.default_rng(seed).integers(0, len(first), (draws, len(first)))
    rates = [counts[picked].sum(1) for counts in (first, second)]
    found = rates[1][:, 0] / rates[1][:, 1] - rates[0][:, 0] / rates[0][:, 1]
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)

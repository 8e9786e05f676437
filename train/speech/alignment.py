"""Forced alignment: which symbol of a transcript is heard in which step, by the scores of a network by CTC."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...model.formats import DesignError
from .characters import BLANK
from .viterbi import viterbi


def forced_alignment(scores: np.ndarray, codes: Sequence[int]) -> np.ndarray:
    """Symbols (T,) of the most probable of all paths that CTC reads as ``codes``, blanks among them.

    ``scores`` (T, symbols) are logarithms; what is added to all symbols of a step changes nothing. Of equally
    probable paths it is the one whose symbols come later, the last ones first. Raises :class:`DesignError` where
    there are too few steps, and for codes that no transcript has.
    """
    if not all(code in range(1, scores.shape[1]) for code in codes):
        raise DesignError(f"codes to align must be symbols from 1 to {scores.shape[1] - 1}, not {list(codes)}")
    least = max(1, len(codes) + sum(first == second for first, second in pairwise(codes)))
    if len(scores) < least:
        raise DesignError(
            f"an utterance must have a step for each symbol and one between two alike, {least} in all, "
            f"not {len(scores)}"
        )
    if not np.isfinite(scores).all():
        raise DesignError("scores to align must be finite, but some are not")
    symbols = np.full(2 * len(codes) + 1, BLANK)
    symbols[1::2] = codes
    places = np.arange(len(symbols))
    ahead = places - places[:, None]
    other = (symbols != BLANK) & (symbols != symbols[:, None])  # a blank may be left out between two that differ
    transitions = np.where((ahead == 0) | (ahead == 1) | ((ahead == 2) & other), 0.0, -np.inf)
    start = np.where(places < 2, 0.0, -np.inf)
    return symbols[viterbi(scores[:, symbols].astype(np.float64), start, transitions, start[::-1])]

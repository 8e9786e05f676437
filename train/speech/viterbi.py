"""The most probable path through states (Viterbi, 1967)."""

import numpy as np


def viterbi(scores: np.ndarray, start: np.ndarray, transitions: np.ndarray, end: np.ndarray) -> np.ndarray:
    """States (T,) of the best path, T at least 1: the one of the highest sum.

    ``scores`` (T, S) of each state in each step, ``start`` (S,), ``transitions`` (S, S) from a row's state to a
    column's, and ``end`` (S,) are logarithms, -inf where there is no way. Of equally good paths it takes the one that
    is in the lower state in the last step in which they differ.
    """
    into, states = np.ascontiguousarray(transitions.T), np.arange(len(start))
    before = np.empty(scores.shape, dtype=np.int64)
    best = start + scores[0]
    for step in range(1, len(scores)):
        through = best + into
        before[step] = through.argmax(1)
        best = through[states, before[step]] + scores[step]
    path = np.empty(len(scores), dtype=np.int64)
    path[-1] = (best + end).argmax()
    for step in range(len(scores) - 1, 0, -1):
        path[step - 1] = before[step, path[step]]
    return path

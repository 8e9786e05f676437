"""Connectionist temporal classification (Graves et al., 2006): the loss is torch's, decoding is here."""

import numpy as np

from .characters import BLANK


def greedy(scores: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    """Codes of each utterance: the best symbol of each step, repeats merged, then blanks left out.

    ``scores`` (B, T, symbols), of which ``lengths`` (B,) steps count; the lowest symbol on a tie.
    """
    found = []
    for best, length in zip(scores.argmax(2), lengths, strict=True):
        best = best[:length]
        begins = np.concatenate([[True], best[1:] != best[:-1]])
        found.append([int(symbol) for symbol in best[begins & (best != BLANK)]])
    return found

"""Greedy decoding on rows written by hand, and against torch's loss."""

import numpy as np
import torch
from torch.nn import functional

from ohmgate.train.speech.ctc import greedy


def rows(*best: int) -> np.ndarray:
    return np.eye(4)[list(best)]


def test_repeats_are_merged_and_blanks_left_out():
    scores = np.stack([rows(0, 1, 1, 0, 1, 2, 2, 3), rows(2, 2, 0, 0, 0, 3, 3, 3), rows(0, 0, 0, 0, 0, 0, 0, 1)])
    assert greedy(scores, np.array([8, 5, 7])) == [[1, 1, 2, 3], [2], []]


def test_a_certain_alignment_is_the_loss_s():
    """Where the best symbols are all but certain, the text decoded has probability 1 by the loss."""
    scores = 50 * np.random.default_rng(0).permuted(np.tile(np.eye(4)[0], (6, 20, 1)), axis=2)
    lengths = np.array([20, 19, 7, 4, 2, 1])
    found = greedy(scores, lengths)
    assert max(len(each) for each in found) > 5
    loss = functional.ctc_loss(
        torch.from_numpy(scores).log_softmax(2).transpose(0, 1),
        torch.tensor([symbol for each in found for symbol in each]),
        torch.from_numpy(lengths),
        torch.tensor([len(each) for each in found]),
        reduction="none",
    )
    assert loss.max() < 1e-9

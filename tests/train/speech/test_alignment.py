"""Forced alignment against all paths that there are, and against torch's loss."""

from collections import defaultdict
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.nn import functional

from ohmgate.model.formats import DesignError
from ohmgate.train.speech.alignment import forced_alignment
from ohmgate.train.speech.ctc import greedy


def places_of(path: tuple[int, ...]) -> tuple[int, ...]:
    """Of each step, from the last one: 0 before the first symbol, 1 in it, 2 behind it, 3 in the second one."""
    begun, before, found = 0, 0, []
    for symbol in path:
        begun += symbol != 0 and symbol != before
        found.append(2 * begun - (symbol != 0))
        before = symbol
    return tuple(reversed(found))


def paths_by_text(steps: int) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    found = defaultdict(list)
    for path in product(range(4), repeat=steps):
        merged = [symbol for step, symbol in enumerate(path) if not step or symbol != path[step - 1]]
        found[tuple(symbol for symbol in merged if symbol)].append(path)
    return found


@pytest.mark.parametrize("steps", range(1, 6))
def test_every_small_case_is_the_best_of_all_paths(steps):
    """All transcripts of up to three of three symbols; whole numbers have many ties."""
    rng = np.random.default_rng(steps)
    all_paths, tied = paths_by_text(steps), 0
    for codes in (codes for count in range(4) for codes in product((1, 2, 3), repeat=count)):
        if codes not in all_paths:
            assert len(codes) + sum(a == b for a, b in pairwise(codes)) > steps
            with pytest.raises(DesignError):
                forced_alignment(np.zeros((steps, 4)), codes)
            continue
        paths = all_paths[codes]
        for scores in (rng.normal(size=(steps, 4)), rng.integers(0, 3, (steps, 4)), np.zeros((steps, 4))):
            sums = scores[np.arange(steps), np.array(paths)].sum(1)
            best = [path for path, total in zip(paths, sums) if total == sums.max()]
            tied += len(best) > 1
            assert tuple(forced_alignment(scores, codes)) == min(best, key=places_of)
    assert tied >= 5 * (steps - 1)


def test_the_transcript_is_read_of_the_path_and_it_is_a_part_of_the_probability():
    rng = np.random.default_rng(0)
    for steps, count in ((40, 12), (90, 40), (7, 7), (5, 0)):
        codes = rng.permuted(np.arange(1, 28))[:count] if count < 28 else rng.integers(1, 28, count)
        scores = torch.from_numpy(rng.normal(size=(steps, 28))).log_softmax(1).numpy()
        path = forced_alignment(scores, codes.tolist())
        assert greedy(np.eye(28)[path][None], np.array([steps])) == [codes.tolist()]
        loss = functional.ctc_loss(
            torch.from_numpy(scores),
            torch.from_numpy(codes),
            torch.tensor([steps]),
            torch.tensor([count]),
            reduction="none",
        ).item()
        found = -scores[np.arange(steps), path].sum()
        assert found == pytest.approx(loss, rel=1e-12) if steps in (count, 5) else found > loss
        shifted = scores - rng.integers(0, 9, (steps, 1))
        assert (forced_alignment(shifted, codes.tolist()) == path).all(), "a softmax is not needed"


def test_what_cannot_be_aligned():
    with pytest.raises(
        DesignError,
        match=r"^an utterance must have a step for each symbol and one between two alike, 4 in all, not 3$",
    ):
        forced_alignment(np.zeros((3, 28)), [1, 2, 2])
    with pytest.raises(DesignError, match="1 in all, not 0$"):
        forced_alignment(np.zeros((0, 28)), [])
    with pytest.raises(DesignError, match=r"^scores to align must be finite, but some are not$"):
        forced_alignment(np.full((3, 28), np.nan), [1])
    for codes in ([0, 3], [28], [-1]):
        with pytest.raises(
            DesignError, match=r"^codes to align must be symbols from 1 to 27, not \[" + str(codes[0])
        ):
            forced_alignment(np.zeros((6, 28)), codes)

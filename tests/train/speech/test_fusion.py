"""Fusion by density ratio against every transcript's sum over alignments and the language models' own products."""

import math

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.speech.fusion import Fused
from ohmgate.train.speech.transducer_search import beam_search, greedy
from tests.train.speech.test_transducer_search import FRAMES, Table, all_alignments


class Letters:
    """A language model whose state is the last symbol: logarithms drawn for each."""

    def __init__(self, seed: int) -> None:
        drawn = np.random.default_rng(seed).normal(0, 2, (3, 3))
        drawn[:, 0] = 3  # of the blank, which must not count
        self.table = drawn - np.log(np.exp(drawn[:, 1:]).sum(1, keepdims=True))
        self.asked = 0

    def start(self):
        return 0

    def advance(self, states, symbols):
        return list(symbols)

    def scores(self, states):
        self.asked += len(states)
        return self.table[list(states)]

    def logarithm(self, said: tuple[int, ...]) -> float:
        return float(sum(self.table[before, symbol] for before, symbol in zip((0, *said), said)))


def fused(seed: int) -> tuple[Fused, Letters, Letters]:
    target, source = Letters(10 + seed), Letters(20 + seed)
    return Fused(Table(seed), target, source, target_weight=0.6, source_weight=0.25, reward=0.5), target, source


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_has_every_transcript_s_score(seed):
    model, target, source = fused(seed)
    expected = {
        said: math.log(value) - 0.25 * source.logarithm(said) + 0.6 * target.logarithm(said) + 0.5 * len(said)
        for said, value in all_alignments(Table(seed), most=2).items()
    }
    found = beam_search(FRAMES, model, 1000, most=2)
    assert {tuple(said): value for said, value in found} == pytest.approx(expected, abs=1e-12)
    assert target.asked == 1 + sum(2**count for count in range(1, 7)), "once for each transcript, not for each frame"
    ((best, _),) = beam_search(FRAMES, model, 16, most=2)[:1]
    assert tuple(best) == max(expected, key=expected.__getitem__)


def test_symbols_of_probability_0():
    """Without weight they change nothing; 0 over 0 is refused."""
    never = Letters(0)
    never.table = np.full((3, 3), -np.inf)
    assert greedy(FRAMES, Fused(Table(5), never, target_weight=0.0)) == greedy(FRAMES, Table(5))
    words = "^a symbol must have a probability in one of two language models at least, not 0 in both$"
    with pytest.raises(DesignError, match=words):
        Fused(Table(5), never, never, target_weight=0.5, source_weight=0.5).start()


def test_without_weight_nothing_changes():
    plain = beam_search(FRAMES, Table(5), 6)
    silent = Fused(Table(5), Letters(0), target_weight=0.0)
    assert beam_search(FRAMES, silent, 6) == plain
    assert greedy(FRAMES, silent) == greedy(FRAMES, Table(5))
    results = [beam_search(FRAMES, Fused(Table(5), Letters(0), target_weight=w), 6)[0][0] for w in (0.0, 0.5, 5.0)]
    assert len({tuple(said) for said in results}) > 1, "a weight decides what is heard"


def test_bad_weights_are_refused():
    with pytest.raises(DesignError, match=r"^target weight must be a number from 0 to 100, not -1$"):
        Fused(Table(0), Letters(0), target_weight=-1)
    with pytest.raises(DesignError, match=r"^source weight must be a number from 0 to 100, not 101$"):
        Fused(Table(0), Letters(0), source_weight=101)
    with pytest.raises(DesignError, match=r"^reward must be a number from -100 to 100, not nan$"):
        Fused(Table(0), Letters(0), reward=math.nan)

"""Greedy and beam search on tiny transducers against all alignments, one by one, and against the loss."""

import math
from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.speech.transducer import transducer_loss
from ohmgate.train.speech.transducer_search import beam_search, greedy


class Table:
    """A transducer whose state is the tuple of symbols so far: logarithms drawn for each frame and state."""

    def __init__(self, seed: int, symbols: int = 3) -> None:
        self.seed, self.symbols, self.most = seed, symbols, 0

    def start(self):
        return ()

    def advance(self, states, symbols):
        return [(*state, symbol) for state, symbol in zip(states, symbols, strict=True)]

    def scores(self, frame, states):
        self.most = max(self.most, len(states))
        drawn = [
            np.random.default_rng([self.seed, int(frame[0]), *state]).normal(0, 1.5, self.symbols) for state in states
        ]
        return np.array([row - np.logaddexp.reduce(row) for row in drawn])


FRAMES = np.arange(3.0)[:, None] + 10


def all_alignments(table: Table, most: int) -> dict[tuple[int, ...], float]:
    """Every transcript's probability: in each step any symbols, ``most`` at most, and a blank."""
    spoken = [symbols for count in range(most + 1) for symbols in product(range(1, table.symbols), repeat=count)]
    found: defaultdict[tuple[int, ...], float] = defaultdict(float)
    for way in product(spoken, repeat=len(FRAMES)):
        said, total = (), 0.0
        for frame, symbols in zip(FRAMES, way):
            for symbol in (*symbols, 0):
                total += table.scores(frame, [said])[0, symbol]
                said = (*said, symbol) if symbol else said
        found[said] += math.exp(total)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_is_exhaustive(seed):
    expected = all_alignments(Table(seed), most=2)
    found = beam_search(FRAMES, Table(seed), 1000, most=2)
    assert len(found) == len(expected) == 2**7 - 1
    assert {tuple(said): math.exp(value) for said, value in found} == pytest.approx(expected, rel=1e-12)
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)


def test_probabilities_are_those_of_the_loss():
    """With as many symbols a step as a transcript has, no alignment is left out; a narrow beam never has more."""
    table = Table(7)
    exact = {}
    for said, value in beam_search(FRAMES, table, 2000, most=4):
        if len(said) <= 4:
            prefixes = [tuple(said[:count]) for count in range(len(said) + 1)]
            logits = torch.tensor(np.array([table.scores(frame, prefixes) for frame in FRAMES]))[None]
            sizes = torch.tensor([3]), torch.tensor([len(said)])
            loss = transducer_loss(logits, torch.tensor([said], dtype=torch.int64), *sizes)
            assert value == pytest.approx(-loss.item(), abs=1e-12)
            exact[tuple(said)] = value
    assert len(exact) == 2**5 - 1
    for width in (1, 2, 3):
        narrow = beam_search(FRAMES, table, width, most=4)
        assert 1 <= len(narrow) <= width
        assert all(value <= exact[tuple(said)] + 1e-12 for said, value in narrow)


def test_the_best_is_found_by_less_than_all():
    """What a beam of 8 finds is the best of all on most tables, and it asks for 8 states at most."""
    hits = 0
    for seed in range(8):
        expected, table = all_alignments(Table(seed), most=2), Table(seed)
        ((best, _),) = beam_search(FRAMES, table, 8, most=2)[:1]
        hits += tuple(best) == max(expected, key=expected.__getitem__)
        assert table.most == 8
    assert hits >= 7


def test_greedy_takes_the_best_symbol_until_a_blank():
    table = Table(3)
    said = ()
    for frame in FRAMES:
        for _ in range(3):
            best = int(table.scores(frame, [said])[0].argmax())
            if not best:
                break
            said += (best,)
    assert greedy(FRAMES, table) == list(said)
    assert any(greedy(FRAMES, Table(seed)) != beam_search(FRAMES, Table(seed), 8)[0][0] for seed in range(9))


class Loud(Table):
    """Never blank while a step may have more: symbol 1 has all but nothing."""

    def scores(self, frame, states):
        return np.log(np.tile([0.1, 0.8, 0.1], (len(states), 1)))


def test_a_step_has_an_end():
    assert greedy(FRAMES, Loud(0), most=2) == [1] * 6
    assert max(len(said) for said, _ in beam_search(FRAMES, Loud(0), 50, most=2)) == 6
    assert greedy(FRAMES[:0], Loud(0)) == []
    assert beam_search(FRAMES[:0], Loud(0), 4) == [([], 0.0)]


class Barred(Table):
    """Some symbols have no probability."""

    barred = (2,)

    def scores(self, frame, states):
        found = super().scores(frame, states)
        found[:, self.barred] = -np.inf
        return found


@pytest.mark.parametrize("width", [1, 3, 50])
def test_what_cannot_be_said_is_never_held(width):
    found = beam_search(FRAMES, Barred(2), width, most=2)
    assert all(2 not in said and value > -math.inf for said, value in found)
    if width == 50:
        expected = {said: value for said, value in all_alignments(Barred(2), most=2).items() if value}
        assert {tuple(said): math.exp(value) for said, value in found} == pytest.approx(expected, rel=1e-12)


def test_a_beam_without_any_probability_and_scores_that_are_no_numbers_are_refused():
    silent, everything, broken = Barred(0), Barred(0), Barred(0)
    silent.barred, everything.barred = (0,), (0, 1, 2)
    for table in (silent, everything):
        with pytest.raises(
            DesignError,
            match=r"^a beam must hold a transcript with a probability above 0, but none has one at a step's end$",
        ):
            beam_search(FRAMES, table, 4)
    broken.scores = lambda frame, states: np.full((len(states), 3), np.nan)
    for search in (greedy, lambda *given: beam_search(*given, 4)):
        with pytest.raises(DesignError, match=r"^scores of a transducer must be numbers or -inf, but some are not$"):
            search(FRAMES, broken)


def test_bad_widths_are_refused():
    with pytest.raises(DesignError, match=r"^beam width must be an integer from 1 to 10000, not 0$"):
        beam_search(FRAMES, Table(0), 0)
    with pytest.raises(DesignError, match=r"^symbols of a step must be an integer from 1 to 1000, not 0$"):
        greedy(FRAMES, Table(0), most=0)

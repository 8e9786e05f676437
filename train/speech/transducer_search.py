"""What a transducer hears: greedily, or by a search for the most probable transcript over all its alignments.

A. Graves, "Sequence transduction with recurrent neural networks", 2012, section 2.4. Symbols of a step are limited in
number, so that no step lasts for ever.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from ...model.formats import DesignError, check_integer
from .characters import BLANK

Said = tuple[int, ...]  #: symbols so far
SYMBOLS_OF_A_STEP = 3  #: at most; at 30 ms a step nobody speaks faster


class Transducer(Protocol):
    """A prediction network and a joint one; a state is what the first knows of the symbols so far."""

    def start(self) -> Any:
        """State before the first symbol."""
        ...

    def advance(self, states: Sequence[Any], symbols: Sequence[int]) -> Sequence[Any]:
        """States after one more symbol each."""
        ...

    def scores(self, frame: np.ndarray, states: Sequence[Any]) -> np.ndarray:
        """Logarithms of probabilities (states, symbols) at an encoded frame; symbol 0 is the blank."""
        ...


def greedy(frames: Iterable[np.ndarray], transducer: Transducer, most: int = SYMBOLS_OF_A_STEP) -> list[int]:
    """The best symbol again and again, until a blank, or ``most`` symbols, end a step."""
    check_integer("symbols of a step", most, 1, 1000)
    found, state = [], transducer.start()
    for frame in frames:
        for _ in range(most):
            best = int(_scores(transducer, frame, [state])[0].argmax())
            if best == BLANK:
                break
            found.append(best)
            (state,) = transducer.advance([state], [best])
    return found


def beam_search(
    frames: Iterable[np.ndarray], transducer: Transducer, width: int, most: int = SYMBOLS_OF_A_STEP
) -> list[tuple[list[int], float]]:
    """The ``width`` most probable transcripts that the search finds, best first, and the logarithms of their
    probabilities.

    A probability is the sum over all alignments of at most ``most`` symbols a step that never left the ``width`` best
    ones. With a ``width`` that holds all, it is that of all such alignments. Raises :class:`DesignError` where scores
    leave no transcript a probability.
    """
    check_integer("beam width", width, 1, 10_000)
    check_integer("symbols of a step", most, 1, 1000)
    ended: dict[Said, float] = {(): 0.0}
    states: dict[Said, Any] = {(): transducer.start()}
    for frame in frames:
        open_ones, ended = ended, {}
        for count in range(most + 1):
            known = list(open_ones)
            if not known:
                break
            scores = _scores(transducer, frame, [states[each] for each in known])
            for said, row in zip(known, scores):
                ended[said] = _sum(ended.get(said), open_ones[said] + float(row[BLANK]))
            if count == most:
                break
            open_ones = _longer(open_ones, known, scores, width)
            _know(states, open_ones, transducer)
        ended = dict(_best(ended, width))
        if not ended:
            raise DesignError(
                "a beam must hold a transcript with a probability above 0, but none has one at a step's end"
            )
        states = {said: states[said] for said in ended}
    return [(list(said), value) for said, value in _best(ended, width)]


def _scores(transducer: Transducer, frame: np.ndarray, states: Sequence[Any]) -> np.ndarray:
    found = transducer.scores(frame, states)
    if not (found < np.inf).all():
        raise DesignError("scores of a transducer must be numbers or -inf, but some are not")
    return found


def _longer(before: dict[Said, float], known: list[Said], scores: np.ndarray, width: int) -> dict[Said, float]:
    """The ``width`` best of all possible transcripts with one more symbol: no two of ``known`` become the same."""
    totals = scores + np.array([before[said] for said in known])[:, None]
    totals[:, BLANK] = -np.inf
    order = np.argsort(-totals, axis=None, kind="stable")[:width]
    picked = ((int(place) // scores.shape[1], int(place) % scores.shape[1]) for place in order)
    found = {(*known[row], symbol): float(totals[row, symbol]) for row, symbol in picked}
    return {said: total for said, total in found.items() if total > -math.inf}


def _know(states: dict[Said, Any], wanted: Iterable[Said], transducer: Transducer) -> None:
    """Enter the states that are not there yet, all at once."""
    new = [said for said in wanted if said not in states]
    if new:
        found = transducer.advance([states[said[:-1]] for said in new], [said[-1] for said in new])
        states.update(zip(new, found))


def _sum(first: float | None, second: float) -> float:
    return second if first is None else float(np.logaddexp(first, second))


def _best(found: dict[Said, float], width: int) -> list[tuple[Said, float]]:
    ordered = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    return [each for each in ordered[:width] if each[1] > -math.inf]

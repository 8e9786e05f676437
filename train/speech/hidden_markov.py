"""A hidden Markov model of characters, which decodes a network's scores of steps.

A step's symbol follows from the last symbol and from whether that is still heard or a blank is. So each symbol is a
state with a self loop, and behind each there is a filler, the blank; one filler more is before all. There is no
lexicon, and no symbol has states by its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .characters import BLANK, SYMBOLS
from .viterbi import viterbi

STATES = 2 * SYMBOLS - 1  #: 0 is the filler before all, 2 s - 1 the symbol s, 2 s the filler behind it
HEARD = np.array([BLANK, *(symbol for s in range(1, SYMBOLS) for symbol in (s, BLANK))])  #: of each state


def states_of(path: np.ndarray) -> np.ndarray:
    """(T,) of symbols (T,) as :func:`.alignment.forced_alignment` gives them."""
    steps = np.maximum.accumulate(np.where(path != BLANK, np.arange(len(path)), -1))
    last = np.where(steps < 0, 0, path[steps])
    return 2 * last - (path != BLANK)


@dataclass(frozen=True, eq=False)
class HiddenMarkovModel:
    """Logarithms of probabilities, counted in alignments."""

    prior: np.ndarray  #: (symbols,) of a step
    start: np.ndarray  #: (states,)
    transitions: np.ndarray  #: (states, states), from a row's state to a column's; -inf where there is no way

    @classmethod
    def of(cls, paths: Sequence[np.ndarray], added: float = 0.5) -> "HiddenMarkovModel":
        """Of the paths (T,) of many utterances; ``added`` to every count, so that nothing that can be is excluded."""
        states = np.arange(STATES)
        from_filler, in_symbol = states % 2 == 0, states % 2 == 1
        last = (states + 1) // 2
        ways = in_symbol & (from_filler[:, None] | (last != last[:, None]))  # a symbol more; the like behind a filler
        ways |= (states == states[:, None]) | (in_symbol[:, None] & (states == states[:, None] + 1))
        start, transitions = np.where(from_filler & (states > 0), 0.0, added), added * ways
        for path in paths:
            found = states_of(path)
            start[found[0]] += 1
            np.add.at(transitions, (found[:-1], found[1:]), 1)
        prior = added + np.bincount(np.concatenate(paths), minlength=SYMBOLS)
        with np.errstate(divide="ignore"):
            return cls(
                np.log(prior / prior.sum()),
                np.log(start / start.sum()),
                np.log(transitions / transitions.sum(1, keepdims=True)),
            )

    def decode(self, scores: np.ndarray, prior_weight: float = 1.0, transition_weight: float = 1.0) -> list[int]:
        """Codes of the most probable path.

        ``scores`` (T, symbols) are logarithms of a step's posteriors, up to what is added to all of a step. The
        path's are scores less ``prior_weight`` times the priors, and ``transition_weight`` times the transitions.
        """
        heard = (scores - prior_weight * self.prior)[:, HEARD]
        start, transitions = transition_weight * self.start, transition_weight * self.transitions
        states = viterbi(heard, start, transitions, np.zeros(STATES))
        begins = np.concatenate([[True], states[1:] != states[:-1]])
        return [int(symbol) for symbol in HEARD[states[begins]] if symbol != BLANK]

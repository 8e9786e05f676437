"""What a search asks of a transducer: how often its networks run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .transducer_search import Said, Transducer


class Watched:
    """A :class:`.transducer_search.Transducer` that gives what another one does, and notes what it was asked.

    Symbols of which a prediction is known are not predicted again, as a host keeps it.
    """

    def __init__(self, transducer: Transducer) -> None:
        self._transducer = transducer
        self.said: dict[Said, None] = {}  #: all symbols so far of which there is a prediction, in order
        self.predictions: list[int] = []  #: new ones of each call that needs any
        self.pairs: list[int] = []  #: of each call
        self.asked: list[tuple[np.ndarray, list[Said]]] = []  #: the pairs themselves

    def start(self) -> tuple[Any, Said]:
        self._note([()])
        return self._transducer.start(), ()

    def advance(self, states: Sequence[tuple[Any, Said]], symbols: Sequence[int]) -> list[tuple[Any, Said]]:
        said = [(*state[1], symbol) for state, symbol in zip(states, symbols, strict=True)]
        self._note(said)
        return list(zip(self._transducer.advance([state[0] for state in states], symbols), said))

    def scores(self, frame: np.ndarray, states: Sequence[tuple[Any, Said]]) -> np.ndarray:
        self.pairs.append(len(states))
        self.asked.append((frame, [state[1] for state in states]))
        return self._transducer.scores(frame, [state[0] for state in states])

    @property
    def replayed(self) -> int:
        """Steps of a prediction network that can neither give nor take a state.

        It goes on where one more symbol follows those that it has run last, and else begins at the blank.
        """
        steps, last = 0, None
        for said in self.said:
            steps += 1 if said and said[:-1] == last else len(said) + 1
            last = said
        return steps

    def _note(self, said: Sequence[Said]) -> None:
        new = dict.fromkeys(each for each in said if each not in self.said)
        if new:
            self.predictions.append(len(new))
            self.said |= new

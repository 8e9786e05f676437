"""Language models in a transducer's search, by density ratio.

E. McDermott, H. Sak, E. Variani, "A density ratio approach to language model fusion in end-to-end automatic speech
recognition", 2019: a transducer has learned the language of its own transcripts, which is divided out before that of
the target comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...model.formats import DesignError, check_number
from .characters import BLANK
from .transducer_search import Transducer


class LanguageModel(Protocol):
    """Of the same symbols; a state is what it knows of those so far."""

    def start(self) -> Any:
        """State before the first symbol."""
        ...

    def advance(self, states: Sequence[Any], symbols: Sequence[int]) -> Sequence[Any]:
        """States after one more symbol each."""
        ...

    def scores(self, states: Sequence[Any]) -> np.ndarray:
        """Logarithms of the next symbol's probabilities (states, symbols); the blank's, 0, is not used."""
        ...


@dataclass(frozen=True)
class Fused:
    """A transducer for :mod:`.transducer_search` whose symbols language models judge, too; its blank they do not.

    The score of a transcript y of n symbols becomes log P(y) - source_weight log P_source(y)
    + target_weight log P_target(y) + reward n.
    """

    transducer: Transducer
    target: LanguageModel
    source: LanguageModel | None = None  #: of the transcripts that the transducer was trained with
    target_weight: float = 0.3
    source_weight: float = 0.0
    reward: float = 0.0  #: of each symbol, as long transcripts lose by language models

    def __post_init__(self) -> None:
        for name in ("target_weight", "source_weight"):
            check_number(name.replace("_", " "), getattr(self, name), 0, 100)
        check_number("reward", self.reward, -100, 100)

    @property
    def _models(self) -> list[tuple[LanguageModel, float]]:
        found = [(self.target, self.target_weight)]
        return found if self.source is None else [*found, (self.source, -self.source_weight)]

    def start(self) -> Any:
        return self._judged([self.transducer.start()], [[model.start()] for model, _ in self._models])[0]

    def advance(self, states: Sequence[Any], symbols: Sequence[int]) -> Sequence[Any]:
        heard = self.transducer.advance([state[0] for state in states], symbols)
        known = [
            model.advance([state[1][k] for state in states], symbols) for k, (model, _) in enumerate(self._models)
        ]
        return self._judged(heard, known)

    def scores(self, frame: np.ndarray, states: Sequence[Any]) -> np.ndarray:
        return self.transducer.scores(frame, [state[0] for state in states]) + np.array([s[2] for s in states])

    def _judged(self, heard: Sequence[Any], known: Sequence[Sequence[Any]]) -> list[Any]:
        """States with what language models add to every symbol, which no frame changes."""
        added: Any = self.reward
        for (model, weight), own in zip(self._models, known):
            scores = np.asarray(model.scores(own))
            with np.errstate(invalid="ignore"):  # 0 over 0, which is refused below
                added = added + (weight * scores if weight else np.zeros_like(scores))  # -inf, too, is 0 then
        added[:, BLANK] = 0
        if np.isnan(added).any():
            raise DesignError(
                "a symbol must have a probability in one of two language models at least, not 0 in both"
            )
        return list(zip(heard, zip(*known), added))

"""What a trained transducer hears, by one search or several."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..layers.whole_model import evaluating
from .an4 import Utterances
from .characters import BLANK, text_of
from .features import Units, padded_steps
from .training import TOGETHER
from .transducer_model import TransducerModel


@dataclass(eq=False)
class State:
    """What the prediction network knows of some symbols, and the states that were asked for after one more."""

    h: torch.Tensor  #: (predicted,)
    c: torch.Tensor
    said: torch.Tensor  #: (joined,) their share of the joint network's sums
    after: dict[int, "State"] = field(default_factory=dict)


class Evaluation:
    """A model in evaluation as :class:`.transducer_search.Transducer`: a frame is a row of :meth:`frames`.

    Symbols that several searches come to are predicted once; :meth:`start_anew` forgets them.
    """

    def __init__(self, model: TransducerModel) -> None:
        self._model, self._joint = model, model.joined()
        self.start_anew()

    def start_anew(self) -> None:
        self._first = self._predicted(torch.tensor([[BLANK]]), None)[0]

    def frames(self, values: torch.Tensor, lengths: torch.Tensor) -> list[np.ndarray]:
        """(T, joined) of each utterance: its share of the joint network's sums."""
        heard = self._joint.heard(self._model.encoder(values, lengths)).numpy()
        return [rows[:length] for rows, length in zip(heard, lengths)]

    def start(self) -> State:
        return self._first

    def advance(self, states: Sequence[State], symbols: Sequence[int]) -> list[State]:
        new = [(state, symbol) for state, symbol in zip(states, symbols) if symbol not in state.after]
        if new:
            h, c = (torch.stack([getattr(state, part) for state, _ in new])[None] for part in "hc")
            found = self._predicted(torch.tensor([[symbol] for _, symbol in new]), (h, c))
            for (state, symbol), after in zip(new, found):
                state.after[symbol] = after
        return [state.after[symbol] for state, symbol in zip(states, symbols)]

    def _predicted(self, symbols: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None) -> list[State]:
        predicted, (h, c) = self._model.predict(symbols, state)
        return [State(*parts) for parts in zip(h[0], c[0], self._joint.said(predicted[:, 0]))]

    def scores(self, frame: np.ndarray, states: Sequence[State]) -> np.ndarray:
        sums = torch.from_numpy(frame) + torch.stack([state.said for state in states])
        return self._joint.scores(sums).double().log_softmax(-1).numpy()


Search = Callable[[Iterable[np.ndarray], Evaluation], Sequence[int]]  #: of an utterance's frames


def read(
    model: TransducerModel,
    data: Utterances,
    units: Units,
    searches: Sequence[Search],
    tell: Callable[[int], object] = lambda done: None,
) -> list[list[str]]:
    """Text of each utterance by each of ``searches``; ``tell`` is called with the utterances that are done."""
    steps = [units.steps(frames) for frames in data.frames]
    order = np.argsort([len(each) for each in steps], kind="stable")
    texts = [[""] * len(data) for _ in searches]
    with evaluating(model):
        evaluation = Evaluation(model)
        for first in range(0, len(order), TOGETHER):
            rows = order[first : first + TOGETHER]
            given = (torch.from_numpy(each) for each in padded_steps([steps[row] for row in rows]))
            for done, (row, frames) in enumerate(zip(rows, evaluation.frames(*given)), first + 1):
                evaluation.start_anew()
                for found, search in zip(texts, searches):
                    found[row] = text_of(search(frames, evaluation))
                tell(done)
    return texts

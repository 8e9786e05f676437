"""A trained language model as a search asks it: one symbol more for some states at a time.

The integers of its arrays, or the weights of a float model, are taken once. A call gives the scores of an evaluation
of the whole text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...model.formats import DesignError, full_scale
from ...model.layers import DenseLayer, Layer, LstmLayer
from ...model.network import Network
from ...model.reference import cell_update, column_codes, exact_codes, look_up
from ..export import export
from ..layers.whole_model import arrays_of
from .characters import SYMBOLS
from .language import END, FloatLanguage, Language


@dataclass(frozen=True, eq=False)
class State:
    """What a model knows after some symbols: rows (n,) of the LSTM, and what it gives for the next symbol (28,)."""

    hidden: np.ndarray
    cell: np.ndarray
    scores: np.ndarray


class Steps:
    """A :class:`.fusion.LanguageModel`; later training of its module does not change it."""

    def __init__(self, hidden: int, kind: type) -> None:
        nothing = np.zeros((1, hidden), dtype=kind)
        self._start = self._known(np.array([END]), nothing, nothing)[0]

    def start(self) -> State:
        return self._start

    def advance(self, states: Sequence[State], symbols: Sequence[int]) -> list[State]:
        hidden, cell = (np.stack([getattr(state, name) for state in states]) for name in ("hidden", "cell"))
        return self._known(np.asarray(symbols), hidden, cell)

    def scores(self, states: Sequence[State]) -> np.ndarray:
        """(states, symbols) float64 logarithms of probabilities; that of index 0 is of the text's end."""
        return np.stack([state.scores for state in states])

    def _known(self, symbols: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> list[State]:
        hidden, cell, logits = self._step(symbols, hidden, cell)
        return [State(*each) for each in zip(hidden, cell, log_shares(logits))]

    def _step(self, symbols: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        """Hidden and cell values (B, n) after one more symbol each, and float32 scores (B, symbols)."""
        raise NotImplementedError


def steps_of(model: Language) -> Steps:
    """``model`` for a search, as it is now."""
    if isinstance(model, FloatLanguage):
        return FloatSteps(model)
    return IntegerSteps(export(arrays_of(model)))


def log_shares(logits: np.ndarray) -> np.ndarray:
    """Softmax's logarithm (..., symbols) in float64."""
    centred = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return centred - np.log(np.exp(centred).sum(-1, keepdims=True))


class FloatSteps(Steps):
    """Of torch's layers."""

    def __init__(self, model: FloatLanguage) -> None:
        self._lstm = [parameter.detach().clone() for parameter in model.lstm.parameters()]
        self._head = [parameter.detach().clone() for parameter in model.head.parameters()]
        super().__init__(model.lstm.hidden_size, np.float32)

    def _step(self, symbols: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        taken = torch.nn.functional.one_hot(torch.from_numpy(symbols), SYMBOLS).float()
        state = [torch.from_numpy(hidden), torch.from_numpy(cell)]
        with torch.no_grad():
            after, kept = torch.lstm_cell(taken, state, *self._lstm)
            return after.numpy(), kept.numpy(), torch.nn.functional.linear(after, *self._head).numpy()


class IntegerSteps(Steps):
    """Of an exported network of an LSTM and a head on every step, by the integer reference's own rules."""

    def __init__(self, network: Network) -> None:
        layer, *rest = network.design.layers
        if not isinstance(layer, LstmLayer) or len(rest) != 1 or not isinstance(rest[0], DenseLayer):
            found = ", ".join(each.kind for each in network.design.layers)
            raise DesignError(f"a language model's network must be of the layers lstm, dense, not {found}")
        self._network, self._layer, self._head = network, layer, rest[0]
        self._convert = exact_codes(network)
        self._rows = network.encode(np.eye(SYMBOLS))  # of each symbol
        super().__init__(layer.hidden, np.int64)

    def _step(self, symbols: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        layer, head = self._layer, self._head
        adc = self._codes(0, layer, self._rows[symbols], hidden)  # at first hidden rows are 0: as not driven
        cell, hidden, _, _ = cell_update(layer, look_up(layer, self._network.layers[0], adc), cell)
        return hidden, cell, self._network.decode(self._codes(1, head, hidden)).astype(np.float32)

    def _codes(self, index: int, layer: Layer, *driven: np.ndarray) -> np.ndarray:
        """Column codes of an array whose bias rows are driven beside ``driven``."""
        rows = len(driven[0])
        bias = np.full((rows, layer.bias_rows), full_scale(layer.dac_bits))
        drive = np.concatenate([*driven, bias], axis=1)
        return column_codes(layer, self._convert(index, drive, np.zeros(rows, dtype=bool)))

"""A transducer of arrays as the three networks that hardware has, and what a search hears by their integers alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...model import reference
from ...model.network import Network
from ..export import export
from .characters import BLANK, SYMBOLS
from .transducer_model import QuantTransducer
from .transducer_search import Said


@dataclass(frozen=True)
class TransducerNetworks:
    """Three chips: a host gives steps to the first, symbols to the second, and what these say to the third."""

    encoder: Network  #: of steps, to their codes
    prediction: Network  #: of symbols, the blank first, to their codes
    joint: Network  #: of [encoded, predicted] codes, each pair for itself, to codes of the symbols' scores

    def pairs(self, encoded: np.ndarray, predicted: Iterable[np.ndarray]) -> np.ndarray:
        """(P, inputs) of the joint network: a step's codes (encoded,), and each of some predictions (predicted,)."""
        return np.array([np.concatenate([encoded, each]) for each in predicted])

    def symbol_codes(self, said: Sequence[int]) -> np.ndarray:
        """(1 + U, symbols) of the prediction network: the blank, then what was said, one row driven each."""
        return self.prediction.encode(np.eye(SYMBOLS)[[BLANK, *said]])


def networks_of(
    model: QuantTransducer,
    values: torch.Tensor,
    lengths: torch.Tensor,
    *,
    adcs: int | None = None,
    head_adcs: int | None = None,
    max_steps: int | None = None,
) -> TransducerNetworks:
    """``model`` exported: its forward on steps (B, T, 78) of ``lengths`` shows the encoder.

    ``adcs`` are the most that an array may have, ``head_adcs`` those of the head, ``max_steps`` those of the longest
    utterance; defaults are :func:`~ohmgate.train.export.export`'s.
    """
    encoder = export(model.encoder, values, lengths, name="encoder", adcs=adcs, max_steps=max_steps)
    prediction = export(model.prediction, name="prediction", adcs=adcs)
    joint = export([model.joint], adcs=adcs).design.layers[0]
    head = export([model.head], adcs=head_adcs).design.layers[0]
    return TransducerNetworks(
        encoder, prediction, export([model.joint, model.head], name="joint", adcs=[joint.adcs, head.adcs])
    )


class IntegerTransducer:
    """A :class:`.transducer_search.Transducer` by the integer reference: a frame is a step's codes (encoded,) int64,
    a state the symbols so far.

    The prediction network's state is neither given nor taken, as hardware has no way to: what is not known yet is run
    from the blank on.
    """

    def __init__(self, networks: TransducerNetworks) -> None:
        self.networks = networks
        self._predicted: dict[Said, np.ndarray] = {}

    def frames(self, values: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """(T, encoded) codes of each utterance, of its steps (B, T, 78)."""
        encoder = self.networks.encoder
        found = reference.run(encoder, encoder.encode(values), lengths).out
        return [rows[:length] for rows, length in zip(found, lengths)]

    def start(self) -> Said:
        return ()

    def advance(self, states: Sequence[Said], symbols: Sequence[int]) -> list[Said]:
        return [(*said, symbol) for said, symbol in zip(states, symbols, strict=True)]

    def predicted(self, said: Said) -> np.ndarray:
        """(predicted,) codes."""
        if said not in self._predicted:
            codes = self.networks.symbol_codes(said)
            self._predicted[said] = reference.run(self.networks.prediction, codes[None]).out[0, -1]
        return self._predicted[said]

    def scores(self, frame: np.ndarray, states: Sequence[Said]) -> np.ndarray:
        joint = self.networks.joint
        pairs = self.networks.pairs(frame, map(self.predicted, states))
        found = joint.decode(reference.run(joint, pairs[None]).out[0])
        return torch.from_numpy(found).log_softmax(-1).numpy()

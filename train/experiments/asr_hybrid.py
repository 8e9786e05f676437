"""AN4 by frames: LSTM layers of both directions learn the symbol of every step, and a hidden Markov model decodes.

After an abstract on a 4-bit LSTM that a hidden Markov model decodes (docs/papers.md), the "hybrid". A network by CTC
aligns the transcripts, and one that begins as it goes on by cross-entropy. The hybrid of the abstract has states of
phones in context and a lexicon; here the states are characters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from ..layers.threads import single_thread
from ..speech.alignment import forced_alignment
from ..speech.an4 import SpeechDataset, Utterances
from ..speech.characters import codes_of, text_of
from ..speech.features import Units
from ..speech.hidden_markov import HiddenMarkovModel
from ..speech.model import FloatModel
from ..speech.training import Descent, descend, frame_loss, scored
from .asr_ctc import SYSTEMS, AcousticTrial, AsrCtcTrial, AsrProtocol, ctc_network, quantised, scores, sweep_data
from .trial import Outcome, Told


@dataclass(frozen=True)
class HybridProtocol:
    """What decides a trial's run besides its own fields."""

    by_ctc: AsrProtocol  #: its ``quantised`` is the training at the trial's bits, by frames
    frames: Descent  #: in float, by frames, from the network by CTC on
    prior_weight: float  #: as :meth:`.hidden_markov.HiddenMarkovModel.decode` takes it
    transition_weight: float


@dataclass(frozen=True, kw_only=True)
class AsrHybridTrial(AcousticTrial):
    """Trained by CTC, then by frames."""

    task = "asr_hybrid"

    @property
    def by_ctc(self) -> AsrCtcTrial:
        """The trial whose float network aligns the transcripts."""
        return AsrCtcTrial(network=self.network, bits=self.bits, seed=self.seed)

    def protocol(self) -> HybridProtocol:
        by_ctc = self.by_ctc.protocol()
        return HybridProtocol(by_ctc, replace(by_ctc.floating, epochs=15, rate=0.001), 0.3, 0.3)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_trial_on(self, sweep_data(folder), self.protocol(), told)


def run_trial_on(trial: AsrHybridTrial, data: SpeechDataset, protocol: HybridProtocol, told: Told) -> Outcome:
    """:meth:`AsrHybridTrial.run` on ``data``, by ``protocol``."""
    epochs: list[dict[str, float]] = []
    stages = protocol.by_ctc.floating, protocol.frames, protocol.by_ctc.quantised
    total = sum(stage.epochs for stage in stages)

    def tell(epoch: dict[str, float]) -> None:
        epochs.append(epoch)
        what = "a character" if len(epochs) <= protocol.by_ctc.floating.epochs else "a step"
        told(len(epochs), total, f"loss {epoch['train_loss']:.4f} nats {what}")

    with single_thread():
        units = Units.of(data.train, protocol.by_ctc.centred)
        model = ctc_network(trial.by_ctc, data.train, units, protocol.by_ctc, tell)
        paths = alignments(model, data.train, units)
        decoder = HiddenMarkovModel.of(paths)
        models = hybrids_of(trial, model, paths, data.train, units, protocol, tell)
        final = {}
        for system, each in zip(SYSTEMS, models, strict=True):
            found = scores(data.test, decoded(each, decoder, data.test, units, protocol))
            final |= {f"{system}_{name}": value for name, value in found.items()}
    return Outcome(data.content, epochs, final)


def alignments(model: nn.Module, data: Utterances, units: Units) -> list[np.ndarray]:
    """Symbols (T,) of each utterance, by a network that was trained by CTC."""
    return [
        forced_alignment(each, codes_of(text))
        for each, text in zip(scored(model, data, units), data.texts, strict=True)
    ]


def hybrids_of(
    trial: AsrHybridTrial,
    model: FloatModel,
    paths: list[np.ndarray],
    data: Utterances,
    units: Units,
    protocol: HybridProtocol,
    tell: Callable[[dict[str, float]], object],
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The networks in the order of :data:`SYSTEMS`; ``model`` is that by CTC, and is trained on, by ``paths``."""
    descend(model, data, units, protocol.frames, trial.seed + 1, tell, frame_loss, paths)
    naive = quantised(model, trial.by_ctc, data, units, protocol.by_ctc, naively=True)
    trained = quantised(model, trial.by_ctc, data, units, protocol.by_ctc)
    descend(trained, data, units, protocol.by_ctc.quantised, trial.seed + 2, tell, frame_loss, paths)
    return model, naive, trained


def decoded(
    model: nn.Module, decoder: HiddenMarkovModel, data: Utterances, units: Units, protocol: HybridProtocol
) -> list[str]:
    """Text of each utterance."""
    return [
        text_of(decoder.decode(each, protocol.prior_weight, protocol.transition_weight))
        for each in scored(model, data, units)
    ]


TRIALS = [AsrHybridTrial(network="2x128")]  #: of seed 0

"""AN4 by RNN transducers: in float and at 4 bits, greedily and by beams, with and without language models.

After two abstracts on 4-bit speech recognition (docs/papers.md): a transducer at 4 bits throughout loses little, and
gains by language models at 4 bits. Their data are not free; networks and training are our choices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ...model.formats import check_integer
from ..calibrate import calibrate
from ..layers.threads import single_thread
from ..speech.an4 import SpeechDataset, Utterances
from ..speech.characters import codes_of
from ..speech.features import Units
from ..speech.few_bits import evenly, head_of, trained_at
from ..speech.further_texts import further_texts
from ..speech.fusion import Fused
from ..speech.language import PROTOCOL, LanguageProtocol, language_models
from ..speech.language_steps import Steps, steps_of
from ..speech.model import FloatModel
from ..speech.training import Descent, descend, rnnt_loss
from ..speech.transducer_model import SIZES, FloatTransducer, QuantTransducer, Sizes
from ..speech.transducer_reading import Evaluation, Search, read
from ..speech.transducer_search import beam_search, greedy
from .asr_ctc import AUGMENTATION, scores, sweep_data
from .trial import Outcome, Told

SYSTEMS = ("float", "trained")  #: what is read of each trial: the second at its bits
SEARCHES = ("greedy", "beam4", "beam16", "fused4", "fused16")


@dataclass(frozen=True)
class FusionWeights:
    """How :class:`..speech.fusion.Fused` weighs language models."""

    target: float
    source: float
    reward: float


@dataclass(frozen=True)
class RnntProtocol:
    """What decides a trial's run besides its own fields."""

    encoder: Descent  #: of the float encoder by CTC, with a head that is then taken off
    floating: Descent  #: of the float transducer
    quantised: Descent  #: from the float transducer on
    fusion: FusionWeights
    language: LanguageProtocol = PROTOCOL
    sizes: Sizes = SIZES
    dropout: float = 0.3  #: in float; none at the trial's bits
    centred: bool = True  #: is each utterance's own mean taken off?
    head_bits: int = 8  #: of the heads' ADCs, which a host reads
    input_drive: int = 2  #: of the encoder's first layer at the trial's bits
    measured: int = 50  #: training utterances that ranges are measured on


@dataclass(frozen=True, kw_only=True)
class AsrRnntTrial:
    """One transducer, trained in float, and its descendant; language models beside each."""

    bits: int = 4  #: of weights, DACs and ADCs
    seed: int = 0

    task = "asr_rnnt"
    is_language = False

    def __post_init__(self) -> None:
        check_integer("bits", self.bits, 2, 8)  # one bit has no code for a row of no symbol
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        return f"asr_rnnt_b{self.bits}_seed{self.seed}"

    def protocol(self) -> RnntProtocol:
        encoder = Descent(epochs=60, rate=0.004, decay=0.01, augmentation=AUGMENTATION)
        floating = replace(encoder, epochs=30, rate=0.002)
        return RnntProtocol(
            encoder, floating, replace(floating, epochs=20, rate=0.0008), FusionWeights(0.3, 0.1, 0.4)
        )

    def check_data(self, folder: str | Path | None) -> None:
        further_texts(sweep_data(folder).train.texts, folder, self.seed)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        data = sweep_data(folder)
        return run_trial_on(self, data, further_texts(data.train.texts, folder, self.seed), self.protocol(), told)


def run_trial_on(
    trial: AsrRnntTrial, data: SpeechDataset, others: Sequence[str], protocol: RnntProtocol, told: Told
) -> Outcome:
    """:meth:`AsrRnntTrial.run` on ``data`` and on ``others``, further texts of the target, by ``protocol``."""
    epochs: list[dict[str, float]] = []
    total = sum(stage.epochs for stage in (protocol.encoder, protocol.floating, protocol.quantised))

    def tell(epoch: dict[str, float]) -> None:
        epochs.append(epoch)
        told(len(epochs), total, f"loss {epoch['train_loss']:.4f} nats a character")

    def reads(system: str, done: int) -> None:
        told(total, total, f"{system}, {done} of {len(data.test)} utterances are read")

    final = {}
    with single_thread():
        units = Units.of(data.train, protocol.centred)
        models = transducers_of(trial, data, units, protocol, tell)
        languages = language_models(data.train.texts, others, trial.bits, trial.seed, protocol.language)
        for system, model, pair in zip(SYSTEMS, models, languages.values(), strict=True):
            searches = searches_of(protocol.fusion, *map(steps_of, pair))
            texts = read(model, data.test, units, searches, partial(reads, system))
            for name, heard in zip(SEARCHES, texts, strict=True):
                found = scores(data.test, heard)
                final |= {f"{system}_{name}_{key}": value for key, value in found.items()}
    return Outcome(data.content, epochs, final)


def transducers_of(
    trial: AsrRnntTrial,
    data: SpeechDataset,
    units: Units,
    protocol: RnntProtocol,
    tell: Callable[[dict[str, float]], object],
) -> tuple[FloatTransducer, QuantTransducer]:
    """The trained networks in the order of :data:`SYSTEMS`. The encoder begins as one that CTC has trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.seed)
        by_ctc = FloatModel(protocol.sizes.hidden, protocol.sizes.layers, protocol.dropout)
        floating = FloatTransducer(protocol.sizes, protocol.dropout)
    descend(by_ctc, data.train, units, protocol.encoder, trial.seed, tell)
    floating.begin_with(by_ctc.lstm)
    descend(floating, data.train, units, protocol.floating, trial.seed + 1, tell, rnnt_loss)
    trained = quantised(floating, trial.bits, data.train, units, protocol)
    descend(trained, data.train, units, protocol.quantised, trial.seed + 2, tell, rnnt_loss)
    return floating, trained


def quantised(
    floating: FloatTransducer, bits: int, data: Utterances, units: Units, protocol: RnntProtocol
) -> QuantTransducer:
    """``floating`` at ``bits``, its converters' ranges measured on training utterances."""
    config = trained_at(bits, protocol.input_drive)
    model = QuantTransducer(protocol.sizes, config, head_of(config, protocol.head_bits))
    model.load_state_dict(floating.named_as_torch())
    calibrate(model, partial(_hear, model, data.take(evenly(len(data), protocol.measured)), units))
    return model


def _hear(model: QuantTransducer, data: Utterances, units: Units) -> None:
    """Every pair of each utterance, one after the other: there is no padding that is not typical."""
    for frames, text in zip(data.frames, data.texts):
        steps, codes = torch.from_numpy(units.steps(frames)), torch.tensor(codes_of(text), dtype=torch.int64)
        model.together(steps[None], torch.tensor([len(steps)]), codes[None])


def searches_of(weights: FusionWeights, source: Steps, target: Steps) -> list[Search]:
    """In the order of :data:`SEARCHES`."""

    def fused(model: Evaluation) -> Fused:
        return Fused(model, target, source, weights.target, weights.source, weights.reward)

    def best(frames, model, width: int) -> list[int]:
        return beam_search(frames, model, width)[0][0]

    return [
        greedy,
        partial(best, width=4),
        partial(best, width=16),
        lambda frames, model: best(frames, fused(model), 4),
        lambda frames, model: best(frames, fused(model), 16),
    ]


TRIALS = [AsrRnntTrial()]  #: of seed 0

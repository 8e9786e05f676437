"""AN4 by CTC: LSTM layers of both directions, and of one, in float, quantised without training, and trained at their
bits.

After two abstracts on 4-bit LSTMs for speech (docs/papers.md): quantised naively they lose much, with good quantisers
and a short training from the float network little. Their data are not free; networks and training are our choices.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from ...model.formats import DesignError, check_choice, check_integer
from ..calibrate import calibrate
from ..layers.config import QuantConfig
from ..layers.threads import single_thread
from ..speech.an4 import SpeechDataset, Utterances, an4
from ..speech.features import Augmentation, Units, padded_steps
from ..speech.few_bits import evenly, head_of, trained_at
from ..speech.model import FloatModel, QuantModel
from ..speech.scores import by_speaker, character_counts, error_rate, word_counts
from ..speech.training import Descent, descend, read
from .trial import Outcome, Told


class Size(NamedTuple):
    """Of a network."""

    layers: int
    hidden: int  #: units of each direction
    bidirectional: bool = True  #: else it can hear while someone speaks


NETWORKS = {"2x128": Size(2, 128), "3x256": Size(3, 256), "streaming_2x256": Size(2, 256, False)}
SYSTEMS = ("float", "naive", "trained")  #: what is read of each trial: the last two at its bits
AUGMENTATION = Augmentation(
    speed=0.1, tract=0.1, time_masks=2, time_width=8, cepstral_masks=1, cepstral_width=3, noise=0.1
)
SPEAKERS = 10  #: of the test set


def sweep_data(folder: str | Path | None) -> SpeechDataset:
    """AN4, or another file of its layout with as many test speakers, as reports have a number for each.

    Raises :class:`DesignError` for any other number, ahead of all training.
    """
    data = an4(folder)
    found = len(set(data.test.speakers))
    if found != SPEAKERS:
        raise DesignError(f"test speakers of a sweep must be {SPEAKERS}, as AN4 has, not {found}")
    return data


@dataclass(frozen=True)
class AsrProtocol:
    """What decides a trial's run besides its own fields."""

    floating: Descent
    quantised: Descent  #: from the float network on
    dropout: float = 0.3  #: between layers and before the head, in float; none at the trial's bits
    centred: bool = True  #: is each utterance's own mean taken off? No one knows it before the end
    head_bits: int = 8  #: of the head's ADCs, which a host reads
    input_drive: int = 2  #: of the network that is trained at its bits
    quantiser: str = "lsq"  #: of its weights
    per_gate: bool = False  #: a range of its weights for each gate, not one for all of an array
    measured: int = 100  #: training utterances that ranges are measured on


@dataclass(frozen=True, kw_only=True)
class AcousticTrial:
    """One network, trained in float, and its two descendants; a kind of trial says by what."""

    network: str
    bits: int = 4  #: of weights, DACs and ADCs
    seed: int = 0

    task: ClassVar[str]
    is_language = False

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(NETWORKS))
        check_integer("bits", self.bits, 1, 8)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        return f"{self.task}_{self.network}_b{self.bits}_seed{self.seed}"

    @property
    def size(self) -> Size:
        return NETWORKS[self.network]

    def check_data(self, folder: str | Path | None) -> None:
        sweep_data(folder)


@dataclass(frozen=True, kw_only=True)
class AsrCtcTrial(AcousticTrial):
    """Trained by CTC."""

    task = "asr_ctc"

    def protocol(self) -> AsrProtocol:
        floating = Descent(epochs=60, rate=0.004, decay=0.01, augmentation=AUGMENTATION)
        return AsrProtocol(floating, replace(floating, epochs=12, rate=0.0004), centred=self.size.bidirectional)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_trial_on(self, sweep_data(folder), self.protocol(), told)


def run_trial_on(trial: AsrCtcTrial, data: SpeechDataset, protocol: AsrProtocol, told: Told) -> Outcome:
    """:meth:`AsrCtcTrial.run` on ``data``, by ``protocol``."""
    epochs: list[dict[str, float]] = []
    total = protocol.floating.epochs + protocol.quantised.epochs

    def tell(epoch: dict[str, float]) -> None:
        epochs.append(epoch)
        told(len(epochs), total, f"loss {epoch['train_loss']:.4f} nats a character")

    with single_thread():
        units = Units.of(data.train, protocol.centred)
        models = networks_of(trial, data, units, protocol, tell)
        final = {}
        for system, model in zip(SYSTEMS, models, strict=True):
            final |= {
                f"{system}_{name}": value for name, value in scores(data.test, read(model, data.test, units)).items()
            }
    return Outcome(data.content, epochs, final)


def networks_of(
    trial: AsrCtcTrial,
    data: SpeechDataset,
    units: Units,
    protocol: AsrProtocol,
    tell: Callable[[dict[str, float]], object],
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The trained networks in the order of :data:`SYSTEMS`."""
    floating = ctc_network(trial, data.train, units, protocol, tell)
    naive = quantised(floating, trial, data.train, units, protocol, naively=True)
    trained = quantised(floating, trial, data.train, units, protocol)
    descend(trained, data.train, units, protocol.quantised, trial.seed + 1, tell)
    return floating, naive, trained


def ctc_network(
    trial: AsrCtcTrial,
    data: Utterances,
    units: Units,
    protocol: AsrProtocol,
    tell: Callable[[dict[str, float]], object],
) -> FloatModel:
    """The float network, trained."""
    layers, hidden, bidirectional = trial.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.seed)
        floating = FloatModel(hidden, layers, protocol.dropout, bidirectional)
    descend(floating, data, units, protocol.floating, trial.seed, tell)
    return floating


def quantised(
    floating: FloatModel,
    trial: AsrCtcTrial,
    data: Utterances,
    units: Units,
    protocol: AsrProtocol,
    *,
    naively: bool = False,
) -> QuantModel:
    """``floating`` at the trial's bits, its converters' ranges measured on training utterances.

    ``naively``: one range for all weights of an array, up to the largest, ADCs up to the largest voltage, and rows
    that are driven alike. Else by the protocol: ranges of weights and converters that training goes on with, and
    inputs driven harder.
    """
    layers, hidden, bidirectional = trial.size
    if naively:
        config = QuantConfig(weight_bits=trial.bits, dac_bits=trial.bits, adc_bits=trial.bits)
    else:
        config = trained_at(trial.bits, protocol.input_drive, protocol.quantiser, protocol.per_gate)
    head = head_of(config, protocol.head_bits)
    model = QuantModel(hidden, layers, 0.0, config, head, bidirectional)
    model.load_state_dict(floating.named_as_torch())
    rows = evenly(len(data), protocol.measured)
    values, lengths = padded_steps([units.steps(data.frames[row]) for row in rows])
    run = partial(model, torch.from_numpy(values), torch.from_numpy(lengths))
    calibrate(model, run, percentile=100 if naively else 99.9)
    return model


def scores(data: Utterances, heard: list[str]) -> dict[str, float]:
    """Rates ``wer`` and ``cer``, and errors and words of each speaker, by their names' order: ``errors_0``."""
    words = word_counts(data.texts, heard)
    found = {"wer": error_rate(words), "cer": error_rate(character_counts(data.texts, heard))}
    for index, (errors, said) in enumerate(by_speaker(words, data.speakers)):
        found |= {f"errors_{index}": float(errors), f"words_{index}": float(said)}
    return found


TRIALS = [AsrCtcTrial(network=network) for network in NETWORKS]  #: of seed 0

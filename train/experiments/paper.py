"""The experiments of Ma et al. as grids of trials, and the full-protocol run of one trial (docs/sweeps.md)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...model.design import Design
from ...model.formats import DesignError, check_choice, check_integer
from ..config import TrainConfig
from ..data import corpora
from ..data.datasets import data_file, har
from ..epochs import Epoch
from ..evaluation import predict
from ..language import protocols
from ..language.config import LanguageConfig
from ..language.descent import epoch_note
from ..language.names import train_names
from ..language.words import train_words
from ..layers.config import FLOAT, check_bits
from ..layers.noise import PAPER_ADC, Noise
from ..layers.threads import single_thread
from ..network import DesignNetwork
from ..recipe import PROTOCOLS
from ..training import train
from ..warm import quantise
from .trial import Outcome, Told

TASKS = ("har", "ptb", "names")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run: DAC and ADC have ``converter_bits``. Noise acts in training and evaluation, drawn per batch.

    ``post_training``: trained in float, then quantised and calibrated without training (har alone).
    """

    task: str
    weight_bits: int
    converter_bits: int
    adc_noise: float = 0.0  #: ADC steps
    weight_noise: float = 0.0  #: beta
    post_training: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_bits("weight bits", self.weight_bits)
        check_bits("converter bits", self.converter_bits)
        check_integer("seed", self.seed, 0, 2**31 - 1)
        if self.task == "har" and self.weight_bits != self.converter_bits:
            raise DesignError(f"har has one width for all, not {self.weight_bits} and {self.converter_bits} bits")
        if self.post_training and (self.task != "har" or self.weight_bits == FLOAT):
            raise DesignError("quantisation after training is for har at 1 to 16 bits alone")

    @property
    def name(self) -> str:
        """Name of the result's file."""
        name = f"{self.task}_w{self.weight_bits}_a{self.converter_bits}"
        name += "_adcnoise" * bool(self.adc_noise) + f"_beta{100 * self.weight_noise:.0f}" * bool(self.weight_noise)
        return name + "_post" * self.post_training + f"_seed{self.seed}"

    @property
    def label(self) -> str:
        """As in the paper's Table I."""
        if self.weight_bits == FLOAT:
            return "32-bit floating point"
        return f"{self.weight_bits}-bit weight, {self.converter_bits}-bit ADC/DAC"

    @property
    def is_language(self) -> bool:
        return self.task != "har"

    def protocol(self) -> LanguageConfig | TrainConfig:
        """Everything that decides the trial's run besides the data."""
        noise = Noise(adc=self.adc_noise, weight=self.weight_noise)
        if self.task != "har":
            return protocols.language_protocol(self.task, (self.weight_bits, self.converter_bits), self.seed, noise)
        return replace(
            PROTOCOLS["har"],
            quantiser="sawb" if self.weight_bits < 4 else "absmax",
            seed=self.seed,
            floating=self.post_training or self.weight_bits == FLOAT,
            train_noise=noise,
            eval_noise=noise,
        )

    def check_data(self, folder: str | Path | None) -> None:
        (har if self.task == "har" else _LANGUAGE[self.task][0])(folder)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        if self.task == "har":  # small networks, on the CPU
            return _har(self, folder, told)
        read, train_model = _LANGUAGE[self.task]
        data, config = read(folder), self.protocol()
        assert isinstance(config, LanguageConfig)

        def progress(done: int, total: int, perplexity: float) -> None:
            told(done, total, epoch_note(done, total, config.epochs, perplexity))

        result = train_model(data, config, progress, device=device)
        if network is not None:
            result.model.save(network)
        return Outcome(data.checksum, list(result.epochs), result.final)


HAR_BITS = (1, 2, 3, 4, 6, 8, 16)
BETAS = (0.0, 0.05, 0.1, 0.15, 0.2)


def _trials(task: str, *bits: tuple[int, int], **fields) -> list[Trial]:
    return [Trial(task=task, weight_bits=w, converter_bits=a, **fields) for w, a in bits]


_GRID = [(w, a) for w in (1, 2, 3, 4) for a in (1, 2, 3, 4)]
_TWO_WEIGHTS = [(w, a) for w in (2, 4) for a in (1, 2, 3, 4)]
EXPERIMENTS: dict[str, list[Trial]] = {
    "fig4": _trials("har", (32, 32), *((b, b) for b in HAR_BITS))
    + _trials("har", *((b, b) for b in HAR_BITS), post_training=True),
    "fig5": _trials("ptb", (32, 32), (4, 4), (2, 2), (1, 2)),
    "fig6": _trials("ptb", (32, 32), *_GRID),
    "table1": _trials("names", (32, 32), (4, 4), (2, 2), (1, 1)),
    "fig7": _trials("ptb", *_TWO_WEIGHTS) + _trials("ptb", *_TWO_WEIGHTS, adc_noise=PAPER_ADC),
    "fig8": [trial for beta in BETAS for trial in _trials("ptb", (2, 4), (4, 4), weight_noise=beta)],
}  #: of seed 0; a trial that two figures show is the same, and runs once


def har_design(bits: int) -> Design:
    """The preset ``har`` at ``bits`` for weights and converters, its head's ADC with at least 8.

    One bit has no zero, so the first layer's ReLU, whose sign is always +, becomes tanh there.
    """
    design = Design.load("har")
    if bits == FLOAT:
        return design
    first, lstm, head = (replace(layer, dac_bits=bits, weight_bits=bits) for layer in design.layers)
    function = "tanh" if bits == 1 else first.function
    first = replace(first, adc_bits=bits, output_bits=bits, function=function)
    return Design("har", (first, replace(lstm, adc_bits=bits), replace(head, adc_bits=max(8, bits))))


_LANGUAGE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "names": (corpora.names, train_names),
    "ptb": (corpora.penn_treebank, train_words),
}


def _har(trial: Trial, folder: str | Path | None, told: Told) -> Outcome:
    config, design = trial.protocol(), har_design(trial.weight_bits)
    assert isinstance(config, TrainConfig)
    data, checksum = _har_data(folder)
    plain = replace(config, quantiser="absmax")  # a float run has no use for it

    def progress(done: int, total: int, epoch: Epoch) -> None:
        told(done, total, f"loss {epoch.loss:.4f} nats")

    result = _floating(plain, folder, progress) if config.floating else train(design, data, config, progress=progress)
    accuracy = result.accuracy
    if trial.post_training:
        with single_thread():
            accuracy = _quantised_after(result.model, design, data, config)
    return Outcome(checksum, [{"train_loss": loss} for loss in result.losses], {"accuracy": accuracy})


@lru_cache(maxsize=1)
def _har_data(folder):
    return har(folder), corpora.checksum([data_file("har.npz", folder).read_bytes()])


_floats: dict = {}  #: the last float run of this process


def _floating(config: TrainConfig, folder, progress):
    """The float run, which the trials quantised after training share: a worker gets them one after the other."""
    if (config, folder) not in _floats:
        found = train(har_design(FLOAT), _har_data(folder)[0], config, progress=progress)
        _floats.clear()
        _floats[config, folder] = found
    return _floats[config, folder]


def _quantised_after(floating: DesignNetwork, design: Design, data, config: TrainConfig) -> float:
    """Test accuracy of a float network's weights in ``design``, ranges calibrated on training data."""
    scale, offset = data.input_range(config.deviations)
    picked = data.train.take(np.arange(0, len(data.train), max(1, len(data.train) // 256)))
    inputs = torch.from_numpy((picked.features * scale + offset).astype(np.float32)).clamp(-1, 1)
    model = DesignNetwork(design)
    quantise(model, floating, inputs, torch.from_numpy(picked.lengths))
    return float(
        (predict(model, data.test, {"input_scale": scale, "input_offset": offset}) == data.test.labels).mean()
    )

"""Networks that read pen strokes in noise: what ``strokes-snr`` and ``deep-noise`` share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...model.design import Design
from ...model.layers import DenseLayer, LstmLayer, RnnLayer
from ..config import TrainConfig
from ..data.sequences import SequenceDataset, Sequences
from ..data.strokes import strokes
from ..epochs import Epoch, tensors_of
from ..evaluation import outputs_of
from ..layers.array import ArrayModule
from ..layers.noise import Noise
from ..layers.signal import Powers, signal_power
from ..network import DesignNetwork
from ..training import Progress, host_units, train
from .trial import Told

USUAL = TrainConfig(
    batch=128,
    forget_bias=2.42,
    input_range="error",
    quantiser="lsq",
    learn_range=True,
    fast=True,
    input_noise=0.0,
)  #: what the rules choose for these digits, whose inputs get no noise
RATES = {"lstm": 0.02, "rnn": 0.005}  #: learning rates; at that of an LSTM a simple recurrent network learns nothing
MEASURED = 1000  #: training digits of which the signals are measured
TOGETHER = 512  #: digits of like length that are read at a time

Noises = Mapping[ArrayModule, Noise]  #: of every array


@dataclass(frozen=True)
class Protocol:
    """What decides a trial: two stages of training, of which ``noisy`` goes on from ``clean``.

    A network at 4 bits has a stage in float before, which is ``clean`` but for that.
    """

    design: str  #: fingerprint
    digits: int  #: the first ones of the training set
    tests: int  #: the first ones of the test set
    reads: int  #: of each noise
    clean: TrainConfig
    noisy: TrainConfig


def design_of(network: str) -> Design:
    """Of ``lstm64`` or ``rnn128``: a layer of so many units, and a head of 10 logits with 8-bit ADCs."""
    kind = network.rstrip("0123456789")
    hidden = int(network[len(kind) :])
    layer = {"lstm": LstmLayer, "rnn": RnnLayer}[kind](inputs=4, hidden=hidden, adcs=16)
    head = DenseLayer(inputs=hidden, outputs=10, adcs=10, adc_bits=8, emit="end", output="codes")
    return Design("strokes", (layer, head))


def clean_config(network: str, seed: int, floating: bool, epochs: int) -> TrainConfig:
    rate = RATES[network.rstrip("0123456789")]
    return replace(USUAL, seed=seed, floating=floating, epochs=epochs, learning_rate=rate)


@lru_cache(maxsize=2)
def digits_of(folder: str | Path | None, digits: int, tests: int) -> SequenceDataset:
    """The first of both sets, those of the test set by length."""
    found = strokes(folder)
    train_set, test = found.train.take(np.arange(digits)), found.test.take(np.arange(tests))
    return replace(found, train=train_set, test=test.take(np.argsort(test.lengths, kind="stable")))


_clean: dict[tuple[str, TrainConfig, str], DesignNetwork] = {}  #: the process's last float one, and last at 4 bits


def clean_network(network: str, protocol: Protocol, data: SequenceDataset, told: Told) -> DesignNetwork:
    """The network that noise is added to, which trials share: a worker gets them one after the other."""
    key = network, protocol.clean, data.content
    if key not in _clean:
        start = None
        if not protocol.clean.floating:
            floating = replace(protocol, clean=replace(protocol.clean, floating=True))
            start = clean_network(network, floating, data, told)
        result = train(
            design_of(network), data, protocol.clean, start=start, progress=progress_of(told, "without noise")
        )
        for old in [each for each in _clean if each[1].floating == protocol.clean.floating]:
            del _clean[old]
        _clean[key] = result.model
    _clean[key].set_noise(evaluate=Noise())
    return _clean[key]


def progress_of(told: Told, what: str) -> Progress:
    """For a stage of a training."""

    def progress(done: int, total: int, epoch: Epoch) -> None:
        told(done, total, f"{what}, loss {epoch.loss:.4f} nats")

    return progress


def powers_of(model: DesignNetwork, data: SequenceDataset, config: TrainConfig) -> Powers:
    """Of the signals of every array, on training digits, without noise."""
    some = data.train.take(np.linspace(0, len(data.train) - 1, min(MEASURED, len(data.train))).astype(int))
    x, lengths, _ = tensors_of(some, host_units(model.design, data, config))
    return signal_power(model, lambda: model(x.clamp(-1, 1), lengths), lengths)


def read(model: DesignNetwork, data: SequenceDataset, config: TrainConfig, noise: Noises | Noise) -> np.ndarray:
    """Outputs (B, 10) of one read of all test digits, which are ordered by length: no step of padding is computed."""
    model.set_noise(evaluate=noise)
    host, parts = host_units(model.design, data, config), []
    for start in range(0, len(data.test), TOGETHER):
        part = data.test.take(np.arange(start, min(start + TOGETHER, len(data.test))))
        steps = int(part.lengths.max())
        parts.append(outputs_of(model, Sequences(part.features[:, :steps], part.lengths, part.labels), host))
    return np.concatenate(parts)

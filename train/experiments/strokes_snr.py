"""Noise-injected training and votes on pen strokes, after Qin and Vucinic (docs/sweeps.md)."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from ...model.formats import check_boolean, check_choice, check_integer
from ...model.metrics import accuracy, majority
from ..config import POWERS, TrainConfig
from ..data.sequences import SequenceDataset
from ..layers.noise import SITES, Noise
from ..layers.signal import noise_at_snr, snr_of
from ..network import DesignNetwork
from ..training import train
from .strokes import (
    Noises,
    Protocol,
    clean_config,
    clean_network,
    design_of,
    digits_of,
    powers_of,
    progress_of,
    read,
)
from .trial import Outcome, Told

NETWORKS = ("lstm64", "rnn128", "lstm128")
VOTES = (1, 3, 9, 25, 49)
RULES = ("majority", "mean")  #: of the classes; of the outputs
DIGITS, TESTS, EPOCHS = 60000, 10000, 5
NOISELESS = 0.5  #: share of the batches of the noisy stage without noise


@dataclass(frozen=True, kw_only=True)
class SnrTrial:
    """A network that is trained without noise, then in noise of 0 dB, and read in that noise before and after."""

    network: str
    floating: bool  #: else weights, DACs and ADCs have 4 bits
    site: str
    power: str
    seed: int = 0

    task = "strokes_snr"
    is_language = False

    def __post_init__(self) -> None:
        check_choice("network", self.network, NETWORKS)
        check_boolean("floating", self.floating)
        check_choice("site of noise", self.site, SITES)
        check_choice("power of noise", self.power, POWERS)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        bits = "float" if self.floating else "w4_a4"
        return f"strokes_snr_{self.network}_{bits}_{self.site}_{self.power}_seed{self.seed}"

    def protocol(self) -> Protocol:
        clean = clean_config(self.network, self.seed, self.floating, EPOCHS)
        noisy = replace(clean, snr=0.0, snr_site=self.site, snr_power=self.power, noiseless=NOISELESS)
        return Protocol(design_of(self.network).fingerprint, DIGITS, TESTS, VOTES[-1], clean, noisy)

    def check_data(self, folder: str | Path | None) -> None:
        digits_of(folder, DIGITS, TESTS)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_protocol(self, self.protocol(), digits_of(folder, DIGITS, TESTS), told)


def run_protocol(trial: SnrTrial, protocol: Protocol, data: SequenceDataset, told: Told) -> Outcome:
    """Train and read by ``protocol``."""
    clean = clean_network(trial.network, protocol, data, told)
    final = dict(_naive(trial, clean, protocol, data, told))
    result = train(
        clean.design, data, protocol.noisy, start=clean, progress=progress_of(told, f"0 dB, {trial.power} power")
    )
    after = powers_of(result.model, data, protocol.noisy)
    noise: Noises = {array: array.train_noise for array in after}
    if trial.power == "relative":
        noise = noise_at_snr(after, 0.0, site=trial.site)
    final["trained_clean"] = result.accuracy
    final |= _votes("trained", result.model, noise, protocol, data, told)
    final |= zip(("snr_layer", "snr_head"), snr_of(after, noise, site=trial.site))
    return Outcome(data.content, [{"train_loss": loss} for loss in result.losses], final)


_found: dict[
    tuple[str, str, TrainConfig, str], dict[str, float]
] = {}  #: the process's last float one, and last at 4 bits


def _naive(
    trial: SnrTrial, clean: DesignNetwork, protocol: Protocol, data: SequenceDataset, told: Told
) -> dict[str, float]:
    """The clean network without noise and in it, which the trials of both powers share."""
    key = trial.network, trial.site, protocol.clean, data.content
    if key not in _found:
        quiet = read(clean, data, protocol.clean, Noise())
        noise = noise_at_snr(powers_of(clean, data, protocol.clean), 0.0, site=trial.site)
        found = {"clean": accuracy(quiet.argmax(1), data.test.labels)}
        found |= _votes("naive", clean, noise, protocol, data, told)
        for old in [each for each in _found if each[2].floating == protocol.clean.floating]:
            del _found[old]
        _found[key] = found
    return _found[key]


def _votes(
    what: str, model: DesignNetwork, noise: Noises | Noise, protocol: Protocol, data: SequenceDataset, told: Told
) -> dict[str, float]:
    """Accuracy in ``noise`` by both rules, for each number of votes."""
    model.set_noise(seed=1000 + protocol.clean.seed)
    reads, labels = [], data.test.labels
    for number in range(protocol.reads):
        reads.append(read(model, data, protocol.clean, noise))
        told(number + 1, protocol.reads, f"reads of the {what} network")
    outputs = np.stack(reads)
    found = {}
    for votes in (k for k in VOTES if k <= protocol.reads):
        found[f"{what}_majority_{votes}"] = accuracy(majority(outputs[:votes].argmax(2)), labels)
        found[f"{what}_mean_{votes}"] = accuracy(outputs[:votes].mean(0).argmax(1), labels)
    return found


TRIALS = [
    SnrTrial(network=network, floating=floating, site=site, power=power)
    for network, site, power, floating in product(NETWORKS, ("sums", "rows"), POWERS, (True, False))
]  #: of seed 0

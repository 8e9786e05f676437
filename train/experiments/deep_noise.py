"""Deep noise injection on pen strokes, after Qin and Vucinic: trained in noise of one power, read in many."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ...model.formats import check_choice, check_integer
from ...model.metrics import accuracy
from ..data.sequences import SequenceDataset
from ..layers.array import ArrayModule
from ..layers.noise import Noise
from ..layers.signal import SignalPower, noise_at_snr, snr_of
from ..training import train
from .strokes import Protocol, clean_config, clean_network, design_of, digits_of, powers_of, progress_of, read
from .trial import Outcome, Told

NETWORKS = ("lstm64", "rnn64")
OFF = 99  #: stands for no noise: a second stage all the same, so that all are trained for as long
TRAINED = (OFF, 20, 10, 6, 3, 0, -3)  #: dB
READ = tuple(range(-6, 31, 3))  #: dB
DIGITS, TESTS = 12000, 3000
EPOCHS = {"lstm64": 6, "rnn64": 12}  #: of each stage


@dataclass(frozen=True, kw_only=True)
class DeepNoiseTrial:
    """A float network that is trained without noise, then in noise on all sums, and read in more and less of it.

    SNRs are by the signals that the network had between the two stages: one SNR is one power of noise for all that go
    on from there. They are read by their own signals, too, which have grown since.
    """

    network: str
    trained: int  #: dB, or :data:`OFF`
    seed: int = 0

    task = "deep_noise"
    is_language = False

    def __post_init__(self) -> None:
        check_choice("network", self.network, NETWORKS)
        check_integer("SNR of training", self.trained, -100, 100)
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        noise = "off" if self.trained == OFF else f"{self.trained}db"
        return f"deep_noise_{self.network}_{noise}_seed{self.seed}"

    def protocol(self) -> Protocol:
        clean = clean_config(self.network, self.seed, True, EPOCHS[self.network])
        snr = None if self.trained == OFF else float(self.trained)
        return Protocol(design_of(self.network).fingerprint, DIGITS, TESTS, 1, clean, replace(clean, snr=snr))

    def check_data(self, folder: str | Path | None) -> None:
        digits_of(folder, DIGITS, TESTS)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_protocol(self, self.protocol(), digits_of(folder, DIGITS, TESTS), told)


def run_protocol(trial: DeepNoiseTrial, protocol: Protocol, data: SequenceDataset, told: Told) -> Outcome:
    """Train and read by ``protocol``."""
    clean = clean_network(trial.network, protocol, data, told)
    before = powers_of(clean, data, protocol.clean)
    what = "without noise" if protocol.noisy.snr is None else f"at {protocol.noisy.snr:g} dB"
    result = train(clean.design, data, protocol.noisy, start=clean, progress=progress_of(told, what))
    after = powers_of(result.model, data, protocol.noisy)
    fixed: dict[ArrayModule, SignalPower] = dict(zip(after, before.values()))
    final = {"clean": result.accuracy}
    for power, powers in (("fixed", fixed), ("own", after)):
        result.model.set_noise(seed=1000 + protocol.clean.seed)
        for decibels in READ:
            noise = noise_at_snr(powers, decibels, site="sums")
            outputs = read(result.model, data, protocol.clean, noise)
            final[f"{power}_{decibels}"] = accuracy(outputs.argmax(1), data.test.labels)
    grown: dict[ArrayModule, Noise] = noise_at_snr(fixed, 0.0, site="sums")
    final |= zip(("gained_layer", "gained_head"), snr_of(after, grown, site="sums"))
    return Outcome(data.content, [{"train_loss": loss} for loss in result.losses], final)


TRIALS = [DeepNoiseTrial(network=network, trained=trained) for network, trained in product(NETWORKS, TRAINED)]

"""MNIST in noise as strong as the signals: networks that know it, read again and again, beside one that does not.

After the abstract of M. Qin and D. Vucinic, "Noisy computations during inference: harmful or helpful?" (2018): 21.1 %
and, trained with noise and voted, 99.5 %. The rest of the paper is not at hand: networks, noise and training are our
choices (docs/sweeps.md).
"""

from dataclasses import dataclass
from pathlib import Path

from ...model.formats import check_choice, check_integer, check_number
from ...model.records import store
from ..data.images import mnist
from ..layers.config import FLOAT, check_bits
from .image_noise import ImageProtocol, run_trial_on
from .image_training import Descent
from .trial import Outcome, Told

SIZES = {"conv": 32, "dense": 512, "lstm": 128}  #: of :mod:`.image_networks`


@dataclass(frozen=True, kw_only=True)
class MnistTrial:
    """One network, trained without noise and read in noise, then trained on in it and read again.

    An :class:`.image_noise.ImageTrial`, which says what the fields are.
    """

    network: str
    bits: int  #: of weights, DACs and ADCs
    snr: float = 0.0  #: dB
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(SIZES))
        check_bits("bits", self.bits)
        store(self, "snr", check_number("SNR in dB", self.snr, -100, 300))
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def task(self) -> str:
        return "mnist"

    @property
    def name(self) -> str:
        return f"mnist_{self.network}_b{self.bits}_{self.snr:g}db_seed{self.seed}"

    @property
    def label(self) -> str:
        return "float" if self.bits == FLOAT else f"{self.bits}/{self.bits}/{self.bits}"

    @property
    def is_language(self) -> bool:
        return False

    def protocol(self) -> ImageProtocol:
        quantised = None if self.bits == FLOAT else Descent(epochs=2, rate=0.001)
        noisy = Descent(epochs=16, rate=0.003) if self.network == "conv" else Descent(epochs=12)
        return ImageProtocol(SIZES[self.network], Descent(epochs=3), quantised, noisy)

    def check_data(self, folder: str | Path | None) -> None:
        mnist(folder)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_trial_on(self, mnist(folder), self.protocol(), told)


MNIST = [MnistTrial(network=network, bits=bits) for network in SIZES for bits in (FLOAT, 4)]

"""CIFAR-10 in noise as strong as the signals, as :mod:`.mnist` has digits.

The abstract of Qin and Vucinic has 29.9 % and, trained with noise and voted, 89.1 %. It does not name its network.
Ours is small.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from ...model.formats import check_integer, check_number
from ...model.records import store
from ..data.images import cifar10
from ..layers.config import FLOAT, check_bits
from .image_noise import ImageProtocol, run_trial_on
from .image_training import Descent
from .trial import Outcome, Told

SIZE = 16  #: of :class:`.image_networks.PhotoNetwork`


@dataclass(frozen=True, kw_only=True)
class CifarTrial:
    """The network, trained without noise and read in noise, then trained on in it and read again.

    An :class:`.image_noise.ImageTrial`, which says what the fields are.
    """

    bits: int
    snr: float = 0.0
    seed: int = 0

    task = "cifar"
    network = "photo"
    is_language = False

    def __post_init__(self) -> None:
        check_bits("bits", self.bits)
        store(self, "snr", check_number("SNR in dB", self.snr, -100, 300))
        check_integer("seed", self.seed, 0, 2**31 - 1)

    @property
    def name(self) -> str:
        return f"cifar_b{self.bits}_{self.snr:g}db_seed{self.seed}"

    @property
    def label(self) -> str:
        return "float" if self.bits == FLOAT else f"{self.bits}/{self.bits}/{self.bits}"

    def protocol(self) -> ImageProtocol:
        clean = Descent(epochs=4, rate=0.003, turn=0.0, scale=0.1, shift=0.05, mirror=True)
        quantised = None if self.bits == FLOAT else replace(clean, epochs=2, rate=0.001)
        return ImageProtocol(SIZE, clean, quantised, replace(clean, epochs=6), reads=(1, 3, 9))

    def check_data(self, folder: str | Path | None) -> None:
        cifar10(folder)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_trial_on(self, cifar10(folder), self.protocol(), told)


CIFAR = [CifarTrial(bits=bits) for bits in (FLOAT, 4)]

"""Black-box attacks on MNIST, with noise as the defence.

After the second half of the abstract of M. Qin and D. Vucinic, "Noisy computations during inference: harmful or
helpful?" (2018): noise during inference makes adversarially trained networks withstand black-box attacks better, by
0.5 points for MNIST. Attacks, networks and noise are our choices (docs/sweeps.md).
"""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...model.formats import check_boolean, check_choice, check_integer
from ..data.images import ImageDataset, Images, mnist
from ..layers.config import FLOAT, check_bits
from ..layers.noise import Noise
from ..layers.signal import noise_at_snr, signal_power
from ..layers.threads import single_thread
from ..layers.whole_model import GivenNoise, set_noise
from .attacks import fgsm, pgd
from .image_noise import SITE, ImageProtocol, clean_network
from .image_training import TOGETHER, Descent, descend, outputs_of
from .mnist import SIZES, MnistTrial
from .trial import Outcome, Told

ATTACKS = ("fgsm", "pgd")
STRANGER = 100000  #: added to a trial's seed, that of the attacker's own network


@dataclass(frozen=True)
class Attacker:
    """What the attacker does, by the digits alone."""

    surrogate: ImageProtocol  #: of the attacker's own network: the clean stage alone
    epsilons: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    steps: int = 20  #: of PGD, from a random start
    rate: float = 0.125  #: of each step, as a share of epsilon


@dataclass(frozen=True)
class AttackProtocol:
    """What decides a trial's run besides its own fields."""

    attacker: Attacker
    attacked: ImageProtocol  #: its noisy stage, once in noise and once without
    snr: float = 0.0  #: dB, of the noise that the second network is trained in, as in ``mnist-snr``
    injected: tuple[float, ...] = (20.0, 10.0, 0.0)  #: dB, of noise that the first meets in inference alone
    reads: int = 9  #: that vote, by the mean of the outputs


@dataclass(frozen=True, kw_only=True)
class AttackTrial:
    """Networks under attack: one trained without noise, one for as long in noise; both read with noise and without.

    The attacker has the training digits and trains a float network of the same kind, of another seed, without noise.
    Digits that fool it are shown to the two.
    """

    network: str
    bits: int  #: of weights, DACs and ADCs
    adversarial: bool  #: is the last stage of both on digits that are attacked, each network itself being the model?
    seed: int = 0

    task = "mnist_attack"
    is_language = False

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(SIZES))
        check_bits("bits", self.bits)
        check_boolean("adversarial", self.adversarial)
        check_integer("seed", self.seed, 0, 2**31 - 1 - STRANGER)

    @property
    def name(self) -> str:
        training = "adversarial" if self.adversarial else "plain"
        return f"mnist_attack_{self.network}_b{self.bits}_{training}_seed{self.seed}"

    @property
    def label(self) -> str:
        return "float" if self.bits == FLOAT else f"{self.bits}/{self.bits}/{self.bits}"

    def protocol(self) -> AttackProtocol:
        size, first = SIZES[self.network], Descent(epochs=3)
        quantised = None if self.bits == FLOAT else Descent(epochs=2, rate=0.001)
        further = Descent(epochs=6)
        if self.adversarial:
            further = replace(further, epsilon=0.1, turn=0.0, scale=0.0, shift=0.0)
        attacked = ImageProtocol(size, first, quantised, further)
        return AttackProtocol(Attacker(ImageProtocol(size, first, None, Descent(epochs=0))), attacked)

    def check_data(self, folder: str | Path | None) -> None:
        digits_of(folder)

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        return run_attack_on(self, digits_of(folder), self.protocol(), told)


@lru_cache(maxsize=1)
def digits_of(folder: str | Path | None) -> ImageDataset:
    return mnist(folder)


def digits_shown(attacker: Attacker) -> list[str]:
    """Names of the sets of test digits: as they are, and by each attack: ``pgd_0.2``."""
    return ["clean", *(f"{attack}_{epsilon:g}" for attack in ATTACKS for epsilon in attacker.epsilons)]


def states_of(protocol: AttackProtocol) -> list[str]:
    """Names of the ways to read: the first network ``quiet`` or in noise, then the one that was trained in noise.

    ``_1`` is one read, and else so many vote.
    """
    counts = (1, protocol.reads)
    injected = [f"injected{decibels:g}_{count}" for decibels in protocol.injected for count in counts]
    return ["quiet", *injected, "trained_quiet", *(f"trained_{count}" for count in counts)]


def run_attack_on(trial: AttackTrial, data: ImageDataset, protocol: AttackProtocol, told: Told) -> Outcome:
    """:meth:`AttackTrial.run` on ``data``, by ``protocol``.

    Final are, for every set of digits and state, the accuracy (``pgd_0.2_quiet``) and, past ``quiet``, the standard
    error over digits of its difference to ``quiet`` (``pgd_0.2_trained_1_error``).
    """
    stages = protocol.attacked
    total = stages.clean.epochs + 2 * stages.noisy.epochs + (stages.quantised.epochs if stages.quantised else 0)
    epochs: list[dict[str, float]] = []

    def tell(epoch: dict[str, float]) -> None:
        epochs.append(epoch)
        told(len(epochs), total, f"loss {epoch['train_loss']:.4f}")

    with single_thread():
        told(0, total, "the attacker's network")
        shown = attacked_digits(data, trial.network, protocol.attacker, trial.seed)
        like = MnistTrial(network=trial.network, bits=trial.bits, seed=trial.seed)
        plain = clean_network(like, data, stages, tell)
        trained = copy.deepcopy(plain)
        some = data.train.values[: stages.measured]
        powers = signal_power(trained, lambda: trained(some))
        noise = noise_at_snr(powers, protocol.snr, site=SITE)
        for model, given in ((plain, None), (trained, noise)):
            set_noise(model, seed=trial.seed)
            descend(model, data.train, stages.noisy, trial.seed + 2, given, tell)
        powers = signal_power(plain, lambda: plain(some))
        injected = {f"injected{each:g}": noise_at_snr(powers, each, site=SITE) for each in protocol.injected}
        final: dict[str, float] = {}
        for name, digits in shown.items():
            right = {"quiet": rights(plain, digits, Noise(), 1, trial.seed)[1]}
            for state, given in injected.items():
                right |= _named(state, rights(plain, digits, given, protocol.reads, trial.seed))
            right["trained_quiet"] = rights(trained, digits, Noise(), 1, trial.seed)[1]
            right |= _named("trained", rights(trained, digits, noise, protocol.reads, trial.seed))
            final |= _numbers(name, right)
    return Outcome(data.content, epochs, final)


def _named(state: str, right: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{state}_{count}": found for count, found in right.items()}


def _numbers(name: str, right: dict[str, np.ndarray]) -> dict[str, float]:
    """Accuracies, and standard errors of their differences to the first, digit by digit."""
    found = {f"{name}_{state}": float(each.mean()) for state, each in right.items()}
    for state, each in right.items():
        if state != "quiet":
            found[f"{name}_{state}_error"] = float((each - right["quiet"]).std(ddof=1) / len(each) ** 0.5)
    return found


def rights(model: nn.Module, digits: Images, noise: GivenNoise, reads: int, seed: int) -> dict[int, np.ndarray]:
    """(B,) of each digit, by the number of reads that decide: the share of single ones that are right; 1 or 0."""
    set_noise(model, evaluate=noise, seed=1000 + seed)
    outputs, labels = np.stack([outputs_of(model, digits) for _ in range(reads)]), digits.labels.numpy()
    single = (outputs.argmax(2) == labels).mean(0)
    return {1: single} | ({} if reads == 1 else {reads: (outputs.mean(0).argmax(1) == labels).astype(float)})


@lru_cache(maxsize=1)
def attacked_digits(data: ImageDataset, network: str, attacker: Attacker, seed: int) -> dict[str, Images]:
    """By :func:`digits_shown`: the test digits, made on the attacker's network. All trials of a seed share them."""
    theirs = MnistTrial(network=network, bits=FLOAT, seed=seed + STRANGER)
    model = clean_network(theirs, data, attacker.surrogate, lambda epoch: None).eval()
    generator = torch.Generator().manual_seed(theirs.seed)
    shown = {"clean": data.test}
    parts = list(zip(data.test.values.split(TOGETHER), data.test.labels.split(TOGETHER)))
    for epsilon in attacker.epsilons:
        small = partial(pgd, steps=attacker.steps, rate=attacker.rate, generator=generator)
        once = [fgsm(model, values, labels, epsilon) for values, labels in parts]
        often = [small(model, values, labels, epsilon) for values, labels in parts]
        for attack, made in zip(ATTACKS, (once, often)):
            shown[f"{attack}_{epsilon:g}"] = Images(torch.cat(made), data.test.labels)
    return shown


MNIST_ATTACK = [
    AttackTrial(network="dense", bits=bits, adversarial=adversarial)
    for bits in (FLOAT, 4)
    for adversarial in (False, True)
]

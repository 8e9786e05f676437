"""Attacks on MNIST's networks: whose network they are made on, what is read in which noise, and the standard errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model.formats import DesignError
from ohmgate.train.data.images import ImageDataset, Images
from ohmgate.train.experiments import mnist_attack as experiment
from ohmgate.train.experiments.attacks import fgsm
from ohmgate.train.experiments.image_noise import ImageProtocol, clean_network, made
from ohmgate.train.experiments.image_training import Descent, descend, score
from ohmgate.train.experiments.mnist import MnistTrial
from ohmgate.train.experiments.mnist_attack import (
    MNIST_ATTACK,
    STRANGER,
    Attacker,
    AttackProtocol,
    AttackTrial,
    attacked_digits,
    digits_shown,
    rights,
    run_attack_on,
    states_of,
)
from ohmgate.train.experiments.trial import belongs, of_seeds, record
from ohmgate.train.layers.config import FLOAT
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import signal_power
from ohmgate.train.layers.whole_model import arrays_of
from tests.patterns import patterns

DATA = patterns()
PLAIN = Descent(epochs=2, rate=0.01, batch=20, turn=2.0, scale=0.02, shift=0.02)


def protocol(trial: AttackTrial, further: Descent = PLAIN, **changes) -> AttackProtocol:
    quantised = None if trial.bits == FLOAT else replace(PLAIN, rate=0.003)
    attacked = ImageProtocol(16, PLAIN, quantised, further, measured=50)
    attacker = Attacker(ImageProtocol(16, PLAIN, None, PLAIN), epsilons=(0.1, 0.4), steps=4, rate=0.5)
    return AttackProtocol(attacker, attacked, injected=(10.0, 0.0), reads=3, **changes)


def dense(bits: int = FLOAT, adversarial: bool = False, seed: int = 0) -> AttackTrial:
    return AttackTrial(network="dense", bits=bits, adversarial=adversarial, seed=seed)


@pytest.mark.parametrize("bits", [FLOAT, 4])
def test_without_learning_both_networks_are_the_same(bits):
    """A last stage at a rate of 0: so noise of 0 dB, be it trained in or injected, gives the same reads."""
    trial = dense(bits)
    final = run_attack_on(trial, DATA, protocol(trial, replace(PLAIN, rate=0.0)), print).final
    names = digits_shown(protocol(trial).attacker)
    assert names == ["clean", "fgsm_0.1", "fgsm_0.4", "pgd_0.1", "pgd_0.4"]
    for name in names:
        assert final[f"{name}_trained_quiet"] == final[f"{name}_quiet"]
        assert final[f"{name}_trained_quiet_error"] == 0
        for count in (1, 3):
            for number in (f"{count}", f"{count}_error"):
                assert final[f"{name}_trained_{number}"] == final[f"{name}_injected0_{number}"]
    assert len(final) == len(names) * (2 * len(states_of(protocol(trial))) - 1)
    assert final["clean_injected0_1"] < final["clean_injected10_1"] < final["clean_quiet"]
    assert final["pgd_0.4_quiet"] < final["pgd_0.1_quiet"] - 0.2


def test_the_attacker_has_a_network_of_another_seed(monkeypatch):
    attacker = protocol(dense()).attacker
    shown = attacked_digits(DATA, "dense", attacker, 5)
    theirs = clean_network(
        MnistTrial(network="dense", bits=FLOAT, seed=5 + STRANGER), DATA, attacker.surrogate, lambda epoch: None
    )
    wanted = fgsm(theirs, DATA.test.values, DATA.test.labels, 0.4)
    assert torch.equal(shown["fgsm_0.4"].values, wanted)
    assert torch.equal(shown["clean"].values, DATA.test.values)
    near = (shown["pgd_0.1"].values - DATA.test.values).abs().max()
    assert near == pytest.approx(0.1)
    assert all(torch.equal(digits.labels, DATA.test.labels) for digits in shown.values())
    monkeypatch.setattr(experiment, "clean_network", None)  # trials of a seed share the attacks
    assert attacked_digits(DATA, "dense", attacker, 5) is shown


def test_one_network_is_trained_in_noise_and_one_for_as_long_without(monkeypatch):
    given, some = [], DATA.train.values[:50]
    trial = dense(4, adversarial=True, seed=3)
    further = replace(PLAIN, epsilon=0.2)

    def stage(model, images, descent, seed, noise=None, tell=None):
        powers = signal_power(model, lambda: model(some))
        given.append((descent, seed, noise and [powers[array].sums / each.adc for array, each in noise.items()]))

    monkeypatch.setattr(experiment, "descend", stage)
    run_attack_on(trial, DATA, protocol(trial, further, snr=6.0), print)
    assert [(descent, seed) for descent, seed, _ in given] == [(further, 5)] * 2
    assert given[0][2] is None
    assert given[1][2] == pytest.approx([10 ** (6 / 20)] * 3)


class Reads(nn.Module):
    """An array, so that there is noise to set, and outputs that were made before, read after read."""

    def __init__(self, outputs):
        super().__init__()
        self.array = made("dense", protocol(dense()).attacked, FLOAT)
        self.outputs = iter(outputs)

    def forward(self, images):
        return torch.tensor(next(self.outputs))


def test_single_reads_are_counted_in_shares_and_votes_by_the_mean():
    """Image 0: two of three reads are wrong, but the mean is right. Image 1: always right. Image 2: never."""
    other = [[2.0, 0.0], [0.0, 1.0]]
    reads = [[[0.0, 1.0], *other], [[0.0, 1.0], *other], [[9.0, 0.0], *other]]
    digits = Images(torch.zeros(3, 1, 28, 28), torch.tensor([0, 0, 0]))
    model = Reads(reads)
    found = rights(model, digits, Noise(adc=1.0), 3, 7)
    assert found[1] == pytest.approx([1 / 3, 1, 0])
    assert found[3].tolist() == [1, 1, 0]
    assert {array.eval_noise for array in arrays_of(model)} == {Noise(adc=1.0)}
    assert list(rights(Reads(reads), digits, Noise(), 1, 7)) == [1]


def test_errors_are_of_paired_differences():
    """Of 100 digits 10 are gained and 4 lost: the share's variance is (14 - 6^2 / 100) / 99 / 100, as McNemar's."""
    before, after = np.zeros(100), np.zeros(100)
    before[:54] = 1
    after[4:64] = 1
    found = experiment._numbers("pgd_0.1", {"quiet": before, "trained_1": after})
    assert found["pgd_0.1_quiet"] == 0.54
    assert found["pgd_0.1_trained_1"] == 0.6
    assert found["pgd_0.1_trained_1_error"] == pytest.approx(((14 - 6**2 / 100) / 99 / 100) ** 0.5)
    assert set(found) == {"pgd_0.1_quiet", "pgd_0.1_trained_1", "pgd_0.1_trained_1_error"}


def test_training_on_attacked_images_makes_them_harmless():
    found = []
    for epsilon in (0.0, 0.2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = made("dense", protocol(dense()).attacked, FLOAT)
        descend(model, DATA.train, PLAIN, 0)
        descend(model, DATA.train, replace(PLAIN, epochs=5, epsilon=epsilon), 1)
        attacked = Images(fgsm(model, DATA.test.values, DATA.test.labels, 0.2), DATA.test.labels)
        found.append((score(model, DATA.test), score(model, attacked)))
    (clean, plain), (hard_clean, hardened) = found
    assert min(clean, hard_clean) > 0.85
    assert hardened > plain + 0.3


def test_trials_have_names_and_protocols():
    names = [trial.name for trial in of_seeds(MNIST_ATTACK, 2)]
    assert len(set(names)) == 8
    assert names[:2] == ["mnist_attack_dense_b32_plain_seed0", "mnist_attack_dense_b32_adversarial_seed0"]
    plain, hard = (trial.protocol() for trial in MNIST_ATTACK[:2])
    assert (plain.attacked.noisy.epsilon, hard.attacked.noisy.epsilon) == (0.0, 0.1)
    assert plain.attacker == hard.attacker
    assert plain.attacked.clean == hard.attacked.clean == plain.attacker.surrogate.clean
    tiny = ImageDataset(DATA.train, Images(DATA.test.values[:5], DATA.test.labels[:5]))
    outcome = run_attack_on(dense(), tiny, protocol(dense()), print)
    found = json.loads(json.dumps(record(MNIST_ATTACK[1], outcome, {"minutes": 1.0, "cpu_minutes": 1.0})))
    assert belongs(found, MNIST_ATTACK[1])
    assert not belongs(found, MNIST_ATTACK[0])
    found["protocol"]["attacker"]["epsilons"][0] += 0.01
    assert not belongs(found, MNIST_ATTACK[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "mlp"}, "network must be one of conv, dense, lstm, not 'mlp'"),
        ({"bits": 17}, "bits must be an integer from 1 to 16, not 17 (or 32 for float)"),
        ({"adversarial": 1}, "adversarial must be true or false, not 1"),
        ({"seed": 2**31 - 1}, "seed must be an integer from 0 to 2147383647, not 2147483647"),
    ],
    ids=["network", "bits", "adversarial", "seed"],
)
def test_what_is_no_trial_is_refused(change, said):
    with pytest.raises(DesignError) as caught:
        AttackTrial(**({"network": "conv", "bits": 4, "adversarial": False} | change))
    assert str(caught.value) == said

"""MNIST in noise: what a trial does in which order, on a few made-up images."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model.formats import DesignError
from ohmgate.train.data.images import Images
from ohmgate.train.experiments import image_noise as experiment
from ohmgate.train.experiments.image_noise import ImageProtocol, made, run_trial_on
from ohmgate.train.experiments.image_training import Descent, descend, score, voted
from ohmgate.train.experiments.mnist import MNIST, SIZES, MnistTrial
from ohmgate.train.experiments.trial import belongs, of_seeds, record
from ohmgate.train.layers.config import FLOAT
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import signal_power
from ohmgate.train.layers.whole_model import arrays_of
from tests.patterns import patterns as data

SMALL = {"conv": 2, "dense": 16, "lstm": 8}


def protocol(trial: MnistTrial, **changes) -> ImageProtocol:
    descent = Descent(epochs=2, rate=0.01, batch=20, turn=2.0, scale=0.02, shift=0.02)
    quantised = None if trial.bits == FLOAT else replace(descent, rate=0.003)
    plain = ImageProtocol(SMALL[trial.network], descent, quantised, descent, reads=(1, 3), measured=50)
    return replace(plain, **changes)


def run(trial: MnistTrial, **changes):
    return run_trial_on(trial, data(), protocol(trial, **changes), lambda *told: None)


@pytest.mark.parametrize("network", SIZES)
@pytest.mark.parametrize("bits", [FLOAT, 4])
def test_without_learning_the_noise_is_as_strong_as_the_signals(network, bits):
    """Training at a rate of 0 leaves the network as it is: signals, and reads of the same seed, are those of before."""
    trial = MnistTrial(network=network, bits=bits)
    still = Descent(epochs=1, rate=0.0, batch=100)
    final = run(trial, noisy=still, naive_reads=(1, 3)).final
    for which in ("least", "most", "head"):
        assert final[f"snr_{which}"] == pytest.approx(0.0, abs=1e-9)
    assert final["trained_clean"] == final["clean"]
    for vote in ("majority_1", "majority_3", "mean_1", "mean_3"):
        assert final[f"trained_{vote}"] == final[f"naive_{vote}"]
    assert final["naive_mean_3"] < final["clean"]


def test_training_in_noise_helps_and_tells_every_epoch():
    trial, told = MnistTrial(network="dense", bits=4), []
    outcome = run_trial_on(
        trial, data(), protocol(trial, noisy=Descent(6, 0.01, 20)), lambda *line: told.append(line)
    )
    assert [line[:2] for line in told] == [(epoch, 10) for epoch in range(1, 11)]
    assert told[0][2] == f"loss {outcome.epochs[0]['train_loss']:.4f}"
    final = outcome.final
    assert final["clean"] > 0.9
    assert final["trained_mean_3"] > final["naive_mean_9"] + 0.1
    assert final["snr_least"] > 0
    assert final == run_trial_on(trial, data(), protocol(trial, noisy=Descent(6, 0.01, 20)), print).final


def test_the_last_stage_alone_is_in_noise_of_the_clean_networks_signals(monkeypatch):
    given, trial, some = [], MnistTrial(network="dense", bits=4, snr=6.0), data().train.values[:50]

    def stage(model, images, descent, seed, noise=None, tell=None):
        powers = signal_power(model, lambda: model(some))
        given.append((seed, noise and {array: powers[array].sums / each.adc for array, each in noise.items()}))

    monkeypatch.setattr(experiment, "descend", stage)
    run(replace(trial, seed=5))
    assert [seed for seed, _ in given] == [5, 6, 7]
    assert [noise for _, noise in given[:2]] == [None, None]
    assert list(given[2][1].values()) == pytest.approx([10 ** (6 / 20)] * 3)


def test_a_higher_snr_is_less_noise():
    final = run(MnistTrial(network="dense", bits=FLOAT, snr=100.0)).final
    assert final["naive_mean_1"] == final["naive_majority_9"] == final["clean"]


def test_a_share_of_the_batches_has_no_noise():
    model, some = made("dense", protocol(MnistTrial(network="dense", bits=FLOAT)), FLOAT), data()
    noise = dict.fromkeys(arrays_of(model), Noise(adc=1.0))
    draws = []
    for share in (1.0, 0.5, 0.0):
        arrays_of(model)[0].source.draws = 0
        descend(model, some.train, Descent(5, batch=20, noiseless=share), 0, noise)
        draws.append(arrays_of(model)[0].source.draws)
        assert all(array.train_noise == Noise() for array in arrays_of(model))
    assert draws[0] == 0
    assert draws[2] == 3 * 50  # arrays, batches
    assert 3 * 15 < draws[1] < 3 * 35


class Reads(nn.Module):
    """Gives what it was made with, read after read, two images at a time."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = iter(outputs)

    def forward(self, images):
        return torch.tensor(next(self.outputs))


def test_votes_are_by_majority_and_by_mean():
    """Image 0: two of three reads say 1, but the mean says 0. Image 1: all say 0."""
    reads = [[[0.0, 1.0], [2.0, 0.0]], [[0.0, 1.0], [2.0, 0.0]], [[9.0, 0.0], [2.0, 0.0]]]
    images = Images(torch.zeros(2, 1, 28, 28), torch.tensor([0, 0]))
    found = voted(Reads(reads), images, (1, 3))
    assert found == {"majority_1": 0.5, "majority_3": 0.5, "mean_1": 0.5, "mean_3": 1.0}
    assert score(Reads(reads), images) == 0.5


def test_noise_is_measured_at_the_trials_bits():
    trial = MnistTrial(network="dense", bits=4)
    model = made("dense", protocol(trial), 4)
    assert [array.config.adc_bits for array in arrays_of(model)] == [4, 4, 8]
    assert [array.config.weight_bits for array in arrays_of(model)] == [4, 4, 4]
    assert all(power.sums > 0 for power in signal_power(model, lambda: model(data().test.values)).values())
    assert all(array.config.is_float for array in arrays_of(made("conv", protocol(MNIST[0]), FLOAT)))


def test_trials_have_names_and_protocols():
    names = [trial.name for trial in of_seeds(MNIST, 2)]
    assert len(set(names)) == 12
    assert names[:2] == ["mnist_conv_b32_0db_seed0", "mnist_conv_b4_0db_seed0"]
    for trial in MNIST:
        outcome = replace(run(MnistTrial(network="dense", bits=FLOAT)), epochs=[{"train_loss": np.float64(1.0)}])
        found = json.loads(json.dumps(record(trial, outcome, {"minutes": 1.0, "cpu_minutes": 1.0})))
        assert belongs(found, trial)
        assert not belongs(found, replace(trial, seed=1))
        found["protocol"]["noisy"]["epochs"] += 1
        assert not belongs(found, trial)
        break


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "mlp"}, "network must be one of conv, dense, lstm, not 'mlp'"),
        ({"bits": 17}, "bits must be an integer from 1 to 16, not 17 (or 32 for float)"),
        ({"snr": 1e6}, "SNR in dB must be a number from -100 to 300, not 1000000.0"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, not -1"),
    ],
    ids=["network", "bits", "snr", "seed"],
)
def test_what_is_no_trial_is_refused(change, said):
    with pytest.raises(DesignError) as caught:
        MnistTrial(**({"network": "conv", "bits": 4} | change))
    assert str(caught.value) == said

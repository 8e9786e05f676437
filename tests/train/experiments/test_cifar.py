"""CIFAR-10 in noise: the network by its definition, what its quantised form starts from, and a trial on a few images."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from ohmgate.model.formats import DesignError
from ohmgate.train.data.images import ImageDataset, Images
from ohmgate.train.experiments import image_noise as experiment
from ohmgate.train.experiments.cifar import CIFAR, CifarTrial
from ohmgate.train.experiments.image_networks import PhotoNetwork
from ohmgate.train.experiments.image_noise import ImageProtocol, clean_network, made, run_trial_on
from ohmgate.train.experiments.image_training import Descent, descend
from ohmgate.train.experiments.trial import belongs, of_seeds, record
from ohmgate.train.layers.config import FLOAT
from ohmgate.train.layers.modules import QuantLinear
from ohmgate.train.layers.whole_model import arrays_of, evaluating

PLAIN = Descent(epochs=2, rate=0.01, batch=10, turn=0.0, scale=0.02, shift=0.02)


def pictures(count: int, edge: int = 32) -> Images:
    """Ten colours, disturbed."""
    generator = torch.Generator().manual_seed(0)
    colours, labels = torch.rand(10, 3, 1, 1, generator=generator), torch.arange(count) % 10
    return Images(colours[labels] * torch.rand(count, 3, edge, edge, generator=generator), labels)


def protocol(trial: CifarTrial) -> ImageProtocol:
    quantised = None if trial.bits == FLOAT else PLAIN
    return ImageProtocol(2, PLAIN, quantised, PLAIN, reads=(1, 3), naive_reads=(1, 3), measured=40)


def test_the_network_is_of_convolutions_normalised_and_a_head():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = made("photo", protocol(CIFAR[0]), FLOAT)
    assert isinstance(model, PhotoNetwork)
    values = images = pictures(6).values
    descend(model, pictures(40), PLAIN, 0)
    arrays = [array for array in arrays_of(model) if isinstance(array, QuantLinear)]
    values = values * 2 - 1
    for array, scale, channels in zip(arrays, model.scales, (2, 4, 8)):
        assert isinstance(scale, nn.BatchNorm2d)
        assert scale.running_mean is not None
        assert scale.running_var is not None
        assert array.weight.shape[0] == channels
        values = functional.conv2d(values, array.weight, array.bias, padding=1)
        mean, variance, gain, offset = (
            part.view(1, -1, 1, 1) for part in (scale.running_mean, scale.running_var, scale.weight, scale.bias)
        )
        values = ((values - mean) / (variance + 1e-5).sqrt() * gain + offset).clamp_min(0)
        values = values.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
    wanted = functional.linear(values.flatten(1), arrays[-1].weight, arrays[-1].bias)
    with evaluating(model):
        torch.testing.assert_close(model(images), wanted.detach(), atol=1e-4, rtol=1e-4)


def test_the_quantised_network_starts_from_the_other_ones_normalisation(monkeypatch):
    def stage(model, *arguments, **named):
        for scale in model.scales:
            if model.head.config.is_float:
                scale.running_mean += 3.0
                scale.weight.data *= 0.5

    monkeypatch.setattr(experiment, "descend", stage)
    trial = CifarTrial(bits=4)
    data = ImageDataset(pictures(40), pictures(10))
    model = clean_network(trial, data, protocol(trial), lambda epoch: None)
    assert not arrays_of(model)[0].config.is_float
    assert isinstance(model, PhotoNetwork)
    for scale in model.scales:
        assert isinstance(scale, nn.BatchNorm2d)
        assert scale.running_mean is not None
        assert torch.equal(scale.running_mean, torch.full_like(scale.running_mean, 3.0))
        assert torch.equal(scale.weight, torch.full_like(scale.weight, 0.5))


class Watched(nn.Module):
    """Keeps what it is trained with."""

    def __init__(self) -> None:
        super().__init__()
        self.array = made("dense", protocol(CIFAR[0]), FLOAT)
        self.offset, self.seen = nn.Parameter(torch.zeros(10)), []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images)
        return self.offset.expand(len(images), 10)


def test_every_second_image_is_mirrored():
    model, images = Watched(), Images(torch.rand(200, 1, 4, 4), torch.zeros(200, dtype=torch.int64))
    still = replace(PLAIN, epochs=1, batch=10, scale=0.0, shift=0.0)
    for mirror in (False, True):
        descend(model, images, replace(still, mirror=mirror), 0)
    as_they_are, mirrored = torch.cat(model.seen).chunk(2)
    assert torch.cdist(as_they_are.flatten(1), images.values.flatten(1)).amin(1).max() < 0.01  # each is one of them
    count = 0
    for image, other in zip(as_they_are, mirrored):
        flipped = torch.allclose(other, image.flip(2), atol=1e-5)
        assert flipped or torch.allclose(other, image, atol=1e-5)
        count += flipped
    assert 80 <= count <= 120


@pytest.mark.parametrize("bits", [FLOAT, 4])
def test_a_trial_reads_in_noise_before_and_after(bits):
    trial = CifarTrial(bits=bits)
    told = []
    data = ImageDataset(pictures(100), pictures(40))
    final = run_trial_on(trial, data, protocol(trial), lambda *line: told.append(line[:2])).final
    stages = 2 if bits == FLOAT else 3
    assert told == [(epoch, 2 * stages) for epoch in range(1, 2 * stages + 1)]
    assert final["clean"] > final["naive_mean_1"]
    assert final["snr_least"] <= final["snr_head"] <= final["snr_most"]
    if bits == FLOAT:  # codes may lie on a tie, which any noise decides
        quiet = run_trial_on(replace(trial, snr=100.0), data, protocol(trial), print).final
        assert quiet["naive_mean_1"] == quiet["naive_majority_3"] == quiet["clean"] == final["clean"]


def test_trials_have_names_and_protocols():
    names = [trial.name for trial in of_seeds(CIFAR, 2)]
    assert names == ["cifar_b32_0db_seed0", "cifar_b4_0db_seed0", "cifar_b32_0db_seed1", "cifar_b4_0db_seed1"]
    float_, four = (trial.protocol() for trial in CIFAR)
    assert float_.quantised is None
    assert four.quantised is not None
    assert float_.noisy.mirror
    outcome = run_trial_on(CIFAR[0], ImageDataset(pictures(40), pictures(10)), protocol(CIFAR[0]), print)
    found = json.loads(json.dumps(record(CIFAR[0], outcome, {"minutes": 1.0, "cpu_minutes": 1.0})))
    assert belongs(found, CIFAR[0])
    assert not belongs(found, CIFAR[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bits": 17}, "bits must be an integer from 1 to 16, not 17 (or 32 for float)"),
        ({"snr": 1e6}, "SNR in dB must be a number from -100 to 300, not 1000000.0"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, not -1"),
    ],
    ids=["bits", "snr", "seed"],
)
def test_what_is_no_trial_is_refused(change, said):
    with pytest.raises(DesignError) as caught:
        CifarTrial(**({"bits": 4} | change))
    assert str(caught.value) == said

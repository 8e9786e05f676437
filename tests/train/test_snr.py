"""Training at an SNR, and votes of several reads."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import SequenceDataset, load_dataset
from ohmgate.train.epochs import tensors_of
from ohmgate.train.evaluation import outputs_of, reads_of
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import signal_power
from ohmgate.train.training import fit, host_units, initial, train
from ohmgate.train.warm import start_from, typical

VOWELS = load_dataset("vowels")
SMALL = SequenceDataset("vowels", VOWELS.train.take(np.arange(0, 270, 10)), VOWELS.test, VOWELS.classes)
CONFIG = TrainConfig(epochs=3, batch=10)
DESIGN = Design.load("vowels")


@pytest.fixture(scope="module")
def start():
    return train(DESIGN, SMALL, CONFIG).model


def host() -> dict:
    return host_units(DESIGN, SMALL, CONFIG)


def powers(source, config):
    """Of the network that a training of ``config`` makes of ``source`` to begin with."""
    inputs, lengths = typical(*tensors_of(SMALL.train, host())[:2])
    model = initial(DESIGN, config)
    start_from(model, source, inputs, lengths)
    return list(signal_power(model, lambda: model(inputs, lengths), lengths).values())


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("site", "field"), [("sums", "adc"), ("rows", "dac")])
def test_fixed_noise_is_by_the_signals_of_the_start(start, site, field):
    result = train(DESIGN, SMALL, replace(CONFIG, snr=6.0, snr_site=site), start=start)
    found = [getattr(layer.train_noise, field) for layer in result.model.layers]
    assert found == pytest.approx([power.at(site) * 10 ** (-6 / 20) for power in powers(start, CONFIG)])
    assert all(layer.eval_noise == Noise() for layer in result.model.layers)


def test_relative_noise_follows_the_signals(start):
    config = replace(CONFIG, snr=0.0, snr_power="relative", epochs=1)
    fixed = train(DESIGN, SMALL, replace(config, snr_power="fixed"), start=start)
    result = train(DESIGN, SMALL, config, start=start)
    assert result.losses == fixed.losses  # of a first epoch the signals are the start's
    longer = replace(config, epochs=3)
    models = [train(DESIGN, SMALL, replace(longer, snr_power=power), start=start) for power in ("fixed", "relative")]
    noises = [[layer.train_noise.adc for layer in each.model.layers] for each in models]
    assert noises[0] == [layer.train_noise.adc for layer in fixed.model.layers]
    assert all(one != other for one, other in zip(*noises))


def test_a_killed_run_at_an_snr_goes_on_to_the_same_bytes(start, tmp_path):
    config = replace(CONFIG, snr=0.0)
    train(DESIGN, SMALL, config, start=start, checkpoint=tmp_path / "whole")

    def kill(epoch, epochs, found):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DESIGN, SMALL, config, start=start, checkpoint=tmp_path / "cut", progress=kill)
    train(DESIGN, SMALL, config, start=start, checkpoint=tmp_path / "cut")
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_a_float_network_is_trained_at_an_snr_too():
    config = replace(CONFIG, floating=True)
    start = train(DESIGN, SMALL, config).model
    result = train(DESIGN, SMALL, replace(config, snr=0.0), start=start)
    assert [layer.train_noise.adc for layer in result.model.layers] == pytest.approx(
        [power.sums for power in powers(start, config)]
    )
    assert result.losses != train(DESIGN, SMALL, config, start=start).losses


def test_a_share_of_the_batches_is_trained_without_noise(start):
    """The head hears the noise of every batch: 27 sequences are 3 batches an epoch, of which each second is quiet."""
    config, seen = replace(CONFIG, snr=0.0, noiseless=0.5), []
    model = initial(DESIGN, config)
    model.layers[1].register_forward_pre_hook(lambda array, inputs: seen.append((array.training, array.noise)))
    result = fit(model, SMALL, config, start=start)
    trained = [noise for training, noise in seen if training]
    full = result.model.layers[1].train_noise
    assert full.adc > 0
    assert trained == [full, Noise(), full] * 3
    assert fit(
        initial(DESIGN, replace(config, noiseless=1.0)), SMALL, replace(config, noiseless=1.0), start=start
    ).losses == (train(DESIGN, SMALL, CONFIG, start=start).losses)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"snr": "loud"}, "SNR in dB must be a number from -100 to 300, not 'loud'"),
        ({"noiseless": 2}, "noiseless must be a number from 0 to 1, not 2"),
        ({"snr_site": "adc"}, "site of noise must be one of rows, sums, not 'adc'"),
        ({"snr_power": "half"}, "power of noise must be one of fixed, relative, not 'half'"),
        (
            {"snr": 0.0, "noise_ramp": 0.5},
            "a training at an SNR must have no other noise, no noise ramp and no float epochs",
        ),
    ],
)
def test_sentences(fields, sentence):
    with pytest.raises(DesignError) as error:
        TrainConfig(**fields)
    assert str(error.value) == sentence


def test_a_fixed_power_needs_a_start():
    with pytest.raises(DesignError, match=r"^a training at an SNR of fixed power must start from a network that has"):
        train(DESIGN, SMALL, replace(CONFIG, snr=0.0))


def test_a_configuration_without_an_snr_is_that_of_before():
    assert not any(name.startswith("snr") for name in CONFIG.to_dict())
    assert TrainConfig.from_dict(replace(CONFIG, snr=3.0).to_dict()) == replace(CONFIG, snr=3.0)


def test_reads_of_one_chip_have_its_weights(start):
    some = SMALL.test.take(np.arange(20))
    start.set_noise(evaluate=Noise(weight=0.2, redraw="per_programming"), seed=3)
    one = reads_of(start, some, host(), 3)
    assert np.array_equal(one[0], one[1])
    assert np.array_equal(one[0], one[2])
    assert np.array_equal(one[0], outputs_of(start, some, host()))
    many = reads_of(start, some, host(), 3, chips=True)
    assert not np.array_equal(many[0], many[1])
    assert not np.array_equal(many[1], many[2])
    start.set_noise(evaluate=Noise())


def test_a_mean_of_reads_comes_to_the_noiseless_outputs(start):
    some = SMALL.test.take(np.arange(10))
    start.set_noise(evaluate={start.layers[1]: Noise(adc=2.0)}, seed=3)  # the head alone, which is linear
    noisy = reads_of(start, some, host(), 300)
    start.set_noise(evaluate=Noise())
    step = float(start.layers[1].real_steps()[0])
    clean = outputs_of(start, some, host())
    inner = np.abs(clean) < 100 * step  # of those that noise does not make clip
    assert inner.any()
    assert np.abs(noisy.mean(0) - clean)[inner].max() / step < 5 * 2 / np.sqrt(300)
    assert noisy.std(0)[inner].mean() / step == pytest.approx(np.hypot(2, 12**-0.5), rel=0.05)


@pytest.mark.parametrize("reads", [0, 1.5])
def test_reads_are_counted(start, reads):
    with pytest.raises(DesignError, match=f"^reads must be an integer from 1 to 10000, not {reads}$"):
        reads_of(start, SMALL.test, host(), reads)

"""Trials of pen strokes in noise, on a few sequences: what they read, which noise they take, what they share."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.sequences import SequenceDataset, Sequences
from ohmgate.train.evaluation import predict
from ohmgate.train.experiments import deep_noise, strokes, strokes_snr
from ohmgate.train.experiments.deep_noise import OFF, READ, DeepNoiseTrial
from ohmgate.train.experiments.strokes_snr import SnrTrial
from ohmgate.train.experiments.trial import identity
from ohmgate.train.layers.noise import Noise
from ohmgate.train.training import host_units, train
from tests.train.data.test_strokes import write_strokes


def told(done, total, note):
    assert 0 < done <= total
    assert note


def few(count: int = 60) -> SequenceDataset:
    """Two classes of the ten: does the pen go left or right? The test set is ordered by length."""
    rng = np.random.default_rng(3)

    def some(seed: int) -> Sequences:
        lengths = np.sort(rng.integers(2, 9, count))
        labels = rng.integers(0, 2, count)
        x = rng.normal(size=(count, 8, 4)).astype(np.float32) + (2 * labels - 1)[:, None, None]
        x[np.arange(8) >= lengths[:, None]] = 0
        return Sequences(x.astype(np.float32), lengths, labels)

    return SequenceDataset("few", some(0), some(1), tuple("0123456789"))


def small(trial):
    """The trial's protocol with two short stages."""
    found = trial.protocol()
    stages = {name: replace(getattr(found, name), epochs=3, batch=16) for name in ("clean", "noisy")}
    return replace(found, reads=3, **stages)


@pytest.fixture(autouse=True)
def no_shared_networks():
    strokes._clean.clear()
    strokes_snr._found.clear()


def test_the_grids():
    snr, deep = strokes_snr.TRIALS, deep_noise.TRIALS
    assert len({trial.name for trial in snr}) == len(snr) == 3 * 2 * 2 * 2
    assert [trial.name for trial in snr[:2]] == [
        "strokes_snr_lstm64_float_sums_fixed_seed0",
        "strokes_snr_lstm64_w4_a4_sums_fixed_seed0",
    ]
    assert [trial.name for trial in deep[:2]] == ["deep_noise_lstm64_off_seed0", "deep_noise_lstm64_20db_seed0"]
    assert [trial.trained for trial in deep[7:]] == [OFF, 20, 10, 6, 3, 0, -3]
    assert READ == (-6, -3, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)


def test_protocols():
    found = SnrTrial(network="rnn128", floating=False, site="rows", power="relative", seed=4).protocol()
    assert (found.digits, found.tests, found.reads) == (60000, 10000, 49)
    assert (found.noisy.snr, found.noisy.snr_site, found.noisy.snr_power) == (0.0, "rows", "relative")
    assert (found.clean.snr, found.clean.noiseless, found.noisy.noiseless) == (None, 0.0, 0.5)
    assert (found.clean.seed, found.noisy.seed, found.clean.floating) == (4, 4, False)
    assert found.clean.learning_rate == 0.005
    deep = [DeepNoiseTrial(network="lstm64", trained=level).protocol() for level in (OFF, 99 - 102)]
    assert [each.noisy.snr for each in deep] == [None, -3.0]
    assert deep[0].noisy == deep[0].clean, "the network without noise is trained for as long"
    assert deep[0].clean.floating
    with pytest.raises(DesignError, match=r"^network must be one of lstm64, rnn64, not 'lstm128'$"):
        DeepNoiseTrial(network="lstm128", trained=0)
    with pytest.raises(DesignError, match=r"^site of noise must be one of rows, sums, not 'weights'$"):
        SnrTrial(network="lstm64", floating=True, site="weights", power="fixed")


def test_test_digits_are_the_first_ones_by_length(tmp_path):
    write_strokes(tmp_path, len_test=np.array([3, 1], dtype=np.uint8))
    found = strokes.digits_of(tmp_path, 2, 2)
    assert found.train.labels.tolist() == [7, 0]
    assert (found.test.labels.tolist(), found.test.lengths.tolist()) == ([7, 1], [1, 3])
    assert strokes.digits_of(tmp_path, 2, 1).test.labels.tolist() == [1]


@pytest.mark.parametrize("floating", [True, False], ids=["float", "4 bits"])
def test_a_read_without_padding_is_the_network_s(monkeypatch, floating):
    """In parts of 7 digits, each cut at its longest one."""
    monkeypatch.setattr(strokes, "TOGETHER", 7)
    trial = SnrTrial(network="rnn128", floating=floating, site="sums", power="fixed")
    data, protocol = few(), small(trial)
    model = train(strokes.design_of("rnn128"), data, protocol.clean).model
    expected = predict(model, data.test, host_units(model.design, data, protocol.clean))
    assert np.array_equal(strokes.read(model, data, protocol.clean, Noise()).argmax(1), expected)


@pytest.mark.parametrize("power, floating", [("fixed", True), ("relative", False)])
def test_a_trial_of_votes(monkeypatch, power, floating):
    seen = []
    actual = strokes_snr.read

    def read(model, data, config, noise):
        outputs = actual(model, data, config, noise)
        seen.append((model, [noise] if isinstance(noise, Noise) else list(noise.values()), outputs))
        return outputs

    monkeypatch.setattr(strokes_snr, "read", read)
    trial = SnrTrial(network="lstm64", floating=floating, site="sums", power=power)
    data = few()
    outcome = strokes_snr.run_protocol(trial, small(trial), data, told)
    final, labels = outcome.final, data.test.labels
    (clean, none, quiet), naive, trained = seen[0], seen[1:4], seen[4:]
    assert none == [Noise()]
    assert len(trained) == 3
    assert final["clean"] == np.mean(quiet.argmax(1) == labels)
    rms = [each.sums for each in strokes.powers_of(clean, data, small(trial).clean).values()]
    assert [each.adc for each in naive[0][1]] == pytest.approx(rms), "0 dB: as strong as the signals"
    after = [each.sums for each in strokes.powers_of(trained[0][0], data, small(trial).clean).values()]
    used = [each.adc for each in trained[0][1]]
    assert used == pytest.approx(rms if power == "fixed" else after)
    snr = 20 * np.log10(np.divide(after, used))
    assert [final["snr_layer"], final["snr_head"]] == pytest.approx(snr.tolist(), abs=1e-9)
    for name, reads in (("naive", naive), ("trained", trained)):
        outputs = np.stack([each[2] for each in reads])
        assert final[f"{name}_mean_3"] == np.mean(outputs.mean(0).argmax(1) == labels)
        votes = [np.bincount(column, minlength=10).argmax() for column in outputs.argmax(2).T]
        assert final[f"{name}_majority_3"] == np.mean(votes == labels)
        assert final[f"{name}_mean_1"] == np.mean(outputs[0].argmax(1) == labels)
        assert not np.array_equal(outputs[0], outputs[1]), "noise is drawn anew"
    assert len(outcome.epochs) == 3
    before = len(seen)
    strokes_snr.run_protocol(replace(trial, power="relative"), small(trial), data, told)
    assert len(seen) - before == 3, "the clean network is read once for both powers"


def test_a_trial_of_deep_noise(monkeypatch):
    trial = DeepNoiseTrial(network="rnn64", trained=0)
    data, noises = few(), []
    actual = deep_noise.read

    def read(model, data, config, noise):
        noises.append([each.adc for each in noise.values()])
        return actual(model, data, config, noise)

    monkeypatch.setattr(deep_noise, "read", read)
    final = deep_noise.run_protocol(trial, small(trial), data, told).final
    fixed, own = np.array(noises[: len(READ)]), np.array(noises[len(READ) :])
    (clean,) = strokes._clean.values()
    rms = [each.sums for each in strokes.powers_of(clean, data, small(trial).clean).values()]
    assert fixed[READ.index(0)] == pytest.approx(rms)
    assert fixed / fixed[2] == pytest.approx(10 ** (-np.array(READ)[:, None] / 20) * np.ones(2))
    gained = 20 * np.log10(own[0] / fixed[0])
    assert [final["gained_layer"], final["gained_head"]] == pytest.approx(gained.tolist(), abs=1e-9)
    assert final["fixed_30"] == pytest.approx(final["clean"], abs=0.05)
    quiet = deep_noise.run_protocol(replace(trial, trained=OFF), small(replace(trial, trained=OFF)), data, told)
    assert set(quiet.final) == set(final)
    assert len(strokes._clean) == 1, "both go on from one network"


def test_a_record_is_plain_json():
    found = identity(SnrTrial(network="lstm64", floating=True, site="rows", power="fixed"))
    assert found["trial"] == {"network": "lstm64", "floating": True, "site": "rows", "power": "fixed", "seed": 0}
    assert found["protocol"]["noisy"]["snr"] == 0.0

"""Steps of an utterance against sums done by hand, and what chance may change of them."""

import numpy as np
import pytest

from ohmgate.train.speech.an4 import Utterances
from ohmgate.train.speech.features import Augmentation, Units, padded_steps, resampled, tract_matrix, with_deltas


def some(seed: int, *lengths: int) -> Utterances:
    rng = np.random.default_rng(seed)
    frames = [rng.normal(3, 2, (length, 13)).astype(np.float32) for length in lengths]
    return Utterances(frames, ["NO"] * len(lengths), ["fash"] * len(lengths))


def test_deltas_are_slopes():
    ramp = np.arange(6.0)[:, None] * np.arange(13)
    slopes = with_deltas(ramp)[:, 13:]
    assert slopes[2:4] == pytest.approx(np.tile(np.arange(13.0), (2, 1)))
    assert slopes[0, 1] == pytest.approx((1 * (1 - 0) + 2 * (2 - 0)) / 10), "ends are repeated"
    noise = np.random.default_rng(0).normal(size=(7, 13))
    fitted = [np.polyfit(range(-2, 3), noise[t - 2 : t + 3], 1)[0] for t in range(2, 5)]
    assert with_deltas(noise)[2:5, 13:] == pytest.approx(np.array(fitted))


@pytest.mark.parametrize("centred", [False, True])
def test_steps_are_three_frames_in_units_of_the_training_set(centred):
    data = some(0, 7, 9)
    units = Units.of(data, centred)
    steps = [units.steps(frames) for frames in data.frames]
    assert [each.shape for each in steps] == [(3, 78), (3, 78)]
    whole = np.concatenate([steps[0].reshape(-1, 26)[:7], steps[1].reshape(-1, 26)])
    assert whole.mean(0) == pytest.approx(np.zeros(26), abs=1e-5)
    assert whole.std(0) == pytest.approx(np.ones(26), abs=1e-5)
    assert np.array_equal(steps[0].reshape(-1, 26)[6], steps[0].reshape(-1, 26)[8]), "the last frame is repeated"
    louder = units.steps(data.frames[0] + np.float32(1))
    assert np.allclose(louder, steps[0], atol=1e-5) == centred
    values, lengths = padded_steps([steps[0], steps[1][:2]])
    assert (values.shape, lengths.tolist()) == ((2, 3, 78), [3, 2])
    assert np.array_equal(values[1, :2], steps[1][:2])
    assert not values[1, 2].any()


@pytest.mark.parametrize("centred", [False, True])
def test_how_far_ahead_a_step_looks(centred):
    """Two frames, 20 ms, beyond its own three; an utterance's own mean is of all of it."""
    data = some(0, 60)
    units, frames = Units.of(data, centred), data.frames[0]
    whole = units.steps(frames)
    for step in (0, 7):
        last = 3 * step + 2
        for end, enough in ((last + 3, True), (last + 2, False)):
            found = units.steps(frames[:end])[: step + 1]
            assert np.allclose(found, whole[: step + 1], atol=1e-6) == (enough and not centred)


def test_speed():
    ramp = np.arange(11, dtype=np.float32)[:, None]
    assert resampled(ramp, 2)[:, 0].tolist() == pytest.approx([0, 2, 4, 6, 8, 10])
    assert resampled(ramp, 0.5)[:, 0] == pytest.approx(np.linspace(0, 10, 22), abs=1e-6)
    assert np.array_equal(resampled(ramp, 1.0), ramp)
    assert resampled(ramp[:1], 0.9).tolist() == [[0]]


def test_a_stretched_mel_axis():
    """A tone at band 20 of a smooth spectrum is at band 22 of the one that is stretched by a tenth."""
    assert tract_matrix(0.0) == pytest.approx(np.eye(13), abs=1e-12)
    bands, order = np.arange(40) + 0.5, np.arange(13)[:, None]
    basis = np.cos(np.pi * order * bands / 40)

    def peak(cepstra: np.ndarray) -> float:
        return float(bands[(cepstra @ basis).argmax()])

    tone = 2 / 40 * basis @ np.exp(-0.5 * ((bands - 20) / 3) ** 2)
    assert peak(tone) == pytest.approx(20, abs=0.5)
    assert peak(tract_matrix(0.1) @ tone) == pytest.approx(22, abs=0.5)
    assert peak(tract_matrix(-0.1) @ tone) == pytest.approx(18, abs=0.5)


def test_what_chance_changes():
    data = some(1, 120)
    units, frames = Units.of(data, False), data.frames[0]
    plain = units.steps(frames)

    def drawn(seed: int = 0, **fields) -> np.ndarray:
        return units.steps(frames, Augmentation(**fields), np.random.default_rng(seed))

    assert np.array_equal(drawn(), plain), "nothing by default"
    assert np.array_equal(units.steps(frames, Augmentation(noise=1.0)), plain), "nothing without a generator"
    masked = drawn(time_masks=1, time_width=6)
    off = np.flatnonzero(~masked.any(1))
    assert 1 <= len(off) <= 6
    assert np.array_equal(off, np.arange(off[0], off[-1] + 1))
    assert np.array_equal(np.delete(masked, off, 0), np.delete(plain, off, 0))
    narrow = drawn(2, cepstral_masks=1, cepstral_width=3).reshape(40, 6, 13)
    gone = np.flatnonzero(~narrow.any((0, 1)))
    assert 1 <= len(gone) <= 3
    assert np.array_equal(np.delete(narrow, gone, 2), np.delete(plain.reshape(40, 6, 13), gone, 2))
    assert (drawn(noise=0.5) - plain).std() == pytest.approx(0.5, rel=0.05)
    counts = {len(drawn(seed, speed=0.2)) for seed in range(20)}
    assert 34 <= min(counts) < 40 < max(counts) <= 50
    assert np.array_equal(drawn(5, speed=0.1, tract=0.1, noise=0.1), drawn(5, speed=0.1, tract=0.1, noise=0.1))
    assert not np.allclose(drawn(tract=0.1), plain)

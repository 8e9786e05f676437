"""Noise sources against their formulas: variances, spectra, dwell times."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ohmgate.analog.config import QUANTISATION_SIGMA
from ohmgate.analog.memory import noise
from ohmgate.model.formats import DesignError


def test_the_papers_numbers():
    """Section V.A: 0.144 V for 2 bits over +-1 V; about 4 nV/sqrt(Hz) for 1 kohm."""
    assert pytest.approx(0.144, abs=0.0005) == QUANTISATION_SIGMA * (1 - -1) / 2**2
    assert np.sqrt(noise.thermal_noise(300, 1) / 1e-3) == pytest.approx(4.07e-9, rel=0.002)
    assert np.sqrt(noise.thermal_noise(300, 1) * 1e-3) == pytest.approx(4.07e-12, rel=0.002)


def test_shot_noise_of_a_microampere():
    """2 e I = 3.2e-25 A^2/Hz at 1 uA."""
    assert noise.shot_noise(1.0) * 1e-6 == pytest.approx(3.204e-25, rel=1e-3)


def dwell_samples(low: np.ndarray, state: bool) -> np.ndarray:
    """Lengths (samples) of the complete runs of ``state`` in one trap's record."""
    edges = np.flatnonzero(np.diff(low))
    lengths = np.diff(edges)
    return lengths[low[edges[:-1] + 1] == state]


def telegraph_record(law, seconds, traps, samples, seed=1):
    process = noise.TelegraphProcess(law, traps, seconds, np.random.default_rng(seed))
    process.begin(np.ones(1, dtype=bool))
    low = np.empty((samples, traps), dtype=bool)
    value = np.empty((samples, traps))
    for sample in range(samples):
        low[sample] = process.low[0]
        value[sample] = process.sample()[0]
    return low, value


def test_dwell_times_of_telegraph_noise_are_exponential():
    law = noise.Telegraph(amplitude=0.2, tau_high=2e-3, tau_low=1e-3)
    seconds = 5e-6
    low, _ = telegraph_record(law, seconds, 100, 30_000)
    for state, tau in ((False, law.tau_high), (True, law.tau_low)):
        dwell = np.concatenate([dwell_samples(trap, state) for trap in low.T])
        assert len(dwell) > 4000
        jitter = np.random.default_rng(2).random(len(dwell)) - 0.5  # lengths are whole samples
        law_seen = truncated_exponential(tau, 30_000 * seconds)
        assert stats.kstest((dwell + jitter) * seconds, law_seen).pvalue > 0.001
        assert stats.kstest((dwell + jitter) * seconds * 1.1, law_seen).pvalue < 0.001


def truncated_exponential(tau, record):
    """Law of the complete runs in a finite record, which misses long ones: p(t) ~ exp(-t/tau) * (record - t)."""

    def cdf(t):
        t = np.clip(t, 0, record)
        seen = (record - tau) * -np.expm1(-t / tau) + t * np.exp(-t / tau)
        return seen / (record - tau)

    return cdf


def test_telegraph_noise_has_mean_zero_and_its_variance():
    law = noise.Telegraph(amplitude=0.2, tau_high=3e-6, tau_low=1e-6)
    assert law.variance == pytest.approx(0.04 * 3 / 16)
    _, value = telegraph_record(law, 10e-6, 1000, 400)
    assert abs(value.mean()) < 5 * np.sqrt(law.variance / value.size)
    assert value.var() == pytest.approx(law.variance, rel=0.01)
    assert np.unique(value.round(12)).tolist() == [-0.15, 0.05]


def test_telegraph_noise_forgets_at_the_sum_of_its_rates():
    """Autocorrelation exp(-t (1/tau_high + 1/tau_low))."""
    law = noise.Telegraph(amplitude=1.0, tau_high=30e-6, tau_low=10e-6)
    _, value = telegraph_record(law, 1e-6, 2000, 200)
    for lag in (1, 5, 10):
        measured = (value[lag:] * value[:-lag]).mean() / law.variance
        assert measured == pytest.approx(np.exp(-lag * 1e-6 * (1 / 30e-6 + 1 / 10e-6)), abs=0.02)


def test_sequences_begin_in_equilibrium_and_only_where_they_begin():
    law = noise.Telegraph(amplitude=1.0, tau_high=3.0, tau_low=1.0)
    process = noise.TelegraphProcess(law, 20_000, 1e-9, np.random.default_rng(0))
    process.begin(np.ones(2, dtype=bool))
    assert process.low.mean() == pytest.approx(0.25, abs=0.01)
    before = process.low.copy()
    process.begin(np.array([True, False]))
    assert np.array_equal(process.low[1], before[1])
    assert not np.array_equal(process.low[0], before[0])


@pytest.fixture(scope="module")
def flicker_spectrum():
    """One-sided density (1/Hz) by averaged periodograms, and the law."""
    law = noise.Flicker(density=1e-4, low=0.3, high=1e4)
    seconds, samples, series = 1e-4, 2**15, 64
    process = noise.FlickerProcess(law, (series,), seconds, np.random.default_rng(3))
    process.begin(np.ones(1, dtype=bool))
    record = np.array([process.sample()[0] for _ in range(samples)])
    window = np.hanning(samples)[:, None]
    spectrum = np.fft.rfft(record * window, axis=0)
    density = 2 * seconds * (np.abs(spectrum) ** 2).mean(axis=1) / (window**2).sum()
    return law, np.fft.rfftfreq(samples, seconds), density, record


def test_flicker_noise_falls_as_one_over_f_for_three_decades(flicker_spectrum):
    law, frequency, density, _ = flicker_spectrum
    edges = np.geomspace(1.0, 1000.0, 31)
    bins = [(frequency >= a) & (frequency < b) for a, b in itertools.pairwise(edges)]
    f = np.array([frequency[b].mean() for b in bins])
    s = np.array([density[b].mean() for b in bins])
    slope, offset = np.polyfit(np.log(f), np.log(s), 1)
    assert slope == pytest.approx(-1, abs=0.05)
    assert np.exp(offset + slope * np.log(30)) == pytest.approx(law.density / 30, rel=0.1)


def test_what_is_faster_than_half_the_samples_folds_down(flicker_spectrum):
    """A converter samples, so the density at f holds that at all k fs +- f; a law cut off at ``high`` by hand."""
    law, frequency, density, _ = flicker_spectrum
    fs = 2 * frequency[-1]

    def plain(f):
        return np.where(f <= law.high, law.density / f, 0)

    for share, ratio in ((0.1, 1.11), (0.3, 1.43), (0.45, 1.82)):
        near = (frequency > 0.9 * share * fs) & (frequency < 1.1 * share * fs)
        f = frequency[near]
        folded = plain(f) + sum(plain(k * fs + side * f) for k in (1, 2, 3) for side in (-1, 1))
        assert density[near].mean() == pytest.approx(folded.mean(), rel=0.04)
        assert (folded / plain(f)).mean() == pytest.approx(ratio, abs=0.02)


def test_flicker_noise_has_its_variance_and_is_gaussian(flicker_spectrum):
    law = flicker_spectrum[0]
    assert law.variance == pytest.approx(1e-4 * np.log(1e4 / 0.3))
    process = noise.FlickerProcess(law, (200_000,), 1e-4, np.random.default_rng(3))
    process.begin(np.ones(1, dtype=bool))
    for _ in range(3):
        process.sample()
    value = process.sample()[0]
    assert value.var() == pytest.approx(law.variance, rel=0.015)
    assert stats.kstest(value, stats.norm(0, np.sqrt(law.variance)).cdf).pvalue > 0.001


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: noise.Telegraph(amplitude=2, tau_high=1.0, tau_low=1.0),
         "telegraph amplitude must be a number from 0 to 1, not 2"),
        (lambda: noise.Telegraph(amplitude=0.1, tau_high=0.0, tau_low=1.0),
         "telegraph tau_high in s must be a number from 1e-12 to 1e+12, not 0.0"),
        (lambda: noise.Telegraph(amplitude=0.1, tau_high=1.0, tau_low="x"),
         "telegraph tau_low in s must be a number from 1e-12 to 1e+12, not 'x'"),
        (lambda: noise.Telegraph(amplitude=0.1, tau_high=1.0, tau_low=1.0, fraction=-1),
         "telegraph fraction must be a number from 0 to 1, not -1"),
        (lambda: noise.Flicker(density=-1, low=1, high=2), "flicker density must be a number from 0 to 1, not -1"),
        (lambda: noise.Flicker(density=0.1, low=0, high=2),
         "flicker low frequency in Hz must be a number from 1e-09 to 1e+12, not 0"),
        (lambda: noise.Flicker(density=0.1, low=3, high=2),
         "flicker high frequency in Hz must be a number from 3 to 1e+12, not 2"),
        (lambda: noise.resized(np.zeros((2, 3)), np.array([True, False, True])),
         "a batch of 3 sequences must begin as a whole"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

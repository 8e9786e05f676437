"""The paper's noise: codes and weights follow the Gaussian laws it states, for every redraw policy."""

import numpy as np
import pytest
from scipy import stats

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.model.formats import signed_range
from ohmgate.model.layers import DenseLayer

SAMPLES = 100_000
LAYER = DenseLayer(inputs=15, outputs=500, adcs=50, bias_rows=1)
BETA = 0.1
SIGMA_WEIGHT = BETA * 14  # 4-bit codes span -7..7
DRIVE = np.random.default_rng(7).integers(-7, 8, LAYER.rows)
LEVELS = np.random.default_rng(8).integers(-7, 8, (LAYER.rows, 1)).repeat(LAYER.columns, axis=1)
SUM = int(DRIVE @ LEVELS[:, 0])
MULT, SHIFT = 12, 9  # the sum's standard deviation by weight noise is then 0.8 LSB
GAIN = MULT / 2**SHIFT


def array(seed=0, layer=LAYER, **noise):
    made = Array(layer, ArrayConfig(**noise), seed)
    made.program(LEVELS)
    made.set_gain(0, MULT, SHIFT)
    return made


def p_of_codes(codes, sigma, bits=4):
    """Chi-square p of codes against a Gaussian of ``sigma`` LSB about the sum, rounded down and clipped."""
    low, high = signed_range(bits)
    edges = np.arange(low + 1, high + 1)
    inner = stats.norm.cdf(edges, SUM * GAIN, sigma)
    expected = np.diff(np.concatenate([[0.0], inner, [1.0]])) * codes.size
    observed = np.bincount(codes.ravel() - low, minlength=high - low + 1)
    keep = expected > 5
    rest_expected, rest_observed = expected[~keep].sum(), observed[~keep].sum()
    expected, observed = expected[keep], observed[keep]
    if rest_expected > 0.1:
        expected, observed = np.append(expected, rest_expected), np.append(observed, rest_observed)
    else:
        assert rest_observed < 5
    assert len(observed) > 2
    statistic = ((observed - expected) ** 2 / expected).sum()
    return stats.chi2.sf(statistic, len(observed) - 1)


def sigma_of_drive():
    return SIGMA_WEIGHT * np.sqrt((DRIVE**2).sum()) * GAIN


def check_moments(codes, sigma):
    """Mean and deviation of fine codes: the middle of a code is half a step above it; rounding adds 1/12."""
    error = sigma / np.sqrt(codes.size)
    assert abs(codes.mean() + 0.5 - SUM * GAIN) < 4 * error
    assert codes.std() == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=4 / np.sqrt(2 * codes.size))


def test_paper_adc_noise_is_a_rounding_error_before_the_converter():
    codes = array(adc_noise="paper").convert_all(np.tile(DRIVE, (SAMPLES // 500, 1)))
    assert p_of_codes(codes, 1 / np.sqrt(12)) > 0.001
    assert p_of_codes(codes, 1.05 / np.sqrt(12)) < 0.001  # the test has the power to see 5 %


def test_physical_adc_noise_has_its_sigma_and_no_more():
    drive = np.tile(DRIVE, (SAMPLES // 500, 1))
    assert len(np.unique(array(adc_noise="physical").convert_all(drive))) == 1
    codes = array(adc_noise="physical", adc_sigma=1.5).convert_all(drive)
    assert p_of_codes(codes, 1.5) > 0.001


def test_weight_noise_has_the_papers_deviation():
    layer = DenseLayer(inputs=15, outputs=6250, adcs=50)
    made = Array(layer, ArrayConfig(weight_noise=BETA), 3)
    made.program(np.zeros((layer.rows, layer.columns), int))
    noise = made.effective()
    assert noise.size == SAMPLES
    assert stats.kstest(noise.ravel(), stats.norm(0, SIGMA_WEIGHT).cdf).pvalue > 0.001
    assert stats.kstest(noise.ravel(), stats.norm(0, 1.03 * SIGMA_WEIGHT).cdf).pvalue < 0.001
    for columns in (noise[:, ::2] + noise[:, 1::2], noise[::2] + noise[1::2]):  # neighbours are independent
        assert stats.kstest(columns.ravel(), stats.norm(0, np.sqrt(2) * SIGMA_WEIGHT).cdf).pvalue > 0.001


def test_noise_per_programming_is_the_same_in_every_read_and_new_in_every_chip():
    codes = []
    for seed in range(SAMPLES // 500):
        made = array(seed, weight_noise=BETA)
        codes.append(made.convert_all(DRIVE))
        made.new_sequence()
        assert np.array_equal(made.convert_all(DRIVE), codes[-1])
    assert p_of_codes(np.array(codes), sigma_of_drive()) > 0.001


def test_noise_per_sequence_is_constant_within_a_sequence_and_new_in_the_next():
    made = array(weight_noise=BETA, redraw="per_sequence")
    codes, batch = [], 20
    drive = np.tile(DRIVE, (batch, 1))
    for _ in range(SAMPLES // 500 // batch):
        made.new_sequence(np.ones(batch, dtype=bool))
        codes.append(made.convert_all(drive))
        assert np.array_equal(made.convert_all(drive), codes[-1])
    assert p_of_codes(np.array(codes), sigma_of_drive()) > 0.001
    before = codes[-1]
    begins = np.arange(batch) < 5  # the others go on
    made.new_sequence(begins)
    after = made.convert_all(drive)
    assert np.array_equal(after[5:], before[5:])
    assert (after[:5] != before[:5]).any(axis=1).all()


@pytest.mark.parametrize("redraw", ["per_programming", "per_sequence", "per_step"])
def test_every_policy_has_the_same_law_and_adds_to_the_converters_noise(redraw):
    layer = DenseLayer(inputs=15, outputs=500, adcs=50, adc_bits=16)
    codes = []
    for seed in range(10):
        made = array(seed, layer, weight_noise=BETA, redraw=redraw, adc_noise="physical", adc_sigma=300.0)
        made.set_gain(0, 200, 0)
        codes.append(made.convert_all(np.tile(DRIVE, (SAMPLES // 5000, 1))))
    fine = np.array(codes) - SUM * 200 + 0.5
    weights = SIGMA_WEIGHT * np.sqrt((DRIVE**2).sum()) * 200
    if redraw == "per_programming":  # only 10 chips x 500 columns of weights are independent
        fine = fine[:, 0]
    assert stats.kstest(fine.ravel(), stats.norm(0, np.hypot(weights, 300.0)).cdf).pvalue > 0.001


def test_noise_per_step_is_independent_from_step_to_step():
    made = array(weight_noise=BETA, redraw="per_step")
    codes = made.convert_all(np.tile(DRIVE, (SAMPLES // 500, 1)))
    assert p_of_codes(codes, sigma_of_drive()) > 0.001
    again = made.convert_all(np.tile(DRIVE, (SAMPLES // 500, 1)))
    assert abs(np.corrcoef(codes.ravel(), again.ravel())[0, 1]) < 4 / np.sqrt(SAMPLES)


def test_noise_per_step_equals_fresh_chips_in_every_step():
    """Drawing at the column has the statistics of drawing every weight: two samples, one law."""
    layer = DenseLayer(inputs=15, outputs=500, adcs=50, adc_bits=16)
    at_column = array(0, layer, weight_noise=BETA, redraw="per_step")
    at_column.set_gain(0, 200, 0)
    fresh = at_column.convert_all(np.tile(DRIVE, (100, 1))).ravel()
    chips = []
    for seed in range(100):
        made = array(seed, layer, weight_noise=BETA)
        made.set_gain(0, 200, 0)
        chips.append(made.convert_all(DRIVE))
    assert stats.ks_2samp(fresh, np.array(chips).ravel()).pvalue > 0.001


def test_moments_at_sixteen_bits():
    layer = DenseLayer(inputs=15, outputs=500, adcs=50, adc_bits=16)
    made = array(1, layer, adc_noise="physical", adc_sigma=7.0)
    check_moments(made.convert_all(np.tile(DRIVE, (SAMPLES // 500, 1))), 7.0)

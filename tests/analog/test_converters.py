"""Converters: exact when ideal, errors as drawn, measured as drawn, and trimmed away by calibration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.converters import KINDS, AdcBank, AdcErrors, DacBank, DacErrors
from ohmgate.model.formats import DesignError, signed_range
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.designs import seeds


def layer(bits=4, adcs=50, steps=2):
    return DenseLayer(inputs=10, outputs=adcs * steps, adcs=adcs, adc_bits=bits)


def bank(errors, bits=4, adcs=50, seed=0):
    return AdcBank(layer(bits, adcs), errors, np.random.default_rng(seed))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, bits=st.integers(1, 8), kind=st.sampled_from(KINDS))
def test_every_kind_without_errors_is_the_ideal_converter(seed, bits, kind):
    """On random levels and on every transition itself, where a code begins."""
    low, high = signed_range(bits)
    rng = np.random.default_rng(seed)
    level = np.concatenate([rng.normal(0, 2**bits, (20, 100)), rng.integers(low - 3, high + 4, (20, 100))])
    codes = bank(AdcErrors(kind=kind), bits).convert(level, rng)
    assert np.array_equal(codes, np.clip(np.floor(level), low, high))


@pytest.mark.parametrize("kind", KINDS)
def test_offset_and_gain_are_measured_as_drawn(kind):
    adcs = bank(AdcErrors(kind=kind, offset_sigma=0.8, gain_sigma=0.05), bits=6)
    report = adcs.measure(np.random.default_rng(1))
    assert np.abs(report.offset - adcs.offset).max() < 0.03
    assert np.abs(report.gain - adcs.gain).max() < 0.002
    assert adcs.offset.std() == pytest.approx(0.8, rel=0.3)
    assert np.abs(report.inl).max() < 0.04


def test_flash_mismatch_is_the_spread_of_its_transitions():
    """Each transition errs by its comparator alone, so a code's width errs by sqrt(2) of that."""
    report = bank(AdcErrors(kind="flash", mismatch=0.1), bits=6, adcs=400).measure(np.random.default_rng(1))
    assert report.dnl.std() == pytest.approx(0.1 * np.sqrt(2), rel=0.03)
    assert report.inl[:, 20:40].std() == pytest.approx(0.1 * np.sqrt(1.5), rel=0.15)  # about a line by two ends


def test_sar_errs_most_in_the_middle():
    """Major carry: all lower capacitors are exchanged for one; sigma(DNL) = mismatch sqrt(2^N) (about)."""
    errors = AdcErrors(kind="sar", mismatch=0.01)
    report = bank(errors, bits=8, adcs=300).measure(np.random.default_rng(1))
    dnl = report.dnl.std(axis=0)
    assert dnl.argmax() == 126  # the width of the code below the middle transition
    assert dnl[126] == pytest.approx(0.01 * np.sqrt(255), rel=0.15)
    assert dnl[62] == pytest.approx(0.01 * np.sqrt(127), rel=0.15)


def test_a_large_mismatch_loses_codes_but_never_leaves_the_range():
    rng = np.random.default_rng(1)
    for kind in ("sar", "flash"):
        adcs = bank(AdcErrors(kind=kind, mismatch=0.3 if kind == "sar" else 1.0), bits=6)
        codes = adcs.convert(rng.normal(0, 40, (500, 100)), rng)
        assert (codes.min(), codes.max()) == (-32, 31)
        assert adcs.measure(rng).dnl.min() == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_comparator_noise_is_gaussian_at_a_transition_far_from_others(kind):
    """One bit, one transition: the share of ones follows the normal distribution."""
    adcs = bank(AdcErrors(kind=kind, comparator_sigma=0.5), bits=1)
    rng = np.random.default_rng(2)
    for level in (-0.7, 0.0, 0.4):
        codes = adcs.convert(np.full((1000, 100), level), rng)
        expected = stats.norm.cdf(level / 0.5)
        assert (codes == 0).mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / codes.size))


def sar_chances(level, weights, sigma, low):
    """Chance of each code of a successive approximation whose every decision has noise of its own, by its tree."""
    paths = {(0, float(low)): 1.0}
    for bit in reversed(range(len(weights))):
        split = {}
        for (code, reached), chance in paths.items():
            trial = reached + weights[bit]
            keep = stats.norm.cdf((level - trial) / sigma)
            for key, part in (((code + 2**bit, trial), keep), ((code, reached), 1 - keep)):
                split[key] = split.get(key, 0.0) + chance * part
        paths = split
    chances = np.zeros(2 ** len(weights))
    for (code, _), chance in paths.items():
        chances[code] += chance
    return chances


def test_every_decision_of_a_sar_has_noise_of_its_own():
    """Chi-square over all codes of 3 bits; one draw for all three decisions would be far from it."""
    adcs = bank(AdcErrors(kind="sar", mismatch=0.05, comparator_sigma=0.8), bits=3, adcs=1)
    rng = np.random.default_rng(3)
    for level in (-3.7, -0.2, 0.1, 2.4):
        codes = adcs.convert(np.full((20_000, 2), level), rng)
        expected = sar_chances(level, adcs._weights[0], 0.8, -4) * codes.size
        keep = expected > 5
        observed = np.bincount(codes.ravel() + 4, minlength=8)
        statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
        assert stats.chi2.sf(statistic, keep.sum() - 1) > 0.001
        once = np.diff([0, *stats.norm.cdf(np.arange(-3, 4), level, 0.8), 1]) * codes.size  # by one draw
        if level > -1:
            assert ((observed - once)[keep] ** 2 / once[keep]).sum() > 100


def test_capacitors_of_a_sar_err_by_the_root_of_their_units():
    """sigma(C_n) = mismatch sqrt(n): of a bit's weight in LSB, less what the sum of all takes away."""
    adcs = bank(AdcErrors(kind="sar", mismatch=0.02), bits=6, adcs=4000)
    units = 2.0 ** np.arange(6)
    assert (adcs._weights.mean(axis=0) / units) == pytest.approx(np.ones(6), abs=0.002)
    # w = 64 C / (sum of C): relative variance 0.02^2 (1/n - 1/64)
    assert (adcs._weights.std(axis=0) / units) == pytest.approx(0.02 * np.sqrt(1 / units - 1 / 64), rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_leaves_half_a_trim_step(kind):
    errors = AdcErrors(kind=kind, offset_sigma=1.5, gain_sigma=0.06)
    before = bank(errors, bits=6, adcs=200).measure(np.random.default_rng(1))
    after = bank(replace(errors, calibrate=True), bits=6, adcs=200).measure(np.random.default_rng(1))
    assert np.abs(before.offset).max() > 3
    assert np.abs(after.offset).max() < 0.125 / 2 * 1.25 + 0.03  # the trim acts before the gain's; ramp of 1/64
    assert np.abs(before.gain - 1).max() > 0.1
    assert np.abs(after.gain - 1).max() < 2**-9 * 1.25 + 0.001


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_calibration_lowers_the_offset_at_few_bits(bits):
    """Also of a comparator alone, whose one transition gives no gain."""
    errors = AdcErrors(offset_sigma=0.5)
    before, after = bank(errors, bits, adcs=200), bank(replace(errors, calibrate=True), bits, adcs=200)
    measured = before.measure(np.random.default_rng(1)).offset
    assert np.abs(measured - before.offset).max() < 0.02
    assert np.abs(before.offset).max() > 1
    assert np.abs(after.offset + after.offset_trim).max() < 0.125 / 2 + 0.02


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", range(1, 17))
def test_an_ideal_converter_needs_no_trim(bits, kind):
    """With few points a code, too, the ramp falls on no transition, where it would be half a point off."""
    adcs = AdcBank(layer(bits, adcs=1, steps=1), AdcErrors(kind=kind, calibrate=True), np.random.default_rng(0))
    assert (adcs.offset_trim, adcs.gain_trim) == (0, 1)
    report = adcs.measure(np.random.default_rng(0))
    assert report.offset == pytest.approx(0, abs=1e-9)
    assert report.gain == pytest.approx(1, abs=1e-9)


def test_calibration_sees_through_comparator_noise():
    errors = AdcErrors(kind="flash", offset_sigma=1.5, gain_sigma=0.06, comparator_sigma=0.2, calibrate=True)
    after = bank(errors, bits=6, adcs=200)
    residual = (after.offset + after.offset_trim) * after.gain_trim
    assert np.abs(residual).max() < 0.25


def test_a_column_has_the_errors_of_its_adc():
    """ADC k serves the columns k*M .. k*M + M-1."""
    adcs = bank(AdcErrors(offset_sigma=3.0), bits=8, adcs=20)
    codes = adcs.convert(np.full((1, 40), 0.5), np.random.default_rng(0))[0]
    assert np.array_equal(codes, np.floor(0.5 + np.repeat(adcs.offset, 2)))


def test_dac_errors_are_those_drawn_and_zero_is_exact():
    design = replace(layer(), dac_bits=8)
    dacs = DacBank(design, DacErrors(offset_sigma=0.5, gain_sigma=0.02, bow_sigma=0.7), np.random.default_rng(0))
    codes = np.arange(-127, 128)[:, None].repeat(design.rows, axis=1)
    error = dacs.levels(codes) - codes * dacs.gain - dacs.offset
    assert (dacs.levels(codes)[127] == 0).all()
    error[127] = 0
    assert np.abs(error[[0, -1]]).max() < 2**-12
    assert np.allclose(np.abs(error).max(axis=0), np.abs(dacs.bow), atol=1e-3)


def test_dac_errors_have_their_spread_and_shape():
    """Offset and gain by their deviations; the bow is u - u^3, which has its peak 2 / (3 sqrt(3)) at 1 / sqrt(3)."""
    design = replace(layer(), inputs=3999, dac_bits=8)
    dacs = DacBank(design, DacErrors(offset_sigma=0.5, gain_sigma=0.02, bow_sigma=0.7), np.random.default_rng(1))
    assert dacs.offset.std() == pytest.approx(0.5, rel=0.05)
    assert dacs.gain.std() == pytest.approx(0.02, rel=0.05)
    assert dacs.gain.mean() == pytest.approx(1, abs=0.001)
    assert dacs.bow.std() == pytest.approx(0.7, rel=0.05)
    for code in (-127, -73, 20, 100):
        u = code / 127
        expected = code * dacs.gain + dacs.offset + dacs.bow * (u - u**3) * 3 * np.sqrt(3) / 2
        assert np.abs(dacs.levels(np.full((1, 4000), code))[0] - expected).max() <= 2**-13 + 1e-12
    assert (dacs.levels(np.full((1, 4000), 20)) * 2**12 % 1 == 0).all(), "so column sums are exact"


def test_dac_mismatch_is_the_spread_of_its_steps():
    """DNL of each step as drawn; INL that of a random walk tied at both ends, largest in the middle."""
    design = replace(layer(), inputs=799, dac_bits=6)
    dacs = DacBank(design, DacErrors(mismatch=0.05), np.random.default_rng(0))
    levels = dacs.levels(np.arange(-31, 32)[:, None].repeat(design.rows, axis=1))
    assert np.array_equal(levels[[0, 31, -1]], np.array([-31, 0, 31])[:, None].repeat(design.rows, axis=1))
    step = np.diff(np.delete(levels, 31, axis=0), axis=0)
    assert np.delete(step, 30, axis=0).std() == pytest.approx(0.05, rel=0.03)
    error = levels - np.arange(-31, 32)[:, None]
    assert error[[30, 32]].std() == pytest.approx(0.05 * np.sqrt(62) / 2, rel=0.1)
    assert error[[6, 56]].std() == pytest.approx(0.05 * np.sqrt(6 * 56 / 62), rel=0.1)


def test_errors_of_a_dac_grow_with_its_reference():
    """They are in LSB of the converter, and an input's LSB is ``input_drive`` times a hidden row's."""
    design = LstmLayer(inputs=4, hidden=6, adcs=4, input_drive=5)
    array = Array(design, ArrayConfig(dac=DacErrors(gain_sigma=0.05, offset_sigma=0.1, bow_sigma=0.1)), 3)
    rng = np.random.default_rng(0)
    levels, drive = rng.integers(-7, 8, (11, 24)), rng.integers(-7, 8, (30, 11))
    array.program(levels)
    sums = array.dacs.levels(drive) @ (levels * np.array([5] * 4 + [1] * 7)[:, None])
    assert np.array_equal(array.analog(drive), sums)


@pytest.mark.parametrize("bits, input_bits, weights", [(3, 6, (2, 8)), (6, 2, (32, 1)), (1, 4, (2, 8))])
def test_inputs_with_dacs_of_their_own_have_errors_in_their_own_steps(bits, input_bits, weights):
    """Errors are in LSB of each row's converter; ends of its string stay where they are."""
    design = LstmLayer(inputs=4, hidden=6, adcs=4, input_drive=2, dac_bits=bits, input_dac_bits=input_bits)
    errors = DacErrors(gain_sigma=0.05, offset_sigma=0.1, bow_sigma=0.1, mismatch=0.02)
    array = Array(design, ArrayConfig(dac=errors), 3)
    rng = np.random.default_rng(0)
    top = np.repeat([max(2 ** (b - 1) - 1, 1) for b in (input_bits, bits)], [4, 7])
    levels, drive = rng.integers(-7, 8, (11, 24)), rng.integers(-top, top, (30, 11), endpoint=True)
    array.program(levels)
    sums = array.dacs.levels(drive) @ (levels * np.repeat(weights, [4, 7])[:, None])
    assert np.array_equal(array.analog(drive), sums)
    ends = array.dacs.gain * top + array.dacs.offset
    assert array.dacs.levels(top[None])[0] == pytest.approx(ends, abs=2**-12)
    strings = DacBank(design, DacErrors(mismatch=0.02), np.random.default_rng(1))
    row = np.argmax(top)
    codes = np.zeros((2 * top[row] + 1, 11), dtype=int)
    codes[:, row] = np.arange(-top[row], top[row] + 1)
    error = strings.levels(codes)[:, row] - codes[:, row]
    assert error[[0, -1]] == pytest.approx([0, 0], abs=2**-12)
    assert np.abs(error).max() > 0.005


def test_an_array_reads_through_its_converters():
    dac = DacErrors(gain_sigma=0.05, offset_sigma=0.1, mismatch=0.02)
    config = ArrayConfig(adc=AdcErrors(kind="sar", offset_sigma=0.3, mismatch=0.02), dac=dac)
    design = layer(bits=6)
    array = Array(design, config, 3)
    rng = np.random.default_rng(0)
    levels, drive = rng.integers(-7, 8, (11, 100)), rng.integers(-7, 8, (30, 11))
    array.program(levels)
    array.set_gain(0, 3, 4)
    expected = array.dacs.levels(drive) @ levels * 3 / 16
    assert np.array_equal(array.analog(drive), expected)
    assert np.array_equal(array.convert_all(drive), array.adcs.convert(expected, rng))
    ideal = Array(design)
    ideal.program(levels)
    ideal.set_gain(0, 3, 4)
    wrong = (array.convert_all(drive) != ideal.convert_all(drive)).mean()
    assert 0.2 < wrong < 0.8


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: AdcErrors(kind="slope"), "ADC kind must be one of ideal, flash, sar, not 'slope'"),
        (lambda: AdcErrors(offset_sigma=-1), "ADC offset sigma in LSB must be a number from 0 to 1024, not -1"),
        (lambda: AdcErrors(gain_sigma=1), "ADC gain sigma must be a number from 0 to 0.25, not 1"),
        (lambda: AdcErrors(mismatch=17), "ADC mismatch must be a number from 0 to 16, not 17"),
        (lambda: AdcErrors(comparator_sigma="x"), "comparator sigma in LSB must be a number from 0 to 1024, not 'x'"),
        (lambda: AdcErrors(offset_trim=0), "offset trim step in LSB must be a number from 1e-06 to 16, not 0"),
        (lambda: AdcErrors(gain_trim=1), "gain trim step must be a number from 1e-09 to 0.5, not 1"),
        (lambda: DacErrors(offset_sigma=-1), "DAC offset sigma in LSB must be a number from 0 to 1024, not -1"),
        (lambda: DacErrors(gain_sigma=1), "DAC gain sigma must be a number from 0 to 0.25, not 1"),
        (lambda: DacErrors(bow_sigma=-1), "DAC bow sigma in LSB must be a number from 0 to 1024, not -1"),
        (lambda: DacErrors(mismatch=1), "DAC mismatch must be a number from 0 to 0.25, not 1"),
    ],
)
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence


def test_far_comparators_need_no_noise():
    """The codes of a noisy flash follow the sum of its comparators' probabilities, all of them."""
    adcs = bank(AdcErrors(kind="flash", mismatch=0.4, comparator_sigma=0.3), bits=4, adcs=1)
    rng = np.random.default_rng(1)
    for level in (-20.0, -7.9, -0.3, 3.6, 7.2, 30.0):
        codes = adcs.convert(np.full((50_000, 2), level), rng)
        ones = stats.norm.cdf((level - adcs._thresholds[0]) / 0.3)
        deviation = np.sqrt((ones * (1 - ones)).sum())
        assert codes.mean() == pytest.approx(ones.sum() - 8, abs=4 * deviation / np.sqrt(codes.size) + 1e-12)
        assert codes.std() == pytest.approx(deviation, rel=0.02, abs=0.003)

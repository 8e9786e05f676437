"""Devices: programming, age and temperature by their formulas, presets, errors."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ohmgate.analog.memory import devices
from ohmgate.model.formats import DesignError, full_scale
from tests.analog.arrays import IDEAL, programmed


def test_programming_error_is_drawn_with_every_write_and_device_error_once():
    device = replace(IDEAL, program_sigma=(0.02, 0.03, 0.0))
    array = programmed(device, levels=np.full((20, 400), 7), seed=2)
    first = array.conductances.copy()
    sigma = device.programming_sigma(50e-6)
    assert sigma == pytest.approx(0.05 * 50e-6)
    positive = first[0].ravel() - 50e-6
    assert stats.kstest(positive, stats.norm(0, sigma).cdf).pvalue > 0.001
    array.program(array.levels)
    assert abs(np.corrcoef(first[0].ravel(), array.conductances[0].ravel())[0, 1]) < 0.05

    array = programmed(replace(IDEAL, device_sigma=0.05), levels=np.full((20, 400), 7), seed=2)
    first = array.conductances.copy()
    assert stats.kstest(first[0].ravel() / 50e-6 - 1, stats.norm(0, 0.05).cdf).pvalue > 0.001
    array.program(array.levels)
    assert np.array_equal(array.conductances, first)


def test_the_polynomials_of_a_level_have_all_their_terms():
    """At g = 0, 0.4 and 1, by hand; an error below 0 is none."""
    device = replace(IDEAL, program_sigma=(0.01, 0.05, -0.02), read_sigma=0.03, read_exponent=0.5, read_limit=0.04)
    sigma = device.programming_sigma(np.array([0.0, 20e-6, 50e-6]))
    assert sigma == pytest.approx(np.array([0.01, 0.0268, 0.04]) * 50e-6)
    assert replace(device, program_sigma=(0.01, -0.05, 0.0)).programming_sigma(50e-6) == 0
    noise = device.read_noise(np.array([0.0, 1e-6, 32e-6, 50e-6]))
    assert noise == pytest.approx([0.04, 0.04, 0.03 / 0.8, 0.03])


def test_drift_has_its_bounds_and_its_beginning():
    """nu = clip(a ln g + b, low, high), for the mean and for the spread; none up to t0, and t0 counts from there."""
    device = replace(
        IDEAL, drift_mean=(-0.1, 0.02, 0.05, 0.2), drift_sigma=(-0.02, 0.0, 0.001, 0.03), drift_start=5.0
    )
    g = np.array([np.exp(-5), np.exp(-1), 1.0]) * 50e-6
    mean, spread = np.array([0.2, 0.12, 0.05]), np.array([0.03, 0.02, 0.001])
    for normal in (0.0, 1.5, -1.0):
        aged = device.aged(g, normal, 500.0, 300.0)
        assert aged == pytest.approx(g * 100.0 ** -(mean + normal * spread))
    for seconds in (0.0, 5.0):
        assert np.array_equal(device.aged(g, 1.0, seconds, 300.0), g)
    only_spread = replace(device, drift_mean=(0.0, 0.0, 0.0, 0.0))
    assert only_spread.aged(g, 1.0, 500.0, 300.0) == pytest.approx(g * 100.0**-spread)


def test_cells_that_conduct_less_than_nothing_do_not():
    """A temperature coefficient is a straight line, which ends at 0."""
    device = replace(IDEAL, temperature_coefficient=-0.01)
    assert device.aged(50e-6, 0.0, 0.0, 350.0) == pytest.approx(25e-6)
    assert device.aged(50e-6, 0.0, 0.0, 300.0) == 50e-6
    assert device.aged(50e-6, 0.0, 0.0, 500.0) == 0


def test_the_fits_of_pcm_are_the_papers():
    """Nandakumar et al.: in uS of 25, sigma = 0.2635 + 1.9650 g - 1.1731 g^2; q = 0.0088 / g^0.65, 0.2 at most."""
    pcm = devices.pcm()
    assert pcm.programming_sigma(np.array([0.0, 12.5e-6, 25e-6])) * 1e6 == pytest.approx([0.2635, 0.952725, 1.0554])
    assert pcm.read_noise(25e-6 * np.array([1.0, 0.25, 1e-3])) == pytest.approx([0.0088, 0.0088 * 4**0.65, 0.2])


def test_a_cell_that_drifts_one_way_does_not_rise():
    device = replace(devices.pcm(), temperature_coefficient=0.0)
    for normal in (-20.0, 20.0):
        exponent = -np.log(device.aged(25e-6, normal, 20.0 * np.e, 300.0) / 25e-6)
        assert exponent == pytest.approx(abs(0.049 + 0.008 * normal))
    assert replace(device, drift_one_way=False).aged(25e-6, -20.0, 20.0 * np.e, 300.0) > 25e-6


def test_drift_is_a_power_of_time():
    device = replace(IDEAL, g_min=0.0, drift_mean=(0.0, 0.05, 0.0, 1.0), drift_start=20.0)
    fresh, aged = (programmed(device, seconds=s) for s in (20.0, 20e4))
    assert np.allclose(aged.effective(), fresh.effective() * 10**-0.2, rtol=1e-6)
    assert np.array_equal(fresh.effective(), fresh.levels)


def test_drift_exponents_spread_from_cell_to_cell_and_depend_on_the_level():
    """PCM: mean max(0.049, ...) at full scale; at 1/7 of it -0.0155 ln(1/7) + 0.0244 = 0.0546."""
    device = replace(devices.pcm(), program_sigma=(0.0,) * 3, temperature_coefficient=0.0)
    device = replace(device, read_sigma=0.0, drift_one_way=False)
    for level, mean, sigma in ((7, 0.049, 0.008), (1, 0.0546, 0.0184)):
        array = programmed(device, levels=np.full((20, 400), level), seconds=20.0 * np.e)
        exponent = -np.log(array.conductances[0].ravel() / (25e-6 * level / 7))
        assert stats.kstest(exponent, stats.norm(mean, sigma).cdf).pvalue > (0.001 if level == 7 else 1e-6)
        assert exponent.mean() == pytest.approx(mean, abs=0.001)
        assert exponent.std() == pytest.approx(sigma, rel=0.03)


def test_retention_is_thermally_activated():
    device = replace(IDEAL, retention=1e8, activation_energy=1.1)
    at_room = programmed(device, seconds=1e8)
    assert np.allclose(at_room.effective(), at_room.levels * np.exp(-1), atol=1e-6)
    factor = np.exp(1.1 / 8.617333e-5 * (1 / 300 - 1 / 358))
    assert 900 < factor < 1200  # a thousand times faster at 85 C
    hot = programmed(device, seconds=1e8 / factor, kelvin=358.0)
    assert np.allclose(hot.effective(), at_room.effective(), atol=1e-6)
    cold = programmed(device, seconds=1e12, kelvin=4.0)
    assert np.array_equal(cold.effective(), cold.levels)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_share_that_cells_hold_has_the_law_of_a_lognormal_tau(sigma):
    """Its distribution in closed form, its mean and variance by quadrature over ln tau; at T all tau are shorter alike."""
    device = replace(IDEAL, retention=1e8, retention_sigma=sigma, activation_energy=1.1)
    factor = np.exp(1.1 / 8.617333e-5 * (1 / 300 - 1 / 358))
    array = programmed(device, levels=np.full((20, 400), 7), seconds=0.5e8 / factor, kelvin=358.0)
    held = (array.conductances[0].ravel() - 1e-6) / 49e-6
    law = stats.norm(0, 1)
    lost = -np.log(np.clip(held, 1e-300, 1 - 1e-15))
    assert stats.kstest(np.log(0.5 / lost), stats.norm(0, sigma).cdf).pvalue > 0.001

    def moment(power):
        grid = np.linspace(-9, 9, 20001)
        return np.trapezoid(np.exp(-0.5 * np.exp(-sigma * grid)) ** power * law.pdf(grid), grid)

    mean, deviation = moment(1), np.sqrt(moment(2) - moment(1) ** 2)
    assert abs(held.mean() - mean) < 4 * deviation / np.sqrt(held.size)
    assert held.std() == pytest.approx(deviation, rel=0.05)
    later = programmed(device, levels=np.full((20, 400), 7), seconds=1e8 / factor, kelvin=358.0)
    again = (later.conductances[0].ravel() - 1e-6) / 49e-6
    assert again == pytest.approx(held**2, rel=1e-6), "a cell keeps its tau"


def test_what_is_lost_comes_back_to_the_lowest_conductance():
    device = replace(IDEAL, retention=1e8)
    aged = device.aged(np.array([1e-6, 50e-6]), 0.0, 1e8, 300.0)
    assert aged == pytest.approx([1e-6, 1e-6 + 49e-6 * np.exp(-1)])


def test_temperature_scales_conductances():
    array = programmed(replace(IDEAL, temperature_coefficient=1e-3), kelvin=350.0)
    assert np.allclose(array.effective(), array.levels * 1.05, atol=1e-6)


def test_levels_conduct_by_activation_energies_of_their_own():
    """The slope of an Arrhenius plot, ln G over 1/kT, is -E: linear in G from g_min to g_max, and no further."""
    device = replace(IDEAL, conduction_energy=(0.06, 0.01))
    g = np.array([0.5e-6, 1e-6, 25.5e-6, 50e-6, 60e-6])
    kelvin = np.array([250.0, 300.0, 358.0, 400.0])
    held = np.array([device.aged(g, 0.0, 0.0, t) for t in kelvin])
    slope = np.polyfit(1 / (8.617333e-5 * kelvin), np.log(held), 1)[0]
    assert slope == pytest.approx([-0.06, -0.06, -0.035, -0.01, -0.01])
    assert np.array_equal(held[1], g)
    both = replace(device, temperature_coefficient=-1e-3).aged(g, 0.0, 0.0, 358.0)
    assert both == pytest.approx(held[2] * 0.942)
    aged = replace(device, retention=1e8, activation_energy=0.0)
    left = 1e-6 + (g - 1e-6) * np.exp(-0.5)
    assert aged.aged(g, 0.0, 0.5e8, 358.0) == pytest.approx(device.aged(left, 0.0, 0.0, 358.0)), "as they are now"


def test_every_device_has_the_name_of_its_preset():
    makers = (devices.paper, devices.reram, devices.pcm, devices.mram, devices.nor_flash)
    assert [make().name for make in makers] == [make.__name__ for make in makers]
    assert full_scale(4) < devices.paper().levels


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: replace(IDEAL, g_min=1.0), "ideal: g_min in S must be from 0 to below g_max 5e-05, not 1.0"),
        (lambda: replace(IDEAL, g_min=50e-6), "ideal: g_min in S must be from 0 to below g_max 5e-05, not 5e-05"),
        (lambda: replace(IDEAL, g_min=-1e-9), "ideal: g_min in S must be from 0 to below g_max 5e-05, not -1e-09"),
        (lambda: replace(IDEAL, g_min=False), "ideal: g_min in S must be from 0 to below g_max 5e-05, not False"),
        (lambda: replace(IDEAL, name=3), "the device's name must be text, not 3"),
        (lambda: replace(IDEAL, g_max=0), "ideal: g_max in S must be a number from 1e-12 to 1, not 0"),
        (lambda: replace(IDEAL, levels=1), "ideal: levels must be an integer from 2 to 65536, not 1"),
        (lambda: replace(IDEAL, read_voltage=0), "ideal: read voltage in V must be a number from 0.001 to 10, not 0"),
        (lambda: replace(IDEAL, program_sigma=(0.1, 0.0)), "ideal: program_sigma must be 3 numbers, not (0.1, 0.0)"),
        (lambda: replace(IDEAL, drift_mean=0.1), "ideal: drift_mean must be 4 numbers, not 0.1"),
        (lambda: replace(IDEAL, drift_sigma=(0.0, 0.0, 0.0, "x")),
         "ideal: drift_sigma must be a number from -1 to 1, not 'x'"),
        (lambda: replace(IDEAL, drift_mean=(0.0, -1e6, -1e6, 1e6)),
         "ideal: drift_mean must be a number from -1 to 1, not -1000000.0"),
        (lambda: programmed(replace(IDEAL, drift_mean=(0.0, -1.0, -1.0, 1.0)), seconds=1e12).effective(),
         "ideal: cells must conduct at most 1000 S 1e+12 s after programming, not 5e+07 S"),
        (lambda: replace(IDEAL, device_sigma=-0.1), "ideal: device_sigma must be a number from 0 to 1, not -0.1"),
        (lambda: replace(IDEAL, read_sigma=-1), "ideal: read_sigma must be a number from 0 to 10, not -1"),
        (lambda: replace(IDEAL, read_exponent=-1), "ideal: read_exponent must be a number from 0 to 10, not -1"),
        (lambda: replace(IDEAL, read_limit=11), "ideal: read_limit must be a number from 0 to 10, not 11"),
        (lambda: replace(IDEAL, drift_start=0), "ideal: drift_start in s must be a number from 1e-12 to 1e+12, not 0"),
        (lambda: replace(IDEAL, retention=0), "ideal: retention in s must be a number from 1e-12 to inf, not 0"),
        (lambda: replace(IDEAL, activation_energy=-1),
         "ideal: activation_energy in eV must be a number from 0 to 10, not -1"),
        (lambda: replace(IDEAL, temperature_coefficient=1),
         "ideal: temperature_coefficient in 1/K must be a number from -0.1 to 0.1, not 1"),
        (lambda: replace(IDEAL, retention_sigma=-1), "ideal: retention_sigma must be a number from 0 to 10, not -1"),
        (lambda: replace(IDEAL, read_seconds=1.0), "ideal: read_seconds must be a number from 0 to 0.001, not 1.0"),
        (lambda: replace(IDEAL, drift_one_way=1), "ideal: drift_one_way must be true or false, not 1"),
        (lambda: replace(IDEAL, conduction_energy=(0.1,)),
         "ideal: conduction_energy must be 2 numbers, not (0.1,)"),
        (lambda: replace(IDEAL, conduction_energy=(0.1, 11.0)),
         "ideal: conduction_energy must be a number from -10 to 10, not 11.0"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_sentence(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

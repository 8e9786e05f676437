"""Write error rates of a macrospin, against its law of motion solved step by step from every angle that heat gives."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate

from ohmgate.analog.memory.switching import Switch
from ohmgate.model.formats import DesignError


@pytest.mark.parametrize("overdrive", [1.3, 2.0, 3.5])
@pytest.mark.parametrize("stability", [40.0, 80.0])
@pytest.mark.parametrize("target", [1e-1, 1e-3, 1e-6])
def test_the_error_rate_is_that_of_angles_too_small_to_switch_in_time(overdrive, stability, target):
    """The angle that just reaches 90 degrees, backwards in time by Runge and Kutta; heat's share below it by quadrature."""
    time = np.log(stability / target) / (2 * (overdrive - 1))
    switch = Switch(voltage=0.4 * overdrive, pulse_seconds=time * 3e-9, relaxation=3e-9, stability=stability)
    back = integrate.solve_ivp(
        lambda _, a: -np.sin(a) * (overdrive - np.cos(a)), (0, time), [np.pi / 2], rtol=1e-10, atol=1e-14
    ).y[0, -1]

    def heat(a):
        return np.sin(a) * np.exp(-stability * np.sin(a) ** 2)

    failed = integrate.quad(heat, 0, back)[0] / integrate.quad(heat, 0, np.pi / 2, points=[0.1])[0]
    assert 0.1 * target < failed < 10 * target
    assert switch.error_rate == pytest.approx(failed, rel=0.05)


def test_the_round_numbers_fail_once_in_some_ten_thousands():
    assert 1e-6 < Switch().error_rate < 1e-4
    assert Switch(pulse_seconds=1e-12).error_rate == pytest.approx(1)
    assert Switch(pulse_seconds=30e-9).error_rate < 1e-10


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"voltage": 0.4}, "a switching pulse must have more than the critical voltage 0.4 V, not 0.4 V"),
        ({"voltage": 0}, "voltage of a switching pulse in V must be a number from 0.001 to 20, not 0"),
        ({"critical_voltage": 0}, "critical voltage in V must be a number from 0.001 to 20, not 0"),
        ({"pulse_seconds": 0}, "seconds of a switching pulse must be a number from 1e-12 to 1, not 0"),
        ({"relaxation": 2}, "relaxation in s must be a number from 1e-12 to 1, not 2"),
        ({"stability": 0}, "stability must be a number from 1 to 1000, not 0"),
    ],
)
def test_errors_are_one_clear_sentence(changes, sentence):
    with pytest.raises(DesignError) as error:
        replace(Switch(), **changes)
    assert str(error.value) == sentence

"""The generator of integer noise: against Python's integers, and its law against closed forms."""

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.model.integer_noise import IntegerNoise, adc_noise, cell_bits, draws, noisy_cells, noisy_codes, scaled
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import LayerData
from ohmgate.model.reference import adc_codes

LSTM = LstmLayer(inputs=2, hidden=6, adcs=8, weight_bits=3)


def by_hand(low: int, high: int, first: int, second: int) -> int:
    """A draw, with text for the rotations."""
    x, y = first, second
    for number in range(8):
        bits = f"{x:016b}"
        x = (int(bits[-7:] + bits[:-7], 2) + y) % 65536 ^ (low, high)[number % 2] ^ (0x9E37 * number % 65536)
        bits = f"{y:016b}"
        y = int(bits[2:] + bits[:2], 2) ^ x
    return sum(int(digit, 16) for digit in f"{x:04x}{y:04x}") - 60


def test_draws_by_hand():
    words = np.random.default_rng(0).integers(0, 2**16, size=(4, 50))
    assert draws(*words).tolist() == [by_hand(*column) for column in words.T.tolist()]
    assert draws(0, 0, 0, 0) == by_hand(0, 0, 0, 0)


def law() -> np.ndarray:
    """Probability of each draw from -60 to 60: eight even numbers of 0 to 15, added."""
    whole = np.ones(1)
    for _ in range(8):
        whole = np.convolve(whole, np.full(16, 1 / 16))
    return whole


@pytest.mark.parametrize("seed", [0, 1, 0xFFFFFFFF])
def test_the_law_of_draws_of_neighbouring_places(seed):
    first, second = np.indices((1024, 512))
    found = draws(seed & 0xFFFF, seed >> 16, first, second)
    n = found.size
    assert abs(found.mean()) < 4 * np.sqrt(170 / n)
    values = np.arange(-60, 61)
    fourth = (law() * values**4.0).sum()
    assert (law() * values**2.0).sum() == pytest.approx(170)
    assert abs(found.var() - 170) < 4 * np.sqrt((fourth - 170**2) / n)
    middle = slice(18, 103)  # draws that are expected more than 5 times
    expected = law()[middle] * n
    assert expected.min() > 5
    chi = ((np.bincount(found.ravel() + 60, minlength=121)[middle] - expected) ** 2 / expected).sum()
    assert abs(chi - len(expected)) < 4 * np.sqrt(2 * len(expected))


def test_neighbours_in_place_time_and_seed_do_not_correlate():
    first, second = np.indices((512, 512))
    here = draws(0, 0, first, second)
    others = [draws(0, 0, first ^ 1, second), draws(0, 0, first, second ^ 1), draws(0, 0, first ^ 0x8000, second)]
    others += [draws(0, 0, first + 1, second + 1), draws(1, 0, first, second), draws(0, 1, first, second)]
    others += [draws(0x8000, 0, first, second), draws(0, 0, second, first + 512)]
    for other in others:
        for a, b in ((here, other), (here**2 - 170, other**2 - 170)):
            assert abs((a * b).mean()) < 4 * np.sqrt((a.astype(float) ** 2 * b.astype(float) ** 2).mean() / a.size)


def test_every_cell_and_conversion_has_a_draw_of_its_own():
    noise = IntegerNoise(5, 16, 16)
    assert np.array_equal(scaled(16, np.arange(-60, 61)), np.arange(-60, 61))
    weights = np.zeros((LSTM.rows, LSTM.columns), dtype=np.int64)
    cells = noisy_cells(noise, 2, LSTM, weights)
    for row, unit, gate in ((0, 0, 0), (8, 5, 3), (4, 1, 2)):
        # unit 2s + l of gate g: ADC 2g + l, column s of it
        adc, step = 2 * gate + unit % 2, unit // 2
        logical = gate * 6 + unit
        assert cells[row, logical] == by_hand(5 ^ 0x5A5A, 2, row, adc * 3 + step)
        for number in (0, 70000):
            found = adc_noise(noise, 2, LSTM, np.array([number]))[0, logical]
            assert found == by_hand(5 ^ number >> 16, 2, number & 0xFFFF, step + 4 * adc)


def test_cells_stay_within_their_bits_and_no_amplitude_is_no_noise():
    rng = np.random.default_rng(0)
    assert [cell_bits(DenseLayer(inputs=1, outputs=1, adcs=1, weight_bits=bits)) for bits in (1, 2, 8)] == [6, 6, 12]
    weights = rng.choice([-3, 3], size=(LSTM.rows, LSTM.columns))
    assert np.unique(np.abs(noisy_cells(IntegerNoise(1, 255), 0, LSTM, weights)))[-1] == 64
    data = LayerData(weights, np.array([200, 100, 50, 255]), np.array([8, 7, 6, 9]), None)
    drive = rng.integers(-7, 8, size=(20, LSTM.rows))
    gate = np.arange(24) // 6
    exact = adc_codes(drive @ weights, data.mult[gate], data.shift[gate], 4)
    assert np.array_equal(noisy_codes(IntegerNoise(9), 0, LSTM, data, drive, np.arange(20)), exact)
    assert not np.array_equal(noisy_codes(IntegerNoise(9, 0, 90), 0, LSTM, data, drive, np.arange(20)), exact)


@pytest.mark.parametrize(
    "values, said",
    [
        ({"seed": 2**32}, "noise seed must be an integer from 0 to 4294967295, not 4294967296"),
        ({"programming": 256}, "amplitude of the programming noise must be an integer from 0 to 255, not 256"),
        ({"adc": -1}, "amplitude of the ADC noise must be an integer from 0 to 255, not -1"),
    ],
)
def test_what_no_noise_has(values, said):
    with pytest.raises(DesignError, match=f"^{said}$"):
        IntegerNoise(**values)

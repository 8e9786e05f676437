"""Ranges of inputs, against a search by brute force that shares no code with them."""

import numpy as np
import pytest

from ohmgate.train.data.input_range import code_range, constant_channels, spread_range
from ohmgate.train.data.sequences import SequenceDataset, Sequences

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=20000)


def squared_error(values: np.ndarray, half: float, bits: int) -> float:
    """Of codes of values around 0: every value takes the nearest of all levels."""
    levels = np.array([-1.0, 1.0]) if bits == 1 else np.arange(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1))
    levels = levels * half / levels.max()
    edges = (levels[1:] + levels[:-1]) / 2
    return float(np.square(levels[np.searchsorted(edges, values)] - values).mean())


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("name", ["normal", "uniform", "laplace"])
def test_a_code_range_has_nearly_the_least_squared_error(bits, name):
    values = {"normal": NORMAL, "uniform": RNG.uniform(-1, 1, 20000), "laplace": RNG.laplace(size=20000)}[name]
    scale, offset = code_range(values[:, None], bits)
    centred = values + offset[0] / scale[0]
    best = min(squared_error(centred, half, bits) for half in np.geomspace(0.1, np.abs(centred).max(), 400))
    assert squared_error(centred, 1 / scale[0], bits) <= 1.05 * best


@pytest.mark.parametrize("size", [10, 1000, 1e6, 1e9])
@pytest.mark.parametrize("bits", [2, 4])
def test_one_outlier_in_1000_hardly_moves_a_code_range(size, bits):
    values = NORMAL.copy()
    values[::1000] = size
    plain, moved = (code_range(one[:, None], bits) for one in (NORMAL, values))
    assert moved[0] == pytest.approx(plain[0], rel=0.35)
    assert moved[1] == pytest.approx(plain[1], abs=0.05)


def test_a_sample_sees_every_step_of_sequences():
    ramp = np.tile(np.arange(10.0), 20000)[:, None]  # a stride of 10 would see one step alone
    scale, offset = code_range(ramp, 4)
    assert np.abs(ramp * scale + offset).max() == pytest.approx(1, abs=0.12)
    assert offset[0] / scale[0] == pytest.approx(-4.5, abs=0.1)


def test_a_channel_that_moves_once_is_not_constant():
    frames = np.zeros((100000, 1))
    frames[77777] = 1
    assert not constant_channels(frames).any()
    assert code_range(frames, 4)[0] == pytest.approx(1, rel=1e-3)


def test_a_channel_that_is_nearly_always_0_keeps_its_1():
    rare = (np.arange(20000) % 1000 == 0).astype(float)
    scale, offset = code_range(rare[:, None], 4)
    codes = np.floor((np.array([0.0, 1.0]) * scale + offset).clip(-1, 1) * 7 + 0.5)
    assert codes.tolist() == [0, 7]


@pytest.mark.parametrize("find", [lambda frames: code_range(frames, 4), lambda frames: spread_range(frames, 2.5)])
@pytest.mark.parametrize("value", [0.0, 9.81, -1e6])
def test_a_channel_that_never_changes_gets_code_0(find, value):
    frames = np.full((50, 2), value)
    frames[:, 1] = NORMAL[:50]
    scale, offset = find(frames)
    assert scale[0] == 1
    assert value * scale[0] + offset[0] == pytest.approx(0, abs=1e-6)
    assert scale[1] > 0.1
    assert constant_channels(frames).tolist() == [True, False]


def test_small_changes_on_a_large_offset_are_no_constant():
    pressure = (101325 + 0.05 * NORMAL[:, None]).astype(np.float32).astype(np.float64)
    assert not constant_channels(pressure).any()
    assert 5 < code_range(pressure, 4)[0] < 12


def test_a_data_set_tells_what_its_codes_are():
    features = np.array([[[0.0, 5.0], [10.0, 5.0]], [[-10.0, 5.0], [99.0, 0.0]]], np.float32)
    data = Sequences(features, np.array([2, 1]), np.array([0, 1]))
    dataset = SequenceDataset("own.npz", data, data, ("a", "b"))
    assert dataset.constant_channels().tolist() == [1]
    clipped, zero = dataset.input_codes(np.array([0.125, 1.0]), np.array([0.0, -5.0]), 4)
    assert clipped.tolist() == [2 / 3, 0]
    assert zero.tolist() == [1 / 3, 1]
    scale, offset = dataset.input_range(bits=2)
    assert (scale, offset) == tuple(map(pytest.approx, code_range(features.reshape(-1, 2)[:3].astype(float), 2)))

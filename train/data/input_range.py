"""From a channel's numbers to its DAC's -1..1: scale and offset, found in the training set alone."""

import numpy as np

from ...model.formats import full_scale

CANDIDATES = 60  #: ranges that are tried for a channel
SAMPLES = 20000  #: frames that they are tried on, at most, drawn from all; steps of a sequence are not alike
FAR = 4.0  #: times the range of least absolute error: numbers beyond count as if they lay there
OUTLIER = 64.0  #: times the usual distance from the middle: so do numbers beyond, before anything else
STILL = 2e-7  #: a deviation is none below this share of the largest number: float32's own rounding


def spread_range(frames: np.ndarray, deviations: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (m,) that take mean +- ``deviations`` standard deviations of ``frames`` (n, m) to -1..1."""
    mean, spread = frames.mean(axis=0), frames.std(axis=0) * deviations
    return _taken(constant_channels(frames), mean, spread)


def code_range(frames: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (m,) with the least mean squared error of DAC codes of ``bits`` for ``frames`` (n, m).

    Normal numbers get 1.2 deviations at 2 bits and 2.6 at 4. A few far outliers would outweigh all others, so numbers
    beyond :data:`OUTLIER` and :data:`FAR` count as if they lay there. The middle is the mean of what the range holds.
    """
    constant = constant_channels(frames)
    if len(frames) > SAMPLES:
        frames = frames[np.random.default_rng(0).choice(len(frames), SAMPLES, replace=False)]
    median = np.median(frames, axis=0)
    distances = [without_outliers(sizes) for sizes in np.abs(frames - median).T]
    frames = median + np.copysign(np.stack(distances, axis=1), frames - median)
    middle, half = frames.mean(axis=0), np.ones(frames.shape[1])
    for _ in range(2):
        for channel, values in enumerate(frames.T):
            half[channel] = least_error_range(np.abs(values - middle[channel]), bits)
        middle = np.clip(frames, middle - half, middle + half).mean(axis=0)
    return _taken(constant, middle, half)


def least_error_range(sizes: np.ndarray, bits: int) -> float:
    """Full scale of DAC codes of ``bits`` with the least mean squared error for numbers of these ``sizes`` (n,).

    A size is a number's distance from the middle of the range. Those beyond :data:`FAR` times the range of least
    absolute error count as if they lay there; without any but 0 it is 1.
    """
    if not sizes.any():
        return 1.0
    low, high, top = np.median(sizes[sizes > 0]) / 8, sizes.max(), full_scale(bits)
    widths = np.exp(np.linspace(np.log(low), np.log(high), CANDIDATES))
    codes = np.floor(sizes / widths[:, None] * top + 0.5).clip(bits == 1, top)
    values = codes * widths[:, None] / top
    near = widths[np.abs(values - sizes).mean(1).argmin()]
    return float(widths[np.square(values - np.minimum(sizes, FAR * near)).mean(1).argmin()])


def constant_channels(frames: np.ndarray) -> np.ndarray:
    """Which channels (m,) of ``frames`` (n, m) tell nothing, as they never change."""
    return frames.std(axis=0) <= STILL * np.abs(frames).max(axis=0, initial=0)


def without_outliers(sizes: np.ndarray) -> np.ndarray:
    """``sizes`` (n,), those beyond :data:`OUTLIER` times the usual one that is not 0 as if they lay there."""
    return np.minimum(sizes, OUTLIER * np.median(sizes[sizes > 0])) if sizes.any() else sizes


def _taken(constant: np.ndarray, middle: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = np.where(constant, 1.0, half)  # code 0 now, and a unit away full scale
    return 1 / half, -middle / half

"""Trims of a chip's ADCs, found by reading known weights with random codes on the rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model.diagnostic_registers import ADJUST_GAIN, ADJUST_OFFSET
from ...model.gain import nearest_gain
from ...model.layers import Layer
from ...model.layout import row_drive
from ..transactions import Steps
from .diagnosis import TRIM_LIMITS, Diagnosis, top_codes

SPREAD = 0.35  #: of the converter's range on either side, one standard deviation of the levels
USED = 0.8  #: of that range, levels beyond which could clip


@dataclass(frozen=True)
class Trims:
    """Of the K ADCs of a layer, in steps: (K,) int64 each."""

    offset: np.ndarray
    gain: np.ndarray

    @classmethod
    def none(cls, layer: Layer) -> "Trims":
        return cls(np.zeros(layer.adcs, dtype=np.int64), np.zeros(layer.adcs, dtype=np.int64))


@dataclass(frozen=True)
class AdcReport:
    """What every ADC of a layer does to a level: code + 1/2 is about gain * level + offset. (K,) float64 each."""

    offset: np.ndarray  #: LSB
    gain: np.ndarray
    rest: np.ndarray  #: LSB, rms of what is left of the codes: quantisation, 0.29, and all noise and nonlinearity


def calibrate(
    chip: Diagnosis,
    holds: np.ndarray,
    rng: np.random.Generator,
    patterns: int = 128,
    rounds: int = 3,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Steps[tuple[Trims, AdcReport, AdcReport]]:
    """Set the trims of a layer's ADCs, from none: they, and what was measured before and after.

    ``holds`` (rows, columns) are the weight codes that the array holds, in physical order. In every round each ADC
    reads its columns for ``patterns`` settings of the rows. A straight line is fitted to its codes; its offset and
    its gain go into the trims. What all cells of a column lack alike, as by drift, goes into the gain, too. A trim
    that does not reach stays at its limit: the last report says what is left. Of a converter of 1 bit only the offset
    is trimmed. Leaves the gains as it needs them.
    """
    trims, step, total = Trims.none(chip.layer), chip.trim_steps, (rounds + 1) * patterns
    reports = []
    for number in range(rounds + 1):
        yield from set_trims(chip, trims)
        done = number * patterns

        def tell(count: int, done: int = done) -> None:
            progress(done + count, total)

        report = yield from measure(chip, holds, rng, patterns, tell)
        reports.append(report)
        if number < rounds:
            factor = 1 + trims.gain * step.gain  # the level and its offset trim are multiplied by it
            offset = trims.offset - np.round(report.offset / (factor * step.offset))
            gain = np.round((factor / report.gain - 1) / step.gain)
            trims = Trims(*(np.clip(trim, *TRIM_LIMITS).astype(np.int64) for trim in (offset, gain)))
    return trims, reports[0], reports[-1]


def set_trims(chip: Diagnosis, trims: Trims) -> Steps[None]:
    """Write the trims of all ADCs of a layer."""
    yield from chip.adjust(ADJUST_OFFSET, trims.offset)
    yield from chip.adjust(ADJUST_GAIN, trims.gain)


def measure(
    chip: Diagnosis,
    holds: np.ndarray,
    rng: np.random.Generator,
    patterns: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Steps[AdcReport]:
    """Fit a line to the codes of every ADC, for ``patterns`` settings of the rows. Arguments: :func:`calibrate`."""
    layer = chip.layer
    top, driven = top_codes(layer), layer.inputs + layer.hidden
    drives = rng.integers(-top, top + 1, size=(patterns, driven))
    sums = (drives * row_drive(layer)[:driven]) @ holds[:driven]
    half = 2.0 ** (layer.adc_bits - 1)
    mult, shift = nearest_gain(SPREAD * half / max(float(np.sqrt((sums**2).mean())), 1.0))
    yield from chip.set_gain(mult, shift)
    codes = np.zeros(sums.shape)
    for number, drive in enumerate(drives):
        yield from chip.drive(drive)
        codes[number] = yield from chip.columns()
        progress(number + 1)
    return fit(layer, sums * mult * 2.0**-shift, codes)


def fit(layer: Layer, levels: np.ndarray, codes: np.ndarray) -> AdcReport:
    """Line through what every ADC makes of its columns' ``levels``, both (patterns, columns).

    Of a converter of 1 bit the slope, 1, is none that can be seen.
    """
    half = 2.0 ** (layer.adc_bits - 1)
    x, y = (part.reshape(len(part), layer.adcs, -1) for part in (levels, codes + 0.5))
    used = np.abs(x) <= USED * half
    count = np.maximum(used.sum(axis=(0, 2)), 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.where(used, values, 0.0).sum(axis=(0, 2)) / count

    mean_x, mean_y = mean(x), mean(y)
    variance = mean(x * x) - mean_x**2
    seen = (variance > 0) & (layer.adc_bits > 1)
    slope = np.divide(mean(x * y) - mean_x * mean_y, variance, out=np.ones(layer.adcs), where=seen)
    slope = np.where(slope > 0, slope, 1.0)
    offset = mean_y - slope * mean_x
    rest = mean((y - slope[:, None] * x - offset[:, None]) ** 2)
    return AdcReport(offset, slope, np.sqrt(rest))

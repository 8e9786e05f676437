"""Converters with the errors of real ones, and the calibration that a chip does of them.

All levels are in LSB of the converter. An ideal ADC is mid-rise: code = floor(v), so its transition to code j lies
at v = j (docs/numerics.md). ADC k serves the physical columns k*M .. k*M + M-1.
"""

from dataclasses import dataclass

import numpy as np

from ..model.formats import check_boolean, check_choice, check_number, signed_range
from ..model.layers import Layer
from ..model.layout import row_top
from ..model.records import later

KINDS = ("ideal", "flash", "sar")


@dataclass(frozen=True, kw_only=True)
class AdcErrors:
    """Spread of the ADCs of one array, each drawn once for a chip.

    ``mismatch`` is, for ``flash``, the offset of each comparator's threshold in LSB; for ``sar``, the relative
    error of a unit capacitor, so that a capacitor of n units errs by mismatch / sqrt(n) (charge redistribution:
    McCreary and Gray, IEEE J. Solid-State Circuits 10, 371, 1975). ``comparator_sigma`` is noise in LSB, new in
    every decision. ``calibrate`` measures offset and gain of each ADC and sets trims with these steps, in the factory
    and for good. A host's trims add to them, in the same steps; a chip that its host calibrates has no ``calibrate``.
    """

    kind: str = "ideal"
    offset_sigma: float = 0.0  #: LSB
    gain_sigma: float = 0.0  #: relative
    mismatch: float = 0.0
    comparator_sigma: float = 0.0  #: LSB
    calibrate: bool = False
    offset_trim: float = 0.125  #: LSB, step of the offset trim
    gain_trim: float = 2.0**-8  #: relative, step of the gain trim

    def __post_init__(self) -> None:
        check_choice("ADC kind", self.kind, KINDS)
        check_number("ADC offset sigma in LSB", self.offset_sigma, 0.0, 1024.0)
        check_number("ADC gain sigma", self.gain_sigma, 0.0, 0.25)
        check_number("ADC mismatch", self.mismatch, 0.0, 16.0)
        check_number("comparator sigma in LSB", self.comparator_sigma, 0.0, 1024.0)
        check_boolean("ADC calibration", self.calibrate)
        check_number("offset trim step in LSB", self.offset_trim, 1e-6, 16.0)
        check_number("gain trim step", self.gain_trim, 1e-9, 0.5)


@dataclass(frozen=True)
class AdcReport:
    """What a test of ADCs measures, in LSB: arrays of shape (K,), or (K, codes) for dnl and inl.

    ``offset`` is that of the middle transition of the straight line through the first and the last one, ``gain``
    its slope (1 is ideal). ``dnl`` is each inner code's width less 1, ``inl`` each transition's distance from the
    line, both after offset and gain are taken out.
    """

    offset: np.ndarray
    gain: np.ndarray
    dnl: np.ndarray
    inl: np.ndarray


class AdcBank:
    """The K ADCs of one array."""

    def __init__(self, layer: Layer, errors: AdcErrors, rng: np.random.Generator) -> None:
        self.errors = errors
        self.low, self.high = signed_range(layer.adc_bits)
        self._bits = layer.adc_bits
        self._adc = np.arange(layer.columns) // layer.conversions
        self.offset = errors.offset_sigma * rng.standard_normal(layer.adcs)  #: LSB, drawn
        self.gain = 1 + errors.gain_sigma * rng.standard_normal(layer.adcs)  #: drawn
        self.offset_trim = np.zeros(layer.adcs)  #: LSB, added by calibration
        self.gain_trim = np.ones(layer.adcs)  #: by calibration
        self.host_trims = np.zeros((2, layer.adcs), dtype=np.int64)  #: steps of both that a host adds over the port
        if errors.kind == "flash":
            ideal = np.arange(self.low + 1, self.high + 1)
            self._thresholds = ideal + errors.mismatch * rng.standard_normal((layer.adcs, len(ideal)))
        elif errors.kind == "sar":
            units = 2.0 ** np.arange(layer.adc_bits)
            capacitors = units + errors.mismatch * np.sqrt(units) * rng.standard_normal((layer.adcs, layer.adc_bits))
            terminating = 1 + errors.mismatch * rng.standard_normal((layer.adcs, 1))
            total = capacitors.sum(axis=1, keepdims=True) + terminating
            self._weights = 2**layer.adc_bits * capacitors / total  # LSB of each bit
        if errors.calibrate:
            self.calibrate(rng)

    def convert(self, level: np.ndarray, rng: np.random.Generator, columns: np.ndarray | None = None) -> np.ndarray:
        """Codes of ``level`` (B, n) in LSB, of all columns or some; ``rng`` makes the comparators' noise. int64."""
        return self._convert(level, self._adc if columns is None else self._adc[columns], rng)

    def _convert(self, level, adc, rng) -> np.ndarray:
        """Codes of ``level`` (B, n) by the ADCs with the numbers ``adc`` (n,)."""
        level = level * self.gain[adc] + self.offset[adc]
        offset = self.offset_trim + self.host_trims[0] * self.errors.offset_trim
        gain = self.gain_trim + self.host_trims[1] * self.errors.gain_trim
        level = (level + offset[adc]) * gain[adc]
        return getattr(self, f"_{self.errors.kind}")(level, adc, rng)

    def _noise(self, shape, rng):
        return self.errors.comparator_sigma * rng.standard_normal(shape) if self.errors.comparator_sigma else 0.0

    def _ideal(self, level, adc, rng):
        return np.clip(np.floor(level + self._noise(level.shape, rng)), self.low, self.high).astype(np.int64)

    def _flash(self, level, adc, rng):
        """As many ones as comparators whose threshold lies below the level (ones-counter, no bubbles)."""
        if self.errors.comparator_sigma:
            return self._noisy_flash(level, adc, rng)
        codes = np.empty(level.shape, dtype=np.int64)
        for number in np.unique(adc):
            mine = adc == number
            codes[:, mine] = np.searchsorted(np.sort(self._thresholds[number]), level[:, mine], side="right")
        return codes + self.low

    def _noisy_flash(self, level, adc, rng):
        """Noise only for the comparators near the level: one further than 6.5 sigma away is sure of its answer."""
        ideal = np.arange(self.low + 1, self.high + 1)
        reach = np.abs(self._thresholds - ideal).max() + 6.5 * self.errors.comparator_sigma
        sure = np.clip(np.floor(level - reach), self.low, self.high).astype(np.int64)  # ones that are certain
        count = min(len(ideal), int(np.ceil(2 * reach)) + 1)
        codes = sure.copy()
        for near in range(1, count + 1):
            code = sure + near
            threshold = self._thresholds[adc, np.minimum(code, self.high) - self.low - 1]
            codes += (level + self._noise(level.shape, rng) >= threshold) & (code <= self.high)
        return codes

    def _sar(self, level, adc, rng):
        """Successive approximation: the largest bit first, kept if the level reaches the capacitors' sum."""
        codes = np.zeros(level.shape, dtype=np.int64)
        reached = np.full(level.shape, float(self.low))
        for bit in reversed(range(self._bits)):
            trial = reached + self._weights[adc, bit]
            keep = level + self._noise(level.shape, rng) >= trial
            reached = np.where(keep, trial, reached)
            codes += keep * 2**bit
        return codes + self.low

    def measure(self, rng: np.random.Generator) -> AdcReport:
        """Test every ADC with a ramp of evenly spaced levels (code density), as a tester would."""
        errors = self.errors
        points = min(64, max(2, 2 ** (14 - self._bits)))  # levels a code
        margin = 4 * (1 + errors.offset_sigma + errors.comparator_sigma + errors.gain_sigma * (self.high + 1))
        span = np.arange(round((self.high - self.low + 1 + 2 * margin) * points) + 1)
        first = self.low - margin - 0.5 / points  # ideal transitions lie between two points
        ramp = first + span / points
        count = len(self.offset)
        codes = self._convert(np.repeat(ramp[:, None], count, axis=1), np.arange(count), rng)
        wanted = np.arange(self.low + 1, self.high + 1)
        below = np.stack([np.bincount(c - self.low, minlength=len(wanted) + 1).cumsum()[:-1] for c in codes.T])
        transitions = first + (below - 0.5) / points  # (K, 2^N - 1)
        if len(wanted) == 1:
            nothing = np.zeros((count, 0))
            return AdcReport(wanted[0] - transitions[:, 0], np.ones(count), nothing, np.zeros((count, 1)))
        width = (transitions[:, -1] - transitions[:, 0]) / (len(wanted) - 1)
        middle = (transitions[:, 0] + transitions[:, -1]) / 2
        line = transitions[:, :1] + width[:, None] * (wanted - wanted[0])
        return AdcReport(
            offset=-(middle - (wanted[0] + wanted[-1]) / 2 * width) / width,
            gain=1 / width,
            dnl=np.diff(transitions, axis=1) / width[:, None] - 1,
            inl=(transitions - line) / width[:, None],
        )

    def calibrate(self, rng: np.random.Generator) -> None:
        """Measure offset and gain of every ADC and set its trims to the nearest step."""
        report = self.measure(rng)
        step = self.errors.offset_trim
        self.offset_trim -= np.round(report.offset / self.gain_trim / step) * step
        step = self.errors.gain_trim
        self.gain_trim += np.round((self.gain_trim / report.gain - self.gain_trim) / step) * step


@dataclass(frozen=True, kw_only=True)
class DacErrors:
    """Spread of the row DACs, each drawn once for a chip, in LSB (one DAC code) and relative.

    The code 0 grounds its row and has no error; nor has a row that is not driven. ``bow_sigma`` is a cubic
    non-linearity, its peak in LSB, that is 0 at both ends. ``mismatch`` is the relative error of each step from code
    to code, as of a string of resistors: its differential non-linearity, which adds up to an integral one between
    the ends. ``noise_sigma`` is noise, new in every reading, which all columns of a row see alike.
    """

    offset_sigma: float = 0.0
    gain_sigma: float = 0.0
    bow_sigma: float = 0.0
    mismatch: float = 0.0
    noise_sigma: float = later(0.0)  #: LSB

    def __post_init__(self) -> None:
        check_number("DAC offset sigma in LSB", self.offset_sigma, 0.0, 1024.0)
        check_number("DAC gain sigma", self.gain_sigma, 0.0, 0.25)
        check_number("DAC bow sigma in LSB", self.bow_sigma, 0.0, 1024.0)
        check_number("DAC mismatch", self.mismatch, 0.0, 0.25)
        check_number("DAC noise sigma in LSB", self.noise_sigma, 0.0, 1024.0)


class DacBank:
    """The DACs of one array, one for each row."""

    GRID = 2.0**12  #: levels are rounded to 1 / GRID of a code, so that column sums stay exact in float64

    def __init__(self, layer: Layer, errors: DacErrors, rng: np.random.Generator) -> None:
        self._top, self._noise = row_top(layer), errors.noise_sigma
        self.offset = errors.offset_sigma * rng.standard_normal(layer.rows)
        self.gain = 1 + errors.gain_sigma * rng.standard_normal(layer.rows)
        self.bow = errors.bow_sigma * rng.standard_normal(layer.rows)
        self.string: np.ndarray | None = None  #: LSB, error of each code by mismatch: (rows, 2L + 1), L the widest
        if errors.mismatch:
            self.string = np.zeros((layer.rows, 2 * self._top.max() + 1))
            for error, top in zip(self.string, self._top):
                steps = 1 + errors.mismatch * rng.standard_normal(2 * top)
                error[1 : 2 * top + 1] = steps.cumsum() * (2 * top / steps.sum()) - np.arange(1, 2 * top + 1)

    def levels(self, drive: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Levels in codes (B, rows), float64, of DAC codes (B, rows); ``rng`` makes the noise, None leaves it out."""
        u = drive / self._top
        bow = self.bow * (u - u**3) * (1.5 * 3**0.5)
        level = drive * self.gain + self.offset + bow
        if self.string is not None:
            level += self.string[np.arange(len(self.string)), drive + self._top]
        if self._noise and rng is not None:
            level += self._noise * rng.standard_normal(level.shape)
        level = np.where(drive == 0, 0.0, level)
        return np.round(level * self.GRID) / self.GRID

"""The noise budget of a configuration: what each source does at the converter, alone."""

from dataclasses import dataclass

import numpy as np

from ...model.formats import full_scale, signed_range, symmetric_codes
from ...model.layers import Layer
from ...model.layout import row_drive
from ..array import Array
from ..config import QUANTISATION_SIGMA, ArrayConfig
from ..converters import AdcBank
from .sources import isolated, present


@dataclass(frozen=True)
class Share:
    """One source: its error before the converter, and what the converter would resolve with no other error."""

    source: str
    lsb: float  #: rms
    volts: float  #: rms, referred to the converter's input
    power: float  #: share of the sum of all squares, quantisation included
    enob: float  #: effective bits with quantisation and this source only


@dataclass(frozen=True)
class Budget:
    """Shares, the largest first; ``enob`` is that of all together."""

    bits: int
    shares: tuple[Share, ...]
    enob: float
    volts: tuple[float, float] = (-1.0, 1.0)  #: range of the converter's input

    def table(self) -> str:
        """Markdown table."""
        low, high = self.volts
        millivolts = f"mV rms at {low:g} to {high:g} V"
        lines = [
            f"| source | LSB rms | {millivolts} | share of power | effective bits, alone |",
            "| --- | --- | --- | --- | --- |",
        ]
        for s in self.shares:
            lines.append(f"| {s.source} | {s.lsb:.3g} | {s.volts * 1e3:.3g} | {s.power:.2%} | {s.enob:.2f} |")
        lines.append(f"| all | {self._total():.3g} | | 100.00% | {self.enob:.2f} |")
        return "\n".join(lines) + "\n"

    def _total(self) -> float:
        return float(np.sqrt(sum(s.lsb**2 for s in self.shares)))


def enob(bits: int, lsb: float) -> float:
    """Effective bits of a converter with quantisation and an error of ``lsb`` rms (SNR = 6.02 ENOB + 1.76 dB)."""
    return bits - 0.5 * np.log2(1 + (lsb / QUANTISATION_SIGMA) ** 2)


def noise_budget(
    layer: Layer,
    config: ArrayConfig,
    gain: tuple[int, int] | np.ndarray,
    levels: np.ndarray | None = None,
    drives: np.ndarray | None = None,
    volts: tuple[float, float] = (-1.0, 1.0),
    seed: int = 0,
    coarser: int = 0,
) -> Budget:
    """The budget of a layer, each source measured with all others off.

    ``gain`` is (mult, shift), or one for each gate (gates, 2); ``levels`` (rows, columns) are weight codes in
    physical order and ``drives`` (B, rows) DAC codes, both random codes if they are None. ``volts`` is the range of
    the converter's input, which the paper takes as +-1 V. Errors are taken over all columns and drives; ADC errors
    over levels spread evenly over the range. ``coarser`` is that of :meth:`..array.Array.set_gain`.
    """
    rng = np.random.default_rng(seed)
    if levels is None:
        levels = rng.choice(symmetric_codes(layer.weight_bits), (layer.rows, layer.columns))
    if drives is None:
        drives = random_drives(layer, 200, rng)
    sums = (drives * row_drive(layer)) @ levels
    rms = {"quantisation": QUANTISATION_SIGMA}
    for source in present(config):
        array = Array(layer, isolated(config, source), seed)
        array.program(levels)
        for gate, (mult, shift) in enumerate(np.broadcast_to(gain, (layer.gates, 2)).tolist()):
            array.set_gain(gate, mult, shift, coarser)
        array.new_sequence(np.ones(len(drives), dtype=bool))
        rms[source] = (
            _code_error(array.adcs, layer) if array.adcs and _is_adc(source) else _error(array, drives, sums)
        )
    squares = {source: value**2 for source, value in rms.items() if value}
    total = sum(squares.values())
    low, high = volts
    step = (high - low) / 2**layer.adc_bits
    shares = [
        Share(
            source,
            rms[source],
            rms[source] * step,
            square / total,
            layer.adc_bits if source == "quantisation" else float(enob(layer.adc_bits, rms[source])),
        )
        for source, square in squares.items()
    ]
    shares.sort(key=lambda share: -share.lsb)
    everything = float(enob(layer.adc_bits, np.sqrt(total - QUANTISATION_SIGMA**2)))
    return Budget(layer.adc_bits, tuple(shares), everything, (low, high))


def random_drives(layer: Layer, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random DAC codes (count, rows); bias rows at full scale, as ever."""
    drives = rng.choice(symmetric_codes(layer.dac_bits), (count, layer.rows))
    if layer.own_input_bits:
        drives[:, : layer.inputs] = rng.choice(symmetric_codes(layer.input_bits), (count, layer.inputs))
    drives[:, layer.rows - layer.bias_rows :] = full_scale(layer.dac_bits)
    return drives


def _is_adc(source: str) -> bool:
    return source.startswith("ADC") or source == "comparator"


def _error(array: Array, drives: np.ndarray, sums: np.ndarray) -> float:
    return float(np.sqrt(((array.analog(drives) - sums * array.scale) ** 2).mean()))


def _code_error(adcs: AdcBank, layer: Layer) -> float:
    """Rms error of the ADCs beyond quantisation: mean square of code + 1/2 - level over a ramp, less 1/12."""
    low, high = signed_range(layer.adc_bits)
    ramp = np.linspace(min(low + 1, -0.5), high, 4097)[:-1]  # the end codes clip
    level = np.repeat(ramp[:, None], layer.columns, axis=1)
    error = adcs.convert(level, np.random.default_rng(0)) + 0.5 - level
    return float(np.sqrt(max(0.0, (error**2).mean() - QUANTISATION_SIGMA**2)))

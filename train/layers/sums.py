"""Sums of an array's columns: where they are exact, so that neither their order nor threads change a bit.

Whole codes have exact sums. Weights with noise have them where training rounds them to a grid that is far finer than
their noise.
"""

import math
from dataclasses import dataclass

import torch

from ...model.gain import TOP_MULT
from .config import FLOAT, QuantConfig, code_scale
from .gaussian import LARGEST
from .integers import Integers
from .kernel_functions import Whole
from .noise import Noise
from .ranges import RangedWeights
from .straight_through import rounded

EXACT_FLOAT32 = 2**24  #: integers up to here are exact in float32
BYTE = 127  #: codes up to here are multiplied as bytes, where the kernel can
WORD = 2**15 - 1  #: and up to here as words
GRID = 2**9  #: weights with noise are rounded where the largest has so many units


@dataclass(frozen=True)
class Prepared:
    """An array ready for one forward pass."""

    weights: torch.Tensor  #: ADC steps per DAC code: (rows, columns), or (B, rows, columns) with noise
    gain: torch.Tensor  #: (columns,) ADC steps per product of a DAC code and a weight code
    step: torch.Tensor  #: (groups,) ADC steps in units of the pre-activation; float64 in evaluation
    spread: torch.Tensor | None  #: (columns,) deviation of weight noise redrawn per step, in ADC steps per code
    unit: float = 0.0  #: of weights with noise: all are multiples of it, and their sums are exact; 0: not so
    factor: torch.Tensor | None = None  #: (columns,) of the cells' gradient over the weights', where that is all
    integers: Integers | None = None  #: in evaluation, what all this follows from


class SummedWeights(RangedWeights):
    """Real weights, their noise and their sums."""

    def __init__(self, rows: int, columns: int, groups: int, config: QuantConfig, shifted: int = 0) -> None:
        super().__init__(rows, columns, groups, config, shifted)
        self.input_dropout = 0.0  #: share of rows not driven, drawn for every step of training
        self.train_noise, self.eval_noise = Noise(), Noise()
        self.curve = 0.0  #: in training: read voltage over V0 of nonlinear cells (:mod:`.curve`)

    @property
    def noise(self) -> Noise:
        """That of training or of evaluation, whichever it is."""
        return self.train_noise if self.training else self.eval_noise

    @property
    def dropout_factor(self) -> float:
        """What the codes of driven input rows are multiplied with, so that dropping some leaves the mean."""
        return 1 / (1 - self.input_dropout) if self.training else 1.0

    @property
    def _deviation(self) -> float:
        """Of the weights, in codes."""
        return self.noise.weight and self.noise.weight * self._code_span()

    def _deviations(self, codes: torch.Tensor) -> torch.Tensor | float:
        """Of the weights' noise, in codes: one for all, or where it depends on the level each weight's own."""
        if not self.noise.has_level:
            return self._deviation
        largest = self._code_span() / 2
        own = self.noise.level_deviation(codes.detach().abs() / largest) * largest
        return (own.square() + self._deviation**2).sqrt() if self._deviation else own

    @property
    def _draws_weights(self) -> bool:
        """Are the weights of a pass drawn ahead of it, and so no codes?"""
        noise = self.noise
        return bool(noise.drop or noise.has_level or (noise.weight and noise.redraw != "per_step"))

    @property
    def _has_codes(self) -> bool:
        return FLOAT not in (self.config.weight_bits, self.config.dac_bits, self.config.adc_bits)

    def sums_are_exact(self, unit: float = 0.0) -> bool:
        """Are sums of whole DAC codes exact in float32, whatever the order? ``unit``: of :class:`Prepared`."""
        plain = self._has_codes and not self._draws_weights and self._float32_holds_sums()
        return plain or unit > 0

    def _unit(self, gain: float) -> float:
        """The power of 2 that training rounds weights with noise to multiples of, in ADC steps per DAC code.

        Then sums are exact in float32: their order, and so threads, change no bit, and weights are whole numbers of
        16 bits. The unit is the finest that allows both; 0, no rounding, where the largest weight would have
        fewer than 512 of it. ``gain``: the largest, in ADC steps per product of codes.
        """
        if not (self._has_codes and self._draws_weights) or self.curve:
            return 0.0
        config, noise = self.config, self.noise
        level = noise.largest_level * code_scale(config.weight_bits)
        largest = code_scale(config.weight_bits) + math.hypot(self._deviation, level) * LARGEST
        largest *= gain / (1 - noise.drop if self.training else 1)
        codes = code_scale(config.dac_bits) * self.code_step * max(config.input_gain, 1)
        total = codes * math.ceil(self.dropout_factor) * self.cells.shape[0]
        unit = 2.0 ** math.ceil(math.log2(largest * max(total / EXACT_FLOAT32, 1 / WORD)))
        return unit if largest >= GRID * unit else 0.0

    def _clips_first(self, gain: float, factor: float) -> bool:
        """Is every sum that float32 rounds, times its gain of at least ``gain``, far beyond the converter's range?

        And is every sum exact without the gain? Then sums of integers are those of the hardware where it matters.
        """
        largest = self._largest_sum(factor)
        return largest < EXACT_FLOAT32 and gain * (EXACT_FLOAT32 // TOP_MULT) >= 2**self.config.adc_bits

    def whole(self, array: Prepared, bits: int, factor: float = 1.0, step: float = 1.0) -> Whole | None:
        """What makes the weights times ``step`` whole numbers, and DAC codes of ``bits`` times ``factor`` too.

        None where nothing does, or where each sequence has weights of its own.
        """
        if array.weights.dim() == 3:
            return None
        if self.bytes_hold(bits, factor, array):
            return Whole(array.gain * step, 8)
        if array.unit and float(factor).is_integer() and code_scale(bits) * factor <= WORD:
            return Whole(torch.full_like(array.gain, array.unit * step), 16)
        return None

    def bytes_hold(self, bits: int, factor: float = 1.0, array: Prepared | None = None) -> bool:
        """Are the weights of a pass whole codes, and DAC codes of ``bits`` times ``factor`` too, within eight bits?

        And are their sums exact, as in :meth:`sums_are_exact`; with the gains of ``array``, where it matters.
        """
        largest = max(code_scale(bits) * factor, code_scale(self.config.weight_bits))
        if not self._has_codes or self._draws_weights or not float(factor).is_integer() or largest > BYTE:
            return False
        if self._float32_holds_sums(factor):
            return True
        return array is not None and self._clips_first(float(array.gain.amin()), factor)

    def _float32_holds_sums(self, factor: float = 1.0) -> bool:
        """Is float32 exact for every sum times mult, of DAC codes times ``factor``?"""
        return self._largest_sum(factor) * TOP_MULT < EXACT_FLOAT32

    def _largest_sum(self, factor: float) -> float:
        """Of whole codes, with inputs' times ``factor``."""
        hidden = code_scale(self.config.dac_bits) * self.code_step
        largest = hidden * max(self.config.input_gain, 1) * code_scale(self.config.weight_bits) * factor
        return largest * self.cells.shape[0]


def on_grid(weights: torch.Tensor, unit: float) -> torch.Tensor:
    """Weights rounded to multiples of ``unit``, a power of two, straight-through; as they are for 0."""
    return rounded(weights / unit) * unit if unit else weights

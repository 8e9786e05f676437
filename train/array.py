"""What every quantised layer shares: weights in an array, converters on its columns, and their noise.

In training a layer rounds its real weights to codes on every forward pass, with straight-through gradients. In
evaluation it computes with the integers that :meth:`ArrayModule.layer_data` gives, the same that go into the
image, so what is evaluated is what the hardware runs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..model.formats import DesignError, check_integer, full_scale, quantise_symmetric
from ..model.network import LayerData
from .gain import TOP_MULT, nearest_gain
from .noise import Noise, NoiseSource
from .quantisers import weight_range
from .sequence import FLOAT
from .straight_through import symmetric_code

EXACT_FLOAT32 = 2**24  #: integers up to here are exact in float32


def check_bits(name: str, bits) -> int:
    """``bits`` if it is 1 to 16, or 32 for float; else :class:`DesignError`."""
    if bits == FLOAT and not isinstance(bits, bool):
        return FLOAT
    try:
        return check_integer(name, bits, 1, 16)
    except DesignError as error:
        raise DesignError(f"{error} (or {FLOAT} for float)") from None


def code_scale(bits: int) -> int:
    """L of a format, and 1 for float: a value times it is its code."""
    return 1 if bits == FLOAT else full_scale(bits)


@dataclass(frozen=True)
class Converter:
    """Gains (g,) from column sums to ADC steps, and the steps (g,) in units of the pre-activation."""

    mult: tuple[int, ...]
    shift: tuple[int, ...]
    step: tuple[float, ...]

    @property
    def gain(self) -> list[float]:
        return [m * 2.0**-s for m, s in zip(self.mult, self.shift)]


class ArrayModule(nn.Module):
    """A weight matrix (rows, columns) behind DACs of ``dac_bits`` and converters of ``adc_bits``.

    Rows are the driven inputs, then ``bias_rows`` at full scale. ``groups`` columns groups have a gain each.
    ``tables`` says whether the ADC step follows the gain (loaded) or is the nominal one (constant).
    """

    def __init__(self, rows, columns, groups, *, weight_bits, dac_bits, adc_bits, bias_rows, adc_range, tables):
        super().__init__()
        self.weight_bits = check_bits("weight bits", weight_bits)
        self.dac_bits = check_bits("DAC bits", dac_bits)
        self.adc_bits = check_bits("ADC bits", adc_bits)
        self.bias_rows = check_integer("bias rows", bias_rows, 0, 64)
        self.groups, self.tables = groups, tables
        self.adc_range = float(adc_range)
        self.quantiser = "absmax"
        self.weight = nn.Parameter(torch.zeros(rows + bias_rows, columns))
        self.train_noise, self.eval_noise, self.source = Noise(), Noise(), NoiseSource()
        self._programmed: torch.Tensor | None = None  # weight noise of redraw per_programming, unit normals
        self._loaded: LayerData | None = None

    # -- formats ------------------------------------------------------------------------------------------

    @property
    def nominal_step(self) -> float:
        """ADC step in units of the pre-activation before the gain is rounded; 1 without an ADC."""
        return 1.0 if self.adc_bits == FLOAT else 2 * self.adc_range / 2**self.adc_bits

    def alpha(self) -> torch.Tensor:
        """Real values that the largest weight codes stand for, by group of columns: (groups,)."""
        if self.weight_bits == FLOAT:
            return self.weight.new_ones(self.groups)
        return weight_range(self.weight, self.quantiser, self.weight_bits).expand(self.groups)

    def converter(self, alpha: torch.Tensor) -> Converter:
        """The hardware's gains for these alphas, and the steps that follow."""
        scale = code_scale(self.dac_bits) * code_scale(self.weight_bits)
        ideal = [a / (scale * self.nominal_step) for a in alpha.detach().double().tolist()]
        gains = [nearest_gain(g) for g in ideal]
        steps = [self.nominal_step] * self.groups
        if self.tables == "loaded":
            steps = [s * g / (m * 2.0**-k) for s, g, (m, k) in zip(steps, ideal, gains)]
        return Converter(tuple(m for m, _ in gains), tuple(k for _, k in gains), tuple(steps))

    def weight_codes(self, alpha: torch.Tensor) -> torch.Tensor:
        """Codes of the weights (rows, columns) as floats, straight-through; the weights themselves if float."""
        if self.weight_bits == FLOAT:
            return self.weight
        return symmetric_code(self.weight / self.by_column(alpha), self.weight_bits)

    def by_column(self, values: torch.Tensor) -> torch.Tensor:
        """(groups,) to (columns,)."""
        return values.repeat_interleave(self.weight.shape[1] // self.groups)

    # -- what the hardware gets -----------------------------------------------------------------------------

    def layer_data(self) -> LayerData:
        """Integers of this layer for the image: weights, gains, tables."""
        for name, bits in (("weights", self.weight_bits), ("DACs", self.dac_bits), ("ADCs", self.adc_bits)):
            if bits == FLOAT:
                raise DesignError(f"a layer whose {name} are float cannot be exported")
        if self._loaded is not None:
            return self._loaded
        with torch.no_grad():
            alpha = self.alpha()
            converter = self.converter(alpha)
            codes = self.weight_codes(alpha).round().to(torch.int64).numpy()
        return LayerData(codes, np.array(converter.mult), np.array(converter.shift), self.tables_of(converter.step))

    def load_data(self, data: LayerData) -> None:
        """Evaluate with these integers from now on, whatever the real weights; training is then refused."""
        self._loaded = data

    def tables_of(self, steps: tuple[float, ...]) -> np.ndarray | None:
        raise NotImplementedError

    @property
    def is_float(self) -> bool:
        """Is any part float? Such a layer has no integers, and computes the same in evaluation as in training."""
        return FLOAT in (self.weight_bits, self.dac_bits, self.adc_bits)

    # -- forward --------------------------------------------------------------------------------------------

    def drive(self, values: torch.Tensor) -> torch.Tensor:
        """DAC codes (as floats) of inputs in [-1, 1]; the inputs themselves without DACs."""
        if self.dac_bits == FLOAT:
            return values
        if self.training:
            return symmetric_code(values, self.dac_bits)
        codes = quantise_symmetric(values.detach().cpu().numpy(), self.dac_bits)
        return torch.from_numpy(codes).to(torch.float32)

    def prepare(self, batch: int):
        """Weights in ADC steps per code, (rows, columns) or (B, rows, columns) with noise, and ADC steps (g,).

        Also the scale (columns,) of weight noise redrawn per step, or None. Scaled by the gain here once, the
        column sums come out in ADC steps: all partial sums stay multiples of 2^-shift, so nothing is lost.
        """
        noise = self.train_noise if self.training else self.eval_noise
        if self.training or self.is_float:
            if self._loaded is not None:
                raise DesignError("a layer that holds the integers of a network can only be evaluated")
            alpha = self.alpha()
            weights = self.weight_codes(alpha)
            gain, step = self._gain_and_step(alpha)
        else:
            data = self.layer_data()
            weights = torch.from_numpy(data.weights).to(self._sum_type())
            gain = torch.from_numpy(data.mult * 2.0**-data.shift).to(weights.dtype)
            step = torch.tensor(self.converter(self.alpha()).step, dtype=weights.dtype)
        gain = self.by_column(gain)
        span = 2 * (
            code_scale(self.weight_bits) if self.weight_bits != FLOAT else float(self.weight.detach().abs().amax())
        )
        spread = None
        if noise.weight and noise.redraw == "per_step":
            spread = gain * (noise.weight * span)
        elif noise.weight:
            weights = weights + self._weight_normals(noise, batch) * (noise.weight * span)
        return weights * gain, step, spread

    def _gain_and_step(self, alpha):
        if self.adc_bits == FLOAT:
            return alpha / (code_scale(self.dac_bits) * code_scale(self.weight_bits)), alpha.new_ones(self.groups)
        converter = self.converter(alpha)
        return alpha.new_tensor(converter.gain), alpha.new_tensor(converter.step)

    def _sum_type(self) -> torch.dtype:
        """float32 where it is exact for every sum times mult, else float64."""
        largest = code_scale(self.dac_bits) * code_scale(self.weight_bits) * self.weight.shape[0] * TOP_MULT
        return torch.float32 if largest < EXACT_FLOAT32 else torch.float64

    def _weight_normals(self, noise: Noise, batch: int) -> torch.Tensor:
        if noise.redraw == "per_sequence":
            return self.source.normal(batch, *self.weight.shape)
        if noise.redraw == "per_batch":
            return self.source.normal(*self.weight.shape)
        if self._programmed is None:
            self._programmed = self.source.normal(*self.weight.shape)
        return self._programmed

    def program(self) -> None:
        """Program the array again: weight noise of redraw per_programming is drawn anew on the next pass."""
        self._programmed = None

    def converter_noise(self, *shape: int) -> torch.Tensor | None:
        """ADC noise in ADC steps for a tensor of ``shape``, or None."""
        noise = self.train_noise if self.training else self.eval_noise
        return self.source.normal(*shape) * noise.adc if noise.adc and self.adc_bits != FLOAT else None

    def step_normals(self, *shape: int) -> torch.Tensor:
        """Standard normals of the weight noise that is redrawn on every step."""
        return self.source.normal(*shape)

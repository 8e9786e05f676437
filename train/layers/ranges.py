"""Real weights of an array and what their integers follow from: ranges of weights, gains and steps of converters.

Ranges are measured, learned or calibrated (:class:`.config.QuantConfig`).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...model.formats import DesignError
from ...model.gain import nearest_gain
from .config import FLOAT, QuantConfig, code_scale
from .fixed import Fixed
from .quantisers import LEARNED, lsq_gradient_scale, scale_gradient, weight_range
from .straight_through import symmetric_code


@dataclass(frozen=True)
class Converter:
    """Gains (groups,) from column sums to ADC steps, and the steps (groups,) in units of the pre-activation."""

    mult: tuple[int, ...]
    shift: tuple[int, ...]
    step: tuple[float, ...]

    @property
    def gain(self) -> list[float]:
        return [m * 2.0**-s for m, s in zip(self.mult, self.shift)]


class RangedWeights(Fixed, nn.Module):
    """A weight matrix ``cells`` (rows, columns): the driven inputs' rows, then bias rows at full scale.

    ``groups`` of columns have a gain each. Row tiles with any of the first ``shifted`` rows have codes that count
    2^input_tile_shift. ``full_scale`` is the real input that the largest DAC code stands for.
    """

    FIXED = frozenset({"config", "groups", "inputs", "outputs", "hidden", "function", "output_bits", "tile_shifts"})
    full_scale: torch.Tensor  #: a buffer, or a parameter where it is learned

    def __init__(self, rows: int, columns: int, groups: int, config: QuantConfig, shifted: int = 0) -> None:
        super().__init__()
        self.config, self.groups = config, groups
        self.cells = nn.Parameter(torch.zeros(rows + config.bias_rows, columns))
        step = 2 * config.adc_range / 2**config.adc_bits if config.adc_bits != FLOAT else 0.0  # 0: there is no ADC
        tiles = len(config.row_slices(len(self.cells)))
        self.tile_shifts = config.tile_shifts(len(self.cells), shifted) if shifted else (0,) * tiles
        if tiles > 1 and config.tables == "loaded":  # each has a share: of random ones a sqrt(R)-th in size
            step /= math.sqrt(sum(4**shift for shift in self.tile_shifts))
        steps = torch.full((groups,), step, dtype=torch.float64)
        if config.learn_range and config.adc_bits != FLOAT:
            self.log_step = nn.Parameter(steps.log().float())
        else:
            self.register_buffer("nominal_step", steps)
        self.register_buffer("full_scale", torch.tensor(1.0, dtype=torch.float64))
        if config.quantiser in LEARNED and config.weight_bits != FLOAT:
            self.log_alpha = nn.Parameter(torch.zeros(groups if config.per_gate else 1))
        self._reach: torch.Tensor | None = None  # (2, rows, columns): lowest and highest code of each weight

    def _apply(self, *arguments):
        """Types change for the weights alone: ranges that are measured stay float64, as the hardware has them."""
        ranges = dict(self._buffers)
        super()._apply(*arguments)
        for name, value in ranges.items():
            if value.is_meta:  # to_empty() gives memory to a model that was made without
                value = torch.empty_like(value, device=self.cells.device)
            self._buffers[name] = value.to(self.cells.device)
        return self

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """A float array has no ADC steps to give and none to take: the own ones stay, as does all else it lacks.

        A learned range that it lacks starts from its weights. No ADC has steps of its range over 2^32:
        float networks of earlier versions do.
        """
        name, none = prefix + "nominal_step", 2 * self.config.adc_range / 2**FLOAT
        if name in state_dict and self.config.adc_bits == FLOAT:
            state_dict[name] = self.nominal_step.clone()
        elif name in state_dict and (state_dict[name] <= none).all():
            del state_dict[name]
            own = {key: value.clone() for key, value in self.state_dict().items()}
            cells = state_dict.get(prefix + "cells", self.cells)
            if "log_alpha" in own and cells.shape == self.cells.shape:
                own["log_alpha"] = self._measured_alpha(cells).log()
            for key, value in own.items():
                state_dict.setdefault(prefix + key, value)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def learn_full_scale(self) -> None:
        """Train the full scale from now on, too. Only an array that takes real inputs, and no codes, may have one."""
        value = self._buffers.pop("full_scale")
        assert value is not None
        self.full_scale = nn.Parameter(value)

    def start_ranges(self) -> None:
        """Set a learned weight range from the weights as they are."""
        if hasattr(self, "log_alpha"):
            with torch.no_grad():
                self.log_alpha.copy_(self._measured_alpha(self.cells).log())

    def widening(self, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """What to add to ``log_alpha``, 0 or more, when cells ``before`` become ``after``, so that as much clips."""
        return (self._measured_alpha(after) / self._measured_alpha(before)).clamp_min(1).log()

    def _measured_alpha(self, cells: torch.Tensor) -> torch.Tensor:
        cells = cells.detach()
        grouped = cells.unflatten(1, (self.groups, -1)).transpose(0, 1) if self.config.per_gate else cells[None]
        config = self.config
        return weight_range(grouped.flatten(1), config.quantiser, config.weight_bits, config.range_noise)

    def alpha(self) -> torch.Tensor:
        """Real values that the largest weight codes stand for: (groups,)."""
        if self.config.weight_bits == FLOAT:
            return self.cells.new_ones(self.groups)
        if not hasattr(self, "log_alpha"):
            return self._measured_alpha(self.cells).expand(self.groups)
        alpha = self.log_alpha.exp()
        factor = lsq_gradient_scale(self.cells.numel() // len(alpha), self.config.weight_bits)
        return scale_gradient(alpha, factor).expand(self.groups)

    def steps(self) -> torch.Tensor:
        """Nominal ADC steps (groups,) float64, before the gain is rounded; 1 without an ADC."""
        if self.config.adc_bits == FLOAT:
            return torch.ones(self.groups, dtype=torch.float64, device=self.cells.device)
        return self.log_step.double().exp() if hasattr(self, "log_step") else self.nominal_step

    @property
    def code_step(self) -> int:
        """What a product of a DAC code, but an LSTM's input, and a weight code counts in the column sum."""
        return 1

    @property
    def row_scale(self) -> torch.Tensor | float:
        """What a row's largest code contributes to the pre-activation, for a cell of 1."""
        return self.full_scale

    @property
    def _learns_row_scale(self) -> bool:
        return isinstance(self.row_scale, torch.Tensor) and self.row_scale.requires_grad

    def ideal_gain(self, alpha: torch.Tensor) -> torch.Tensor:
        """ADC steps per product of codes (groups,) float64: alpha * row_scale / (L_dac * L_weight * step)."""
        scale = code_scale(self.config.dac_bits) * code_scale(self.config.weight_bits)
        return alpha.double() * self.row_scale / (scale * self.steps())

    def converter(self, alpha: torch.Tensor) -> Converter:
        """The hardware's gains for these alphas, and the steps that follow."""
        scale = code_scale(self.config.dac_bits) * code_scale(self.config.weight_bits)
        rows, steps = float(self.row_scale), self.steps().detach().cpu().tolist()
        # of few numbers Python makes shorter work than torch; per unit of the column sum, else as ideal_gain()
        ideal = [a * rows / (scale * step) / self.code_step for a, step in zip(alpha.detach().cpu().tolist(), steps)]
        if not all(map(math.isfinite, ideal)):
            raise DesignError("weights and their ranges must be finite numbers, but some are not")
        nearest = {gain: nearest_gain(gain) for gain in set(ideal)}  # most layers have one
        gains = [nearest[gain] for gain in ideal]
        if self.config.tables == "loaded":
            steps = [s * g / (m * 2.0**-k) for s, g, (m, k) in zip(steps, ideal, gains)]
        return Converter(tuple(m for m, _ in gains), tuple(k for _, k in gains), tuple(steps))

    def real_steps(self) -> torch.Tensor:
        """ADC steps (groups,) float64 on the CPU, as the hardware's gains have them."""
        return torch.tensor(self.converter(self.alpha()).step, dtype=torch.float64)

    def weight_codes(self, alpha: torch.Tensor) -> torch.Tensor:
        """Codes of the weights (rows, columns) as floats, straight-through; the weights themselves if float.

        A learned range blocks the gradient of weights that clip, as its method says. A measured one does not: what
        clips is a share of the weights that the statistics decide, and without a gradient it would never move again.
        """
        if self.config.weight_bits == FLOAT:
            return self.cells
        if self.config.quantiser == "pact":
            alpha = alpha.detach()
        passing = self.config.quantiser not in LEARNED
        codes = symmetric_code(self.cells / self.by_column(alpha), self.config.weight_bits, passing)
        return codes if self._reach is None else codes.clamp(*self._reach.to(codes.device))

    def confine(self, reach: np.ndarray) -> None:
        """Keep each weight's code within ``reach`` (2, rows, columns), its lowest and highest, from now on.

        Weights outside start from the nearer end: without a gradient they would stay there for ever.
        """
        self._reach = torch.from_numpy(np.asarray(reach)).to(self.cells.dtype)
        with torch.no_grad():
            code = self.by_column(self.alpha()) / code_scale(self.config.weight_bits)
            self.cells.copy_(self.cells.clamp(*(self._reach.to(code.device) * code)))

    def by_column(self, values: torch.Tensor) -> torch.Tensor:
        """(groups,) to (columns,)."""
        return values.repeat_interleave(self.cells.shape[1] // self.groups)

    def _gain_and_step(self, alpha: torch.Tensor):
        """Gains as the hardware has them, with the gradient of the ideal ones; and steps."""
        if self.config.adc_bits == FLOAT:
            return self.ideal_gain(alpha).to(self.cells.dtype), self.cells.new_ones(self.groups)
        converter = self.converter(alpha)
        gain = [each * self.code_step for each in converter.gain]
        of_steps = hasattr(self, "log_step")
        learned = torch.is_grad_enabled() and (alpha.requires_grad or self._learns_row_scale or of_steps)
        if not learned and not of_steps:
            found = torch.tensor([gain, converter.step], dtype=self.cells.dtype).to(alpha.device)
            return found[0], found[1]
        gain, step = torch.tensor([gain, converter.step], dtype=torch.float64).to(alpha.device)
        if learned:
            ideal = self.ideal_gain(alpha)
            gain = ideal * (gain / ideal).detach()
        if of_steps:
            step = self.steps() * (step / self.steps()).detach()
        return gain.to(self.cells.dtype), step.to(self.cells.dtype)

    def _code_span(self) -> float:
        """wmax - wmin in weight codes."""
        if self.config.weight_bits == FLOAT:
            return 2 * float(self.cells.detach().abs().amax())
        return 2 * code_scale(self.config.weight_bits)

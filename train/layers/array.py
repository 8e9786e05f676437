"""What every quantised layer shares: weights in an array, converters on its columns, and their noise.

In training a layer rounds its real weights to codes on every forward pass, with straight-through gradients. In
evaluation it computes with the integers that :meth:`ArrayModule.integers` gives, the same that go into the
image, so what is evaluated is what the hardware runs.
"""

import math
from statistics import NormalDist

import numpy as np
import torch
from torch.nn import functional

from ...model.formats import DesignError, quantise_symmetric
from ...model.network import LayerData
from ..kernel.build import kernel
from .config import FLOAT, QuantConfig, code_scale
from .curve import Bend, bend_of
from .eager import eager, refuse_graph
from .integers import Integers
from .kernel_functions import OwnSums, ScaledWeights
from .noise import NoiseSource
from .quantisers import LEARNED
from .straight_through import symmetric_code
from .sums import Prepared, SummedWeights, on_grid


class ArrayModule(SummedWeights):
    """Weights in an array, its converters and their noise. ``fast``: train with the C++ kernel."""

    __prepare_scriptable__ = refuse_graph  #: what torch.jit.script calls first

    def __init__(
        self, rows: int, columns: int, groups: int, config: QuantConfig, fast: bool, shifted: int = 0
    ) -> None:
        super().__init__(rows, columns, groups, config, shifted)
        self.fast = fast
        self.source = NoiseSource()
        self._programmed: dict[str, torch.Tensor] = {}  # unit normals of redraw per_programming
        self._loaded: Integers | None = None
        self.recorder = None  #: while somebody listens: called with (module, DAC codes, :class:`.sequence.Trace`)

    @eager
    def __call__(self, *arguments, **fields):
        """As every module's, but never in autocast's types, in which sums of codes are not exact."""
        kind = self.cells.device.type
        if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
            return super().__call__(*arguments, **fields)
        with torch.autocast(kind, enabled=False):
            return super().__call__(*arguments, **fields)

    @property
    def row_slices(self) -> tuple[slice, ...]:
        """Rows of each row tile, whose converters are its own."""
        return self.config.row_slices(self.cells.shape[0])

    @property
    def row_tiles(self) -> int:
        """R: voltages and ADC codes of more than one row tile have an axis of R before the batch's."""
        return len(self.row_slices)

    @property
    def code_units(self) -> int:
        """U: what one code of all row tiles adds up to."""
        return sum(2**shift for shift in self.tile_shifts)

    def tile_sums(self, values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """(T, B, columns) of all rows with ``values`` (T, B, rows); of row tiles, (T, R, B, columns).

        ``weights`` (rows, columns) or (B, rows, columns).
        """
        if self.row_tiles == 1:
            return column_sums(values, weights)
        parts = [column_sums(values[..., tile], weights[..., tile, :]) for tile in self.row_slices]
        return torch.stack(parts, dim=1)

    def grouped(self, values: torch.Tensor) -> torch.Tensor:
        """(groups, ...) of numbers (..., R * columns), as a :class:`.sequence.Trace` has voltages and ADC codes."""
        return values.unflatten(-1, (self.row_tiles, self.groups, -1)).movedim(-2, 0).flatten(1)

    # -- what the hardware gets -----------------------------------------------------------------------------

    def integers(self) -> Integers:
        """The integers of this layer, with what its ADC steps are worth. Raises :class:`DesignError` for float."""
        config = self.config
        for name, bits in (("weights", config.weight_bits), ("DACs", config.dac_bits), ("ADCs", config.adc_bits)):
            if bits == FLOAT:
                raise DesignError(f"a layer whose {name} are float cannot be exported")
        if self._loaded is not None:
            return self._loaded
        self._check_weights()
        with torch.no_grad():
            alpha = self.alpha()
            converter = self.converter(alpha)
            codes = self.weight_codes(alpha).round().to(torch.int64).cpu().numpy()
        tables = self.tables_of(converter.step)
        data = LayerData(codes, np.array(converter.mult), np.array(converter.shift), tables)
        return Integers(data, torch.tensor(converter.step, dtype=torch.float64))

    def layer_data(self) -> LayerData:
        """Integers of this layer for the image: weights, gains, tables."""
        return self.integers().data

    def load_data(self, data: LayerData) -> None:
        """Evaluate with these integers from now on, whatever the real weights; training is then refused."""
        self._loaded = Integers.loaded(data)

    @property
    def holds_integers(self) -> bool:
        """Are integers loaded, whatever the real weights are?"""
        return self._loaded is not None

    def real_steps(self) -> torch.Tensor:
        """As :meth:`RangedWeights.real_steps`; 1 where integers are loaded."""
        return super().real_steps() if self._loaded is None else self._loaded.step

    def tables_of(self, steps: tuple[float, ...]) -> np.ndarray | None:
        """The image's tables for these ADC steps."""
        raise NotImplementedError

    # -- forward --------------------------------------------------------------------------------------------

    @property
    def input_bits(self) -> int:
        """Of the input rows' DACs."""
        return self.config.dac_bits

    def drive(self, values: torch.Tensor, bits: int, scale: float | torch.Tensor = 1.0) -> torch.Tensor:
        """DAC codes (as floats) of values within +-scale; values / scale themselves without DACs."""
        if self.training or self.config.is_float:
            values = values.to(torch.promote_types(values.dtype, self.cells.dtype))  # half types hold few codes
            fixed = isinstance(scale, float) and not (values.requires_grad and torch.is_grad_enabled())
            plain = bits != FLOAT and values.is_contiguous() and values.dtype == torch.float32
            if fixed and plain and self._kernel() is not None:
                codes, finite = self._kernel().driven_codes(values, scale, bits)
                if not finite:
                    check_finite("inputs of an array", values / scale)
                return codes
            scaled = values if isinstance(scale, float) and scale == 1 else values / scale
            check_finite("inputs of an array", scaled)
            return scaled if bits == FLOAT else symmetric_code(scaled, bits)
        scaled = values.detach().double() * (1 / float(scale))  # as the host does it, see Network.encode
        codes = torch.from_numpy(quantise_symmetric(scaled.cpu().numpy(), bits))
        return codes.float().to(values.device)

    @property
    def input_step(self) -> float:
        """Voltage of 1 in an input's code over that of 1 in another row's."""
        return 1.0

    def bend(self, step: float = 1.0) -> Bend | None:
        """What bends the codes of rows whose code 1 has ``step`` times the voltage of a bias row's; None: nothing."""
        if not self.curve or not self.training or self.config.dac_bits == FLOAT:
            return None
        largest = max(self.input_step * code_scale(self.input_bits), code_scale(self.config.dac_bits))
        return bend_of(self.curve, largest, step)

    @property
    def bias_level(self) -> float:
        """Of a bias row, in codes: full scale."""
        bent, full = self.bend(), float(code_scale(self.config.dac_bits))
        return full if bent is None else float(bent(torch.tensor(full, dtype=torch.float64)))

    def drive_inputs(self, values: torch.Tensor) -> torch.Tensor:
        """:meth:`drive` of a layer's inputs, within +-full_scale: in training rows may be bent, and some dropped."""
        learned = self.training and self.full_scale.requires_grad
        scale = self.full_scale.to(self.cells.dtype) if learned else float(self.full_scale.detach())
        codes = self.drive(values, self.input_bits, scale)
        bent = self.bend(self.input_step)
        codes = codes if bent is None else bent(codes)
        return functional.dropout(codes, self.input_dropout, self.training)

    def prepare(self, batch: int) -> Prepared:
        """Weights scaled to ADC steps, with noise.

        Scaled by the gain once, column sums come out in ADC steps: all partial sums stay multiples of 2^-shift,
        so nothing is lost.
        """
        if self.cells.dtype not in (torch.float32, torch.float64):
            raise DesignError(f"an array's weights must be float32 or float64, not {self.cells.dtype}")
        if self.training or self.config.is_float:
            return self._prepare_real(batch)
        integers = self.integers()
        codes = integers.weights(self.cells, self._sum_type())
        gain = self.by_column(integers.gain(codes)) * self.code_step
        weights, spread = self._with_noise(codes, gain, batch)
        return Prepared(weights * gain, gain, integers.step.to(codes.device), spread, integers=integers)

    def _prepare_real(self, batch: int) -> Prepared:
        """From the real weights, with their gradients."""
        if self._loaded is not None:
            raise DesignError("a layer that holds the integers of a network can only be evaluated")
        self._check_weights()
        alpha = self.alpha()
        gain, step = self._gain_and_step(alpha)
        gains = gain.detach().cpu().tolist()
        unit = self._unit(max(gains))
        if self._fusible(gain):
            key = self.source.key() if self._deviation else [0, 0, 0]
            fields = (alpha.tolist(), gains, self.config.weight_bits, key, self._deviation, unit)
            weights, gain, factor = ScaledWeights.apply(self._kernel(), self.cells, *fields)
            return Prepared(weights, gain, step, None, unit, factor)
        gain, divisor = self.by_column(gain), self.by_column(alpha)
        weights, spread = self._with_noise(self.weight_codes(alpha), gain.detach(), batch)
        if self.config.quantiser == "pact" and alpha.requires_grad:
            clipped = self.cells.detach().abs() > divisor.detach()
            other = self.by_column(self._gain_and_step(alpha.detach())[0])  # the same, without alpha's gradient
            weights = torch.where(clipped, weights * gain, weights * other)
        else:
            weights = weights * gain
        return Prepared(on_grid(weights, unit), gain.detach(), step, spread, unit)

    def _with_noise(self, codes: torch.Tensor, gain: torch.Tensor, batch: int):
        """Weight codes with noise drawn ahead of a pass, and the ``spread`` of that drawn on every step."""
        noise, spread = self.noise, None
        if self._deviation and noise.redraw == "per_step":
            spread = gain * self._deviation
        elif self._deviation or noise.has_level:
            codes = codes + self._weight_normals("noise", batch) * self._deviations(codes)
        if noise.drop:
            connected = self._weight_normals("drop", batch) > NormalDist().inv_cdf(noise.drop)
            codes = codes * connected / (1 - noise.drop if self.training else 1)
        return codes, spread

    def _fusible(self, gain: torch.Tensor) -> bool:
        """May the kernel prepare the weights in one pass: no learned range, no reach, noise only per batch?

        A learned range that is frozen still blocks the gradient of weights that clip, which the kernel lets through.
        """
        noise, plain = self.noise, self._ranges_are_measured and not gain.requires_grad
        drawn = not noise.drop and not noise.has_level and (not noise.weight or noise.redraw == "per_batch")
        free = self._reach is None and plain and drawn
        return free and self.cells.dtype == torch.float32 and self._kernel() is not None

    def _kernel(self):
        """The C++ kernel, where it is asked for, is there and the weights are on the CPU."""
        return kernel() if self.fast and self.cells.is_cpu else None

    def _check_weights(self) -> None:
        """Raise :class:`DesignError` for weights that are no numbers; gains from measured ranges show most, too."""
        unseen = self.config.quantiser == "percentile" or self.config.adc_bits == FLOAT
        if not self._ranges_are_measured or unseen:
            check_finite("weights and their ranges", self.cells)

    @property
    def _ranges_are_measured(self) -> bool:
        """Do the codes' ranges follow from the weights as they are?"""
        return self.config.quantiser not in LEARNED and self.config.weight_bits != FLOAT

    def _sum_type(self) -> torch.dtype:
        """float32 where its products are exact, else float64: torch may be told to make them of shorter types."""
        backend = torch.backends.mkldnn if self.cells.is_cpu else torch.backends.cuda
        full = backend.matmul.fp32_precision not in ("tf32", "bf16")
        return torch.float32 if full and self._float32_holds_sums() else torch.float64

    def _weight_normals(self, purpose: str, batch: int) -> torch.Tensor:
        """One for each cell, or (B, rows, columns) where each sequence has its own."""
        if self.noise.redraw == "per_sequence":
            return self.normals(batch, *self.cells.shape)
        if self.noise.redraw == "per_batch":
            return self.normals(*self.cells.shape)
        if purpose not in self._programmed:
            self._programmed[purpose] = self.normals(*self.cells.shape)
        return self._programmed[purpose].to(self.cells.device)

    def normals(self, *shape: int) -> torch.Tensor:
        """Standard normal float32 of ``shape`` where the weights are: one draw."""
        self._kernel()  # which is asked for here, so that it draws them: faster, and the same
        return self.source.normal(*shape).to(self.cells.device)

    def program(self) -> None:
        """Program the array again: what is drawn per_programming is drawn anew on the next pass."""
        self._programmed = {}

    @property
    def row_noise(self) -> float:
        """Deviation of each driven row, in codes."""
        return self.noise.dac

    def drive_noise(self, steps: int, batch: int) -> torch.Tensor:
        """Noise of all rows (T, B, rows) float32, in codes."""
        return self.normals(steps, batch, self.cells.shape[0]) * self.row_noise


def check_finite(name: str, values: torch.Tensor) -> None:
    """Raise :class:`DesignError` for numbers that have no code. (A sum is one pass, and not finite if one is not.)"""
    if not math.isfinite(values.detach().sum()):
        raise DesignError(f"{name} must be finite numbers, but some are not")


def column_sums(codes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(T, B, columns) of ``codes`` (T, B, rows); ``weights`` (rows, columns), or (B, rows, columns)."""
    return codes @ weights if weights.dim() == 2 else OwnSums.apply(codes, weights)

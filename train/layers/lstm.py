"""One quantised LSTM layer in one direction: an array, its gate tables and the loop over steps."""

import math

import numpy as np
import torch
from torch import nn

from ...model.tables import gate_entries
from . import gate_tables
from .array import check_finite, column_sums
from .config import FLOAT, QuantConfig
from .kernel_functions import CodeSums, LayerPass, Rows, Whole
from .recurrent import RecurrentArray
from .sequence import Loop, StepNoise, Trace, eager_sequence, kernel_sequence
from .straight_through import rounded
from .sums import Prepared
from .tile_rows import TileRows, tile_rows


class LstmArray(RecurrentArray):
    """Rows [x, h, bias], columns f, i, o, g of ``hidden`` units (docs/numerics.md).

    Input (T, B, m) within +-full_scale, output (T, B, n) in [-1, 1], by ``config.output``. With ``fast``, training
    runs in the C++ kernel.
    """

    def __init__(self, inputs: int, hidden: int, config: QuantConfig, fast: bool = True) -> None:
        super().__init__(inputs, hidden, 4, config, fast)
        if config.learn_tables:  # in units of the pre-activation
            self.table_shift = nn.Parameter(torch.zeros(4, gate_tables.entries_of(config.adc_bits, self.row_tiles)))
        self.reset_parameters()

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """Weights of before have tables that learned nothing."""
        if prefix + "cells" in state_dict and self.config.learn_tables:
            state_dict.setdefault(prefix + "table_shift", torch.zeros_like(self.table_shift))
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(n) as ``nn.LSTM``; the forget gate's bias starts at 1."""
        bound = 1 / math.sqrt(self.hidden)
        nn.init.uniform_(self.cells, -bound, bound)
        if self.config.learn_tables:
            nn.init.zeros_(self.table_shift)
        self.start_forgetting(1.0)

    def start_forgetting(self, bias: float) -> None:
        """Give all forget gates this bias, as far as there are bias rows; a learned range starts from the weights."""
        if self.config.bias_rows:
            with torch.no_grad():
                self.cells[-self.config.bias_rows :, : self.hidden] = bias / self.config.bias_rows
        self.start_ranges()

    def tables_of(self, steps) -> np.ndarray:
        config = self.config
        if not config.has_own_tables:
            return gate_tables.sigmoid_tables(config.adc_bits, config.activation_bits, steps, self.row_tiles)
        with torch.no_grad():
            points = self._points(self._middles(torch.tensor(steps, dtype=torch.float64)))
        return gate_entries(points.tolist(), config.activation_bits)

    def _middles(self, steps: torch.Tensor) -> torch.Tensor:
        return gate_tables.middles(steps, self.config.adc_bits, self.row_tiles)

    def _points(self, middles: torch.Tensor) -> torch.Tensor:
        """(4, 2^N) float64: pre-activations that the codes stand for, where those have ``middles``."""
        if self.config.forget_ceiling:
            middles = gate_tables.with_ceiling(middles, self.config.activation_bits)
        if not self.config.learn_tables:
            return middles
        check_finite("learned tables", self.table_shift)
        return middles + self.table_shift.cpu().double()

    def forward(self, inputs: torch.Tensor, state=None):
        """``inputs`` (T, B, m), ``state`` (h, c) each (B, n) or None: hidden rows not driven at first.

        Returns the outputs of all steps, h of all steps as its DAC codes have it, and c: each (T, B, n).
        """
        array = self.prepare(inputs.shape[1])
        codes = self.drive_inputs(inputs).to(array.weights.dtype)
        plain = array.integers is None and self.recorder is None and codes.dtype == torch.float32
        built = self._kernel() if plain and self.bend() is None else None
        stages = None if self.recorder is None else []
        if state is not None:
            state = self._driven_state(state, array)
        rows = None if built is None else self._whole_rows(array, built)
        if rows is None:
            hidden, cells, values = self._in_two(array, codes, state, built, stages)
        else:
            loop = self._loop(array, codes, state, rows.whole)
            source = array.weights if rows.factor is None else self.cells
            given = (None, None) if state is None else state
            hidden, cells, values = LayerPass.apply(built, loop, rows, codes, source, loop.step, *given, loop.tables)
        outputs = self._outputs(hidden, values)
        if self.recorder is not None:
            self.recorder(self, codes, self._trace(stages, outputs, state))
        return outputs, hidden, cells

    def _in_two(self, array: Prepared, codes: torch.Tensor, state, built, stages):
        """Values by codes, cells and values of all steps: the inputs' share of the voltages first, then the loop."""
        weights, recurrent, bias = array.weights.split((self.inputs, self.hidden, self.config.bias_rows), dim=-2)
        parts = [
            self._input_voltages(
                codes[..., tile.inputs], weights[..., tile.inputs, :], bias[..., tile.bias, :].sum(-2), array, built
            )
            for tile in self.tiles
        ]
        voltages = self._of_tiles(parts)
        if self.row_noise:
            voltages = voltages + self._row_voltages(codes.shape[:2], array.weights, state is not None, built)
        loop = self._loop(array, codes, state)
        if built is None:
            return eager_sequence(voltages, recurrent, loop, stages)
        return kernel_sequence(built, voltages, recurrent, loop)

    def _whole_rows(self, array: Prepared, built) -> Rows | None:
        """All rows at once, where the kernel multiplies all as whole numbers of the same units."""
        if self.row_noise or self.config.input_step != 1 or not built.multiplies_codes():
            return None
        whole = self.whole(array, self.config.dac_bits)
        alike = (self.input_bits, self.dropout_factor) == (self.config.dac_bits, 1.0)
        inputs = whole if alike else self.whole(array, self.input_bits, self.dropout_factor)
        if whole is None or inputs is None or whole.bits != inputs.bits:
            return None
        return Rows(array.weights.detach(), array.factor, whole, self.bias_level)

    def _driven_state(self, state, array: Prepared) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes of the hidden rows on the first step, and the cell."""
        for part in state:
            check_finite("the initial state", part)
        hidden, cell = state
        dtype = array.weights.dtype
        codes = self.drive(hidden, self.config.dac_bits).to(dtype)
        return codes, cell.to(dtype) if array.integers is None else cell.detach().double()

    def _input_voltages(self, codes: torch.Tensor, weights, bias, array, built) -> torch.Tensor:
        """(T, B, 4n) of the input rows, whose cells are ``weights``, and of the bias rows' sum, in ADC steps."""
        step = self.config.input_step
        if step != 1:
            weights = weights * step
        bias, shape = bias * self.bias_level, codes.shape[:2]
        if built is not None and weights.dim() == 2:
            whole = self.whole(array, self.input_bits, self.dropout_factor, step)
            return CodeSums.apply(built, bias, codes.flatten(0, 1), weights, whole).unflatten(0, shape)
        if weights.dim() == 2:
            return torch.addmm(bias, codes.flatten(0, 1), weights).unflatten(0, shape)
        return column_sums(codes, weights) + bias

    def _loop(self, array: Prepared, codes: torch.Tensor, state, whole: Whole | None = None) -> Loop:
        """What the loop over steps goes by; ``whole``, where the caller knows it already."""
        tables, slopes, cell_table = self._tables(array)
        return Loop(
            config=self.config,
            bend=self.bend(),
            step=array.step,
            tables=tables,
            slopes=slopes,
            cell_table=cell_table,
            state=state,
            noise=self._step_noise(array.spread, codes, state is not None),
            exact=self.sums_are_exact(array.unit),
            whole=whole or self.whole(array, self.config.dac_bits),
            tiles=self.tiles,
        )

    @property
    def tiles(self) -> tuple[TileRows, ...]:
        """What drives the rows of each row tile."""
        return tile_rows(self.row_slices, self.inputs, self.hidden, self.config.bias_rows)

    def _of_tiles(self, voltages: list[torch.Tensor]) -> torch.Tensor:
        """Voltages (T, B, 4n) of each row tile as :class:`.sequence.Loop`'s loop takes them."""
        return voltages[0] if len(voltages) == 1 else torch.stack(voltages)

    def _outputs(self, hidden: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """What the layer hands on: its DAC codes' values, or h to activation bits."""
        if self.config.output == "codes":
            return hidden
        return values if self.config.adc_bits == FLOAT else rounded(values * self._value_scale) / self._value_scale

    @property
    def _value_scale(self) -> float:
        """The code of h = 1 in an output of values."""
        return 2.0 ** (self.config.activation_bits - 1)

    def _trace(self, stages: list[dict[str, torch.Tensor]], outputs: torch.Tensor, state) -> Trace:
        found = {name: torch.stack([step[name] for step in stages]) for name in stages[0]}
        found["out"] = found["hidden"] if self.config.output == "codes" else outputs.detach() * self._value_scale
        # rows with code 0 add as little as rows that are not driven
        return Trace(**found, given_state=state is not None and any(bool(part.any()) for part in state))

    def _row_voltages(self, shape: tuple[int, int], weights: torch.Tensor, driven: bool, built=None) -> torch.Tensor:
        """What the rows' noise adds to the voltages: sums are linear, so that of the hidden rows needs no loop.

        ``driven``: are the hidden rows driven on the first step?
        """
        noise = self.drive_noise(*shape).to(weights.dtype)
        noise[..., : self.inputs] *= self.config.input_step
        if not driven:
            noise[0, :, self.inputs : self.inputs + self.hidden] = 0
        parts = []
        for rows in self.row_slices:
            driven_rows, cells = noise[..., rows], weights[..., rows, :]
            if built is not None and weights.dim() == 2:
                found = CodeSums.apply(built, None, driven_rows.flatten(0, 1), cells, None).unflatten(0, shape)
            else:
                found = column_sums(driven_rows, cells)
            parts.append(found)
        return self._of_tiles(parts)

    def _step_noise(self, spread: torch.Tensor | None, codes: torch.Tensor, driven: bool) -> StepNoise:
        noise = self.noise
        fields = {}
        if noise.adc:
            fields |= {"adc": float(noise.adc), "adc_key": tuple(self.source.key())}
        if spread is not None:
            bias = self.config.bias_rows * self.bias_level**2
            boost = self.config.input_step**2  # of the inputs' power over the other rows'
            noisy = boost * self.inputs + len(self.cells) - self.inputs
            if self.row_tiles == 1:
                squares = boost * codes.detach().square().sum(2) + bias + self.row_noise**2 * noisy
                if not driven:
                    squares[0] -= self.row_noise**2 * self.hidden
            else:
                squares = self._tile_squares(codes.detach(), driven)
            fields |= {"spread": spread, "spread_key": tuple(self.source.key()), "squares": squares}
        return StepNoise(**fields)

    def _tile_squares(self, codes: torch.Tensor, driven: bool) -> torch.Tensor:
        """(T, R, B): squares of each row tile's rows but the hidden codes, noise included."""
        steps, batch = codes.shape[:2]
        squares = codes.new_full((steps, batch, len(self.cells)), self.row_noise**2)
        squares[..., : self.inputs] = self.config.input_step**2 * (codes.square() + self.row_noise**2)
        squares[..., self.inputs + self.hidden :] += self.bias_level**2
        if not driven:
            squares[0, :, self.inputs : self.inputs + self.hidden] = 0
        return self.tile_sums(squares, codes.new_ones(len(self.cells), 1)).squeeze(-1)

    def _tables(self, array: Prepared):
        """Values of the gates, their slopes where they have their own, and values of the cell's tanh.

        In evaluation those of the image, in training rounded the same way by torch. Slopes are those in the middle of
        the ADC steps, whatever was learned: at its ceiling a forget gate would have next to none.
        """
        if self.config.adc_bits == FLOAT:
            return None, None, None
        config, a, slopes = self.config, self.config.activation_bits, None
        dtype = torch.float32 if array.integers is None else torch.float64
        if array.integers is not None:
            values = array.integers.tables() * gate_tables.scales(a, dtype)
        elif config.has_own_tables:
            middles = self._middles(array.step.detach().cpu())
            values = gate_tables.learned_values(self._points(middles), a)
            slopes = gate_tables.slopes(middles)
        else:
            steps = tuple(array.step.detach().cpu().tolist())
            values = gate_tables.nominal_values(steps, config.adc_bits, self.row_tiles, a, dtype)
        made = values, slopes, gate_tables.cell_values(config.tanh_bits, config.tanh_fraction, a, dtype)
        return tuple(None if each is None else each.to(array.step.device, dtype) for each in made)

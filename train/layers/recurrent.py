"""What arrays of layers with feedback share: rows [x, h, bias], and inputs whose DACs may be their own."""

from typing import Any

import torch

from ...model.formats import check_integer
from .array import ArrayModule, check_finite, column_sums
from .config import QuantConfig
from .kernel_functions import CodeSums, Rows, Whole
from .sequence import StepNoise
from .sums import Prepared
from .tile_rows import TileRows, tile_rows


class RecurrentArray(ArrayModule):
    """``gates`` groups of columns, one column of each for every one of ``hidden`` units."""

    def __init__(self, inputs: int, hidden: int, gates: int, config: QuantConfig, fast: bool) -> None:
        check_integer("inputs", inputs, 1, 2**20)
        check_integer("hidden units", hidden, 1, 2**20)
        super().__init__(inputs + hidden, gates * hidden, gates, config, fast, inputs)
        self.inputs, self.hidden = inputs, hidden
        # in state dicts, so that cells of another input drive, or of other DACs, are known when they are loaded
        self.register_buffer("input_drive", torch.tensor(config.input_gain, dtype=torch.float64))

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """Cells of another input drive are scaled, and a learned range with them: the network stays what it is."""
        own = self.config.input_gain
        given = float(state_dict.get(prefix + "input_drive", own))
        cells = state_dict.get(prefix + "cells")
        if cells is not None and given != own:
            before, cells = cells, cells.clone()
            cells[: self.inputs] *= given / own
            state_dict[prefix + "cells"] = cells
            if hasattr(self, "log_alpha") and prefix + "log_alpha" in state_dict:
                state_dict[prefix + "log_alpha"] = state_dict[prefix + "log_alpha"] + self.widening(before, cells)
        device = (self.cells if cells is None else cells).device
        state_dict[prefix + "input_drive"] = torch.tensor(own, dtype=torch.float64).to(device)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    @property
    def input_bits(self) -> int:
        return self.config.input_bits

    @property
    def input_step(self) -> float:
        return self.config.input_step

    @property
    def code_step(self) -> int:
        return self.config.hidden_step

    @property
    def row_scale(self) -> float:
        """1, as hidden rows have no other: the inputs' full scale is in their cells."""
        return 1.0

    @property
    def tiles(self) -> tuple[TileRows, ...]:
        """What drives the rows of each row tile."""
        return tile_rows(self.row_slices, self.inputs, self.hidden, self.config.bias_rows)

    def _built(self, array: Prepared, codes: torch.Tensor):
        """The kernel where it runs this pass: in training, on rows that nothing bends, and nobody listens."""
        plain = array.integers is None and self.recorder is None and codes.dtype == torch.float32
        return self._kernel() if plain and self.bend() is None else None

    def _driven_hidden(self, hidden: torch.Tensor, array: Prepared) -> torch.Tensor:
        """Codes (B, n) of the hidden rows on the first step, which are given."""
        check_finite("the initial state", hidden)
        return self.drive(hidden, self.config.dac_bits).to(array.weights.dtype)

    def _before_loop(self, array: Prepared, codes: torch.Tensor, driven: bool, built):
        """Voltages of all steps without the hidden rows (:class:`.sequence.Loop`), and the weights of these.

        ``driven``: are the hidden rows driven on the first step?
        """
        weights, recurrent, bias = array.weights.split((self.inputs, self.hidden, self.config.bias_rows), dim=-2)
        parts = [
            self._input_voltages(
                codes[..., tile.inputs], weights[..., tile.inputs, :], bias[..., tile.bias, :].sum(-2), array, built
            )
            for tile in self.tiles
        ]
        voltages = self._of_tiles(parts)
        if self.row_noise:
            voltages = voltages + self._row_voltages(codes.shape[:2], array.weights, driven, built)
        return voltages, recurrent

    def _loop_fields(
        self, array: Prepared, codes: torch.Tensor, hidden: torch.Tensor | None, whole: Whole | None
    ) -> dict[str, Any]:
        """Of a :class:`.sequence.Loop`, but for the tables; ``whole``, where the caller knows it already."""
        return {
            "config": self.config,
            "bend": self.bend(),
            "step": array.step,
            "hidden": hidden,
            "noise": self._step_noise(array.spread, codes, hidden is not None),
            "exact": self.sums_are_exact(array.unit),
            "tiles": self.tiles,
            "shifts": self.tile_shifts if any(self.tile_shifts) else (),
            "whole": whole or self.whole(array, self.config.dac_bits),
        }

    def _source(self, array: Prepared) -> torch.Tensor:
        """What gets the gradient of :class:`.kernel_functions.Rows`: the weights, or by a factor the cells."""
        return array.weights if array.factor is None else self.cells

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

    def _input_voltages(self, codes: torch.Tensor, weights, bias, array, built) -> torch.Tensor:
        """(T, B, columns) of the input rows, whose cells are ``weights``, and of the bias rows' sum, in ADC steps."""
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

    def _of_tiles(self, voltages: list[torch.Tensor]) -> torch.Tensor:
        """Voltages (T, B, columns) of each row tile as :class:`.sequence.Loop`'s loop takes them."""
        return voltages[0] if len(voltages) == 1 else torch.stack(voltages)

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

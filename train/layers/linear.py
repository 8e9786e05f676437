"""A quantised fully connected layer: an array, then a table to DAC codes, or a head's ADC codes."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.formats import check_integer
from ...model.tables import dense_table
from .array import ArrayModule, column_sums
from .config import FLOAT, QuantConfig, check_bits, code_scale
from .sequence import Trace, tiles_joined
from .straight_through import adc_code, symmetric_code
from .sums import Prepared

FUNCTIONS = {"identity": lambda z: z, "relu": torch.relu, "tanh": torch.tanh}


class LinearArray(ArrayModule):
    """Rows [x, bias]. ``function`` None: the output is the ADC codes' pre-activations, as of a head; else a table
    from ADC codes to DAC codes of ``output_bits`` of that function, which is float without any.

    Input (..., m) within +-full_scale, output (..., outputs): in evaluation the float64 that a host decodes.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        config: QuantConfig,
        fast: bool = True,
        *,
        function: str | None = None,
        output_bits: int = FLOAT,
    ) -> None:
        check_integer("inputs", inputs, 1, 2**20)
        check_integer("outputs", outputs, 1, 2**20)
        super().__init__(inputs, outputs, 1, config, fast)
        self.inputs, self.outputs = inputs, outputs
        self.function, self.output_bits = function, check_bits("output bits", output_bits)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(m) as ``nn.Linear``."""
        bound = 1 / math.sqrt(self.inputs)
        nn.init.uniform_(self.cells, -bound, bound)
        self.start_ranges()

    def tables_of(self, steps) -> np.ndarray | None:
        if self.function is None or self.output_bits == FLOAT:
            return None
        return dense_table(self.function, self.config.adc_bits, steps[0], self.output_bits, self.row_tiles)[None]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``inputs`` (..., m) to (..., outputs); the axis before the last counts as the batch for noise."""
        shape = inputs.shape[:-1]
        batch = shape[-1] if shape else 1
        array = self.prepare(batch)
        rows = (math.prod(shape[:-1]), batch, self.inputs)
        codes = self.drive_inputs(inputs).to(array.weights.dtype).reshape(rows)
        if self.row_tiles == 1:
            weights, bias = array.weights[..., : self.inputs, :], array.weights[..., self.inputs :, :].sum(-2)
            v = column_sums(codes, weights) + bias * self.bias_level
        else:
            codes = functional.pad(codes, (0, self.config.bias_rows), value=self.bias_level)
            v = self.tile_sums(codes, array.weights)
        if self.row_noise:
            v = v + self.tile_sums(self.drive_noise(*codes.shape[:2]).to(v.dtype), array.weights)
        if array.spread is not None:
            v = v + self.normals(*v.shape) * array.spread * self._energy(codes.detach()).sqrt()
        codes = codes[..., : self.inputs]
        if self.noise.adc:
            v = v + self.normals(*v.shape) * self.noise.adc
        out, trace = self._activate(v, array)
        if self.recorder is not None:
            self.recorder(self, codes, trace)
        return out.reshape(*shape, self.outputs)

    def _energy(self, codes: torch.Tensor) -> torch.Tensor:
        """Sums of the squares of what drives the rows, noise included: (T, B, 1), or (T, R, B, 1) of row tiles.

        ``codes`` (T, B, inputs), or of all rows where there are row tiles.
        """
        noise = self.row_noise**2
        if self.row_tiles == 1:
            extra = self.config.bias_rows * self.bias_level**2 + noise * self.cells.shape[0]
            return codes.square().sum(2, keepdim=True) + extra
        return self.tile_sums(codes.square() + noise, codes.new_ones(self.cells.shape[0], 1))

    def _activate(self, v: torch.Tensor, array: Prepared) -> tuple[torch.Tensor, Trace]:
        """(T, B, outputs) of column voltages in ADC steps, or (T, R, B, outputs), and all stages."""
        adc = None if self.config.adc_bits == FLOAT else adc_code(v, self.config.adc_bits, self.config.leak)
        trace, tiles = Trace(v, adc), self.row_tiles
        if adc is not None and tiles > 1:
            trace, adc = Trace(tiles_joined(v), tiles_joined(adc)), adc.sum(1)
        z = (v if adc is None else adc + 0.5 * tiles) * array.step
        if self.function is None:
            return z, trace
        if array.integers is None or self.output_bits == FLOAT:
            y = FUNCTIONS[self.function](z)
            if self.output_bits != FLOAT:
                y = symmetric_code(y, self.output_bits) / code_scale(self.output_bits)
            return y, trace
        table = array.integers.tables()[0].to(adc.device)
        codes = table[adc.long() + tiles * 2 ** (self.config.adc_bits - 1)]
        return codes.double() / code_scale(self.output_bits), replace(trace, out=codes)

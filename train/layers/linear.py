"""A quantised fully connected layer: an array, then a table to DAC codes, or a head's ADC codes."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...model.formats import DesignError, check_integer
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
        if function is not None and not (isinstance(function, str) and function in FUNCTIONS):
            raise DesignError(f"function must be one of {', '.join(FUNCTIONS)}, or None for a head, not {function!r}")
        check_bits("output bits", output_bits)
        if function is None and output_bits != FLOAT:
            raise DesignError(
                f"output bits must come with a function, whose codes they are of, not {output_bits} alone"
            )
        super().__init__(inputs, outputs, 1, config, fast)
        self.inputs, self.outputs = inputs, outputs
        self.function, self.output_bits = function, output_bits
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(m) as ``nn.Linear``."""
        bound = 1 / math.sqrt(self.inputs)
        nn.init.uniform_(self.cells, -bound, bound)
        self.start_ranges()

    def tables_of(self, steps) -> np.ndarray | None:
        if self.function is None or self.output_bits == FLOAT:
            return None
        return dense_table(self.function, self.config.adc_bits, steps[0], self.output_bits, self.code_units)[None]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``inputs`` (..., m) to (..., outputs); the axis before the last counts as the batch for noise."""
        shape = inputs.shape[:-1]
        batch = shape[-1] if shape else 1
        array = self.prepare(batch)
        rows = (math.prod(shape[:-1]), batch, self.inputs)
        codes = self.drive_inputs(inputs).to(array.weights.dtype).reshape(rows)
        return self.read(codes, self.sums(codes, array), array).reshape(*shape, self.outputs)

    def sums(self, codes: torch.Tensor, array: Prepared) -> torch.Tensor:
        """Column voltages (T, B, outputs) in ADC steps, or (T, R, B, outputs), of the inputs' ``codes`` (T, B, m)."""
        if self.row_tiles == 1:
            return column_sums(codes, array.weights[..., : self.inputs, :]) + self.bias_sums(array)
        return self.tile_sums(self._all_rows(codes), array.weights)

    def bias_sums(self, array: Prepared) -> torch.Tensor:
        """Share of the bias rows in the column voltages: (outputs,), or (B, outputs)."""
        return array.weights[..., self.inputs :, :].sum(-2) * self.bias_level

    def read(self, codes: torch.Tensor | None, v: torch.Tensor, array: Prepared) -> torch.Tensor:
        """Outputs (T, B, outputs) of voltages ``v`` as :meth:`sums` gives them, with the noise of rows and sums.

        ``codes`` (T, B, m) drive the inputs' rows; None will do unless :meth:`needs_codes`.
        """
        if self.row_noise:
            drawn = self.drive_noise(len(v), v.shape[-2]).to(v.dtype)
            v = v + self.tile_sums(drawn, array.weights)
        if array.spread is not None:
            assert codes is not None
            v = v + self.normals(*v.shape) * array.spread * self._energy(codes.detach()).sqrt()
        if self.noise.adc:
            v = v + self.normals(*v.shape) * self.noise.adc
        out, trace = self._activate(v, array)
        if self.recorder is not None:
            self.recorder(self, codes, trace)
        return out

    def needs_codes(self, array: Prepared) -> bool:
        """Does :meth:`read` look at the codes that gave the sums?"""
        return array.spread is not None or self.recorder is not None

    def _all_rows(self, codes: torch.Tensor) -> torch.Tensor:
        """(T, B, rows) of the inputs' codes, bias rows behind them."""
        return functional.pad(codes, (0, self.config.bias_rows), value=self.bias_level)

    def _energy(self, codes: torch.Tensor) -> torch.Tensor:
        """Sums of the squares of what drives the rows, noise included: (T, B, 1), or (T, R, B, 1) of row tiles.

        ``codes`` (T, B, inputs).
        """
        noise = self.row_noise**2
        if self.row_tiles == 1:
            extra = self.config.bias_rows * self.bias_level**2 + noise * self.cells.shape[0]
            return codes.square().sum(2, keepdim=True) + extra
        return self.tile_sums(self._all_rows(codes).square() + noise, codes.new_ones(self.cells.shape[0], 1))

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

"""One quantised simple recurrent layer in one direction: an array, its table and the loop over steps."""

import math

import numpy as np
import torch
from torch import nn

from ...model.formats import check_choice
from ...model.tables import dense_table
from .array import check_finite
from .config import FLOAT, QuantConfig, code_scale
from .linear import FUNCTIONS
from .recurrent import RecurrentArray
from .sequence import Trace, tiles_joined
from .straight_through import adc_code, symmetric_code
from .sums import Prepared


class RnnArray(RecurrentArray):
    """Rows [x, h, bias], a column for each of ``hidden`` units, whose table gives DAC codes: h (docs/numerics.md).

    Input (T, B, m) within +-full_scale, output (T, B, n) in [-1, 1]. Plain PyTorch: the kernel has no such loop.
    """

    def __init__(
        self, inputs: int, hidden: int, config: QuantConfig, fast: bool = True, *, function: str = "tanh"
    ) -> None:
        super().__init__(inputs, hidden, 1, config, fast)
        check_choice("function", function, tuple(FUNCTIONS))
        self.function = function
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(n) as ``nn.RNN``."""
        bound = 1 / math.sqrt(self.hidden)
        nn.init.uniform_(self.cells, -bound, bound)
        self.start_ranges()

    def tables_of(self, steps) -> np.ndarray:
        config = self.config
        return dense_table(self.function, config.adc_bits, steps[0], config.dac_bits, self.row_tiles)[None]

    def forward(self, inputs: torch.Tensor, state=None):
        """``inputs`` (T, B, m), ``state`` h (B, n) or None: hidden rows not driven at first.

        Returns the outputs of all steps (T, B, n), and the last one's (B, n).
        """
        array = self.prepare(inputs.shape[1])
        codes = self.drive_inputs(inputs).to(array.weights.dtype)
        batch, bend = codes.shape[1], self.bend()
        bias = codes.new_full((batch, self.config.bias_rows), self.bias_level)
        hidden = None
        if state is not None:
            check_finite("the initial state", state)
            hidden = self.drive(state, self.config.dac_bits).to(codes.dtype)
        made, traces = [], []
        for values in codes:
            rows = codes.new_zeros(batch, self.hidden) if hidden is None else hidden
            rows = rows if bend is None else bend(rows)
            drive = torch.cat([values * self.input_step, rows, bias], dim=1)[None]
            v = self._voltages(drive, array, hidden is not None)
            hidden, trace = self._activate(v, array)
            made.append(hidden)
            traces.append(trace)
        out = torch.stack(made)
        if self.recorder is not None:
            voltage, adc = torch.cat([t.voltage for t in traces]), None
            if traces[0].adc is not None:
                adc = torch.cat([t.adc for t in traces if t.adc is not None])
            given = state is not None and bool(state.any())
            self.recorder(self, codes, Trace(voltage, adc, hidden=out, out=out, given_state=given))
        out = out.double() if array.integers is not None else out
        out = out / code_scale(self.config.dac_bits)
        return out, out[-1]

    def _voltages(self, drive: torch.Tensor, array: Prepared, driven: bool) -> torch.Tensor:
        """(1, B, n), or (1, R, B, n) of row tiles, in ADC steps, with noise; are the hidden rows ``driven``?"""
        v = self.tile_sums(drive, array.weights)
        noisy = torch.ones_like(drive[0, 0])  # what noise of 1 on a row is
        noisy[: self.inputs] = self.input_step
        if not driven:
            noisy[self.inputs : self.inputs + self.hidden] = 0
        if self.row_noise:
            v = v + self.tile_sums(self.drive_noise(1, drive.shape[1]).to(v.dtype) * noisy, array.weights)
        if array.spread is not None:
            squares = drive.detach().square() + (self.row_noise * noisy).square()
            energy = self.tile_sums(squares, squares.new_ones(len(self.cells), 1))
            v = v + self.normals(*v.shape) * array.spread * energy.sqrt()
        if self.noise.adc:
            v = v + self.normals(*v.shape) * self.noise.adc
        return v

    def _activate(self, v: torch.Tensor, array: Prepared) -> tuple[torch.Tensor, Trace]:
        """Hidden codes (B, n) of voltages, and the stages of the step."""
        adc, bits, tiles = None, self.config.adc_bits, self.row_tiles
        if bits != FLOAT:
            adc = adc_code(v, bits, self.config.leak)
        trace = Trace(v, adc)
        if adc is not None and tiles > 1:
            trace, adc = Trace(tiles_joined(v), tiles_joined(adc)), adc.sum(1)
        if array.integers is not None and adc is not None:
            table = array.integers.tables()[0].to(adc.device)
            return table[adc[0].long() + tiles * 2 ** (bits - 1)].to(v.dtype), trace
        z = (v if adc is None else adc + 0.5 * tiles) * array.step
        h = FUNCTIONS[self.function](z[0])
        return h if self.config.dac_bits == FLOAT else symmetric_code(h, self.config.dac_bits), trace

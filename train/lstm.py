"""One quantised LSTM layer in one direction: an array, its gate tables and the step-by-step loop."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from ..model.tables import cell_tanh_table, gate_tables
from .array import ArrayModule, code_scale
from .sequence import FLOAT, LstmFormat, lstm_sequence


class LstmArray(ArrayModule):
    """Rows [x, h, bias], columns f, i, o, g of ``hidden`` units (docs/numerics.md).

    Input (T, B, m) in [-1, 1], output (T, B, n) in [-1, 1].
    """

    def __init__(
        self, inputs: int, hidden: int, *, weight_bits=4, dac_bits=4, adc_bits=4, bias_rows=1, adc_range=4.0,
        tables="loaded", activation_bits=8, cell_bits=32, cell_fraction=24, tanh_bits=8, tanh_fraction=5,
    ):  # fmt: skip
        super().__init__(
            inputs + hidden, 4 * hidden, 4, weight_bits=weight_bits, dac_bits=dac_bits, adc_bits=adc_bits,
            bias_rows=bias_rows, adc_range=adc_range, tables=tables,
        )  # fmt: skip
        self.inputs, self.hidden = inputs, hidden
        self.form = LstmFormat(
            self.dac_bits, self.adc_bits, activation_bits, cell_bits, cell_fraction, tanh_bits, tanh_fraction
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within 1/sqrt(n) as ``nn.LSTM``; the forget gate's bias starts at 1."""
        bound = 1 / math.sqrt(self.hidden)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias_rows:
            with torch.no_grad():
                self.weight[-self.bias_rows :, : self.hidden] = 1 / self.bias_rows

    def tables_of(self, steps) -> np.ndarray:
        return _gate_tables(self.adc_bits, self.form.activation_bits, steps)

    def forward(self, inputs: torch.Tensor, state=None, trace=None):
        """``inputs`` (T, B, m), ``state`` (h, c) each (B, n) or None: hidden rows not driven at first.

        Returns h (T, B, n) and the state after the last step.
        """
        batch, m = inputs.shape[1:]
        weights, step, scale = self.prepare(batch)
        codes = self.drive(inputs).to(weights.dtype)
        sums = codes @ weights[:m] if weights.dim() == 2 else _by_sequence(codes, weights[:, :m])
        if self.bias_rows:
            sums = sums + weights[..., m + self.hidden :, :].sum(-2) * code_scale(self.dac_bits)
        noise = self.converter_noise(*sums.shape)
        if noise is not None:
            sums = sums + noise
        spread = None
        if scale is not None:
            energy = codes.detach().square().sum(2) + self.bias_rows * code_scale(self.dac_bits) ** 2
            spread = (self.step_normals(*sums.shape), scale, energy)
        if state is not None:
            state = (self.drive(state[0]).to(weights.dtype), state[1])
        dtype = torch.float32 if self.training or self.is_float else torch.float64
        tables, cell_table = self._tables(step, dtype)
        hidden, cell = lstm_sequence(
            sums, weights[..., m : m + self.hidden, :], step, tables, cell_table, self.form, state, spread, trace
        )
        hidden = hidden / code_scale(self.dac_bits)
        return hidden, (hidden[-1], cell)

    def _tables(self, step, dtype):
        """Tables of values; in evaluation those of the image, in training rounded the same way by torch."""
        if self.adc_bits == FLOAT:
            return None, None
        a = self.form.activation_bits
        scales = torch.tensor([2.0**-a] * 3 + [2.0 ** (1 - a)], dtype=dtype)[:, None]
        if self.training or self.is_float:
            entries = _training_tables(step.detach(), self.adc_bits, a)
        else:
            entries = torch.from_numpy(np.asarray(self.layer_data().tables))
        return entries.to(dtype) * scales, _cell_values(self.form, dtype)


def _by_sequence(codes, weights):
    """(T, B, m) by (B, m, columns)."""
    return (codes.transpose(0, 1) @ weights).transpose(0, 1)


_gate_tables = lru_cache(maxsize=64)(gate_tables)


@lru_cache(maxsize=64)
def _cell_values(form: LstmFormat, dtype) -> torch.Tensor:
    table = cell_tanh_table(form.tanh_bits, form.tanh_fraction, form.activation_bits)
    return torch.from_numpy(table).to(dtype) * 2.0 ** (1 - form.activation_bits)


def _training_tables(step: torch.Tensor, adc_bits: int, bits: int) -> torch.Tensor:
    """:func:`ohmgate.model.tables.gate_tables` in torch, fast enough for every batch and every width."""
    codes = torch.arange(-(2 ** (adc_bits - 1)), 2 ** (adc_bits - 1), dtype=torch.float64) + 0.5
    z = codes * step.double()[:, None]
    unsigned = (torch.sigmoid(z[:3]) * 2**bits + 0.5).floor_().clamp_(max=2**bits - 1)
    top = 2 ** (bits - 1)
    magnitude = (torch.tanh(z[3:].abs()) * top + 0.5).floor_().clamp_(max=top - 1)
    return torch.cat([unsigned, magnitude.copysign(z[3:])])

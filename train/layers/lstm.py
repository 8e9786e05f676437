"""One quantised LSTM layer in one direction: an array, its gate tables and the loop over steps."""

import math

import numpy as np
import torch
from torch import nn

from ...model.tables import gate_entries
from . import gate_tables
from .array import check_finite
from .config import FLOAT, QuantConfig
from .kernel_functions import LayerPass, Whole
from .lstm_sequence import LstmLoop, eager_lstm, kernel_lstm
from .recurrent import RecurrentArray
from .sequence import Trace, joined_stages
from .straight_through import rounded
from .sums import Prepared


class LstmArray(RecurrentArray):
    """Rows [x, h, bias], columns f, i, o, g of ``hidden`` units (docs/numerics.md).

    Input (T, B, m) within +-full_scale, output (T, B, n) in [-1, 1], by ``config.output``. With ``fast``, training
    runs in the C++ kernel.
    """

    def __init__(self, inputs: int, hidden: int, config: QuantConfig, fast: bool = True) -> None:
        super().__init__(inputs, hidden, 4, config, fast)
        if config.learn_tables:  # in units of the pre-activation
            self.table_shift = nn.Parameter(torch.zeros(4, gate_tables.entries_of(config.adc_bits, self.code_units)))
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
            return gate_tables.sigmoid_tables(config.adc_bits, config.activation_bits, steps, self.code_units)
        with torch.no_grad():
            points = self._points(self._middles(torch.tensor(steps, dtype=torch.float64)))
        return gate_entries(points.tolist(), config.activation_bits)

    def _middles(self, steps: torch.Tensor) -> torch.Tensor:
        return gate_tables.middles(steps, self.config.adc_bits, self.code_units)

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
        built = self._built(array, codes)
        stages = None if self.recorder is None else []
        if state is not None:
            state = self._driven_state(state, array)
        rows = None if built is None else self._whole_rows(array, built)
        if rows is None:
            voltages, recurrent = self._before_loop(array, codes, state is not None, built)
            loop = self._loop(array, codes, state)
            if built is None:
                hidden, cells, values = eager_lstm(voltages, recurrent, loop, stages)
            else:
                hidden, cells, values = kernel_lstm(built, voltages, recurrent, loop)
        else:
            loop = self._loop(array, codes, state, rows.whole)
            given = loop.step, loop.hidden, loop.cell, loop.tables
            hidden, cells, values = LayerPass.apply(built, loop, rows, codes, self._source(array), *given)
        outputs = self._outputs(hidden, values)
        if self.recorder is not None:
            self.recorder(self, codes, self._trace(stages, outputs, state))
        return outputs, hidden, cells

    def _driven_state(self, state, array: Prepared) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes of the hidden rows on the first step, and the cell."""
        hidden, cell = state
        codes = self._driven_hidden(hidden, array)
        check_finite("the initial state", cell)
        return codes, cell.to(codes.dtype) if array.integers is None else cell.detach().double()

    def _loop(self, array: Prepared, codes: torch.Tensor, state, whole: Whole | None = None) -> LstmLoop:
        hidden, cell = (None, None) if state is None else state
        tables, slopes, cell_table = self._tables(array)
        fields = self._loop_fields(array, codes, hidden, whole)
        return LstmLoop(tables=tables, slopes=slopes, cell_table=cell_table, cell=cell, **fields)

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
        found = joined_stages(stages)
        found["out"] = found["hidden"] if self.config.output == "codes" else outputs.detach() * self._value_scale
        # rows with code 0 add as little as rows that are not driven
        return Trace(**found, given_state=state is not None and any(bool(part.any()) for part in state))

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
            values = gate_tables.nominal_values(steps, config.adc_bits, self.code_units, a, dtype)
        made = values, slopes, gate_tables.cell_values(config.tanh_bits, config.tanh_fraction, a, dtype)
        return tuple(None if each is None else each.to(array.step.device, dtype) for each in made)

"""One quantised simple recurrent layer in one direction: an array, its table and the loop over steps."""

import math

import numpy as np
import torch
from torch import nn

from ...model.formats import check_choice
from ...model.tables import dense_table
from .config import FLOAT, QuantConfig, code_scale
from .kernel_functions import Whole
from .linear import FUNCTIONS
from .recurrent import RecurrentArray
from .rnn_kernel import RnnPass, RnnRecurrence
from .rnn_sequence import RnnLoop, codes_and_slopes, eager_rnn
from .sequence import Trace, joined_stages
from .sums import Prepared


class RnnArray(RecurrentArray):
    """Rows [x, h, bias], a column for each of ``hidden`` units, whose table gives DAC codes: h (docs/numerics.md).

    Input (T, B, m) within +-full_scale, output (T, B, n) in [-1, 1]. With ``fast``, training runs in the C++ kernel.
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
        return dense_table(self.function, config.adc_bits, steps[0], config.dac_bits, self.code_units)[None]

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None):
        """``inputs`` (T, B, m), ``state`` h (B, n) or None: hidden rows not driven at first.

        Returns the outputs of all steps, and h of all steps, which is the same: (T, B, n).
        """
        array = self.prepare(inputs.shape[1])
        codes = self.drive_inputs(inputs).to(array.weights.dtype)
        built = self._built(array, codes)
        hidden = None if state is None else self._driven_hidden(state, array)
        rows = None if built is None else self._whole_rows(array, built)
        if rows is None:
            voltages, recurrent = self._before_loop(array, codes, hidden is not None, built)
            loop = self._loop(array, codes, hidden)
            if built is None:
                out = self._eager(voltages, recurrent, loop, codes)
            else:
                out = RnnRecurrence.apply(built, loop, voltages, recurrent, loop.step, hidden)
        else:
            loop = self._loop(array, codes, hidden, rows.whole)
            out = RnnPass.apply(built, loop, rows, codes, self._source(array), loop.step, hidden)
        return out, out

    def _eager(self, voltages: torch.Tensor, recurrent: torch.Tensor, loop: RnnLoop, codes: torch.Tensor):
        stages = None if self.recorder is None else []
        hidden = eager_rnn(voltages, recurrent, loop, stages)
        if stages is not None and self.recorder is not None:
            found = joined_stages(stages)
            given = loop.hidden is not None and bool(loop.hidden.any())
            self.recorder(self, codes, Trace(**found, out=found["hidden"], given_state=given))
        return hidden / code_scale(self.config.dac_bits)

    def _loop(
        self, array: Prepared, codes: torch.Tensor, hidden: torch.Tensor | None, whole: Whole | None = None
    ) -> RnnLoop:
        tables, slopes = self._tables(array)
        fields = self._loop_fields(array, codes, hidden, whole)
        return RnnLoop(tables=tables, slopes=slopes, function=self.function, **fields)

    def _tables(self, array: Prepared) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Codes and slopes of the table: in evaluation the image's, in training rounded the same way by torch."""
        if self.config.adc_bits == FLOAT:
            return None, None
        if array.integers is not None:
            return array.integers.tables().to(array.step.device, torch.float64), None
        formats = self.config.adc_bits, self.code_units, self.config.dac_bits, array.weights.dtype
        codes, slopes = codes_and_slopes(self.function, float(array.step.detach()), *formats)
        return codes.to(array.step.device), slopes.to(array.step.device)

"""The LSTM over a whole sequence, in units of ADC steps.

:func:`eager_lstm` is the plain form of the loop, :func:`kernel_lstm` the C++ one (kernel.cpp) with the same codes.
"""

from dataclasses import dataclass

import torch

from ...model.formats import signed_range
from .config import FLOAT, code_scale
from .kernel_functions import Recurrence
from .sequence import Loop, eager_steps, in_own_steps, tiles_joined
from .straight_through import cell_state, cell_tanh, gate_values, symmetric_code


@dataclass(frozen=True, eq=False)
class LstmLoop(Loop):
    """With the tables of the gates f, i, o, g. Slopes are given where they are not those at the tables' values."""

    cell_table: torch.Tensor | None  #: (2^T,) values of the cell's tanh; None in float
    cell: torch.Tensor | None  #: (B, n) before the first step; None: 0


def eager_lstm(
    voltages: torch.Tensor,
    recurrent: torch.Tensor,
    loop: LstmLoop,
    stages: list[dict[str, torch.Tensor]] | None = None,
):
    """Hidden values by their codes, cell values, and hidden values before rounding, of all steps: each (T, B, n).

    ``voltages`` and ``recurrent`` as in :func:`.sequence.eager_steps`. ``stages``, if any, gets those of each step by
    their names in :class:`.sequence.Trace`.
    """
    cell = loop.cell
    if cell is None:
        like = voltages if loop.tables is None else loop.tables
        cell = like.new_zeros(voltages.shape[-2], voltages.shape[-1] // 4)
    cells, values = [cell], []

    def step(v: torch.Tensor) -> torch.Tensor:
        hidden, cell, value = _step(v, cells[-1], loop, stages)
        cells.append(cell)
        values.append(value)
        return hidden

    hiddens = eager_steps(voltages, recurrent, loop, step)
    return hiddens / code_scale(loop.config.dac_bits), torch.stack(cells[1:]), torch.stack(values)


def kernel_lstm(kernel, voltages: torch.Tensor, recurrent: torch.Tensor, loop: LstmLoop):
    """:func:`eager_lstm` in C++, float32 only. ``voltages`` are consumed: the caller must not use them again.
    Values are there where they are the output.
    """
    return Recurrence.apply(kernel, loop, voltages, recurrent, loop.step, loop.hidden, loop.cell, loop.tables)


def _step(v: torch.Tensor, cell: torch.Tensor, loop: LstmLoop, stages: list[dict[str, torch.Tensor]] | None):
    """Element-wise part of one step: voltages (B, 4n), cell (B, n) to hidden codes, new cell and hidden values."""
    v = in_own_steps(v, loop.shifts)
    config, seen = loop.config, {"voltage": v if v.dim() == 2 else tiles_joined(v)}
    if config.adc_bits == FLOAT:
        f, i, o, g = (v * loop.step.repeat_interleave(v.shape[1] // 4)).unflatten(-1, (4, -1)).unbind(-2)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        product = torch.sigmoid(o) * torch.tanh(cell)
    else:
        gates = gate_values(v, loop.step, loop.tables, config.adc_bits, loop.slopes, config.leak, loop.shifts)
        f, i, o, g = gates.unbind(-2)
        cell = cell_state(f, cell, i, g, config.cell_bits, config.cell_fraction)
        product = o * cell_tanh(cell, loop.cell_table, config.tanh_bits, config.tanh_fraction)
        if stages is not None:
            codes = seen["voltage"].floor().clamp(*signed_range(config.adc_bits))
            seen |= {"adc": codes, "gates": gates, "cell": cell}
    hidden = product if config.dac_bits == FLOAT else symmetric_code(product, config.dac_bits)
    if stages is not None:
        stages.append(seen | {"hidden": hidden})
    return hidden, cell, product

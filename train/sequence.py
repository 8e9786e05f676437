"""The LSTM over a whole sequence, in units of ADC steps: the part of a layer that runs step by step.

Everything before the converter is linear, so the inputs' share of the column sums, the bias and the ADC noise
are computed for all steps at once by the caller; only the hidden state's share is left to the loop.
"""

from dataclasses import dataclass, field

import torch

from .straight_through import cell_state, cell_tanh, gate_values, symmetric_code

FLOAT = 32  #: bits that switch a quantiser off


@dataclass(frozen=True)
class LstmFormat:
    """Number formats of an LSTM layer; 32 DAC or ADC bits mean float (docs/numerics.md names the fields)."""

    dac_bits: int
    adc_bits: int
    activation_bits: int
    cell_bits: int
    cell_fraction: int
    tanh_bits: int
    tanh_fraction: int


@dataclass
class Trace:
    """Values of every stage of one layer, a tensor a step: filled by an evaluation that is to be verified."""

    adc: list[torch.Tensor] = field(default_factory=list)
    gates: list[torch.Tensor] = field(default_factory=list)
    cell: list[torch.Tensor] = field(default_factory=list)
    out: list[torch.Tensor] = field(default_factory=list)


def lstm_sequence(
    voltages, recurrent, step, tables, cell_table, form: LstmFormat, state=None, spread=None, trace=None
):
    """Hidden codes of all steps and the last cell state.

    ``voltages`` (T, B, 4n): column voltages in ADC steps without the hidden rows; ``recurrent`` (n, 4n), or
    (B, n, 4n) where every sequence has its own, from hidden code to voltage; ``step`` (4,); ``tables``
    (4, 2^N) and ``cell_table`` (2^T,) of values; ``state`` (codes, cell) each (B, n), or None: hidden rows not
    driven on the first step. ``spread`` = (normals (T, B, 4n), scale (4n,), squares (T, B)): weight noise
    redrawn on every step, which adds ``normals * scale * sqrt(squares + |h|^2)``; no gradient goes through the
    root. Returns (T, B, n) and (B, n).
    """
    hidden, cell = (None, None) if state is None else state
    if cell is None:
        like = voltages if tables is None else tables
        cell = like.new_zeros(voltages.shape[1], voltages.shape[2] // 4)
    outputs = []
    for t, v in enumerate(voltages.unbind(0)):
        if hidden is not None:
            v = v + _product(hidden.to(recurrent.dtype), recurrent)
        if spread is not None:
            normals, scale, squares = spread
            energy = squares[t] if hidden is None else squares[t] + hidden.detach().square().sum(1).to(v.dtype)
            v = v + normals[t] * scale * energy.sqrt()[:, None]
        hidden, cell = _step(v, cell, step, tables, cell_table, form, trace)
        outputs.append(hidden)
    return torch.stack(outputs), cell


def _product(hidden, recurrent):
    if recurrent.dim() == 2:
        return hidden @ recurrent
    return (hidden[:, None] @ recurrent)[:, 0]


def _step(v, cell, step, tables, cell_table, form: LstmFormat, trace):
    """Element-wise part of one step: voltages (B, 4n) and cell (B, n) to the hidden codes and the new cell."""
    if form.adc_bits == FLOAT:
        f, i, o, g = (v * step.repeat_interleave(v.shape[1] // 4)).unflatten(-1, (4, -1)).unbind(-2)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        product = torch.sigmoid(o) * torch.tanh(cell)
    else:
        gates = gate_values(v, step, tables, form.adc_bits)
        f, i, o, g = gates.unbind(-2)
        cell = cell_state(f, cell, i, g, form.cell_bits, form.cell_fraction)
        product = o * cell_tanh(cell, cell_table, form.tanh_bits, form.tanh_fraction)
        if trace is not None:
            top = 2 ** (form.adc_bits - 1)
            trace.adc.append(v.floor().clamp(-top, top - 1))
            trace.gates.append(gates)
            trace.cell.append(cell)
    hidden = product if form.dac_bits == FLOAT else symmetric_code(product, form.dac_bits)
    if trace is not None:
        trace.out.append(hidden)
    return hidden, cell

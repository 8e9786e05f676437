"""The LSTM over a whole sequence, in units of ADC steps: the part of a layer that runs step by step.

Everything before the converter is linear, so the inputs' share of the column sums and the bias are computed for
all steps at once by the caller; only the hidden state's share is left to the loop. :func:`eager_sequence` is the
plain form, :func:`kernel_sequence` the C++ one (kernel.cpp) with the same codes.
"""

from dataclasses import dataclass, field

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..kernel.build import loaded_kernel
from .config import FLOAT
from .gaussian import normals
from .straight_through import cell_state, cell_tanh, gate_values, symmetric_code


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
    output: str

    @property
    def for_kernel(self) -> list[int]:
        """In the order of kernel.cpp, which needs no activation bits."""
        return [
            self.dac_bits,
            self.adc_bits,
            self.cell_bits,
            self.cell_fraction,
            self.tanh_bits,
            self.tanh_fraction,
        ]


@dataclass(frozen=True)
class StepNoise:
    """Noise that is made step by step. Each kind may be missing."""

    adc: float = 0.0  #: deviation before the converter, in ADC steps
    adc_key: tuple[int, ...] = (0, 0, 0)
    spread: torch.Tensor | None = None  #: (4n,) deviation of weight noise redrawn per step, in ADC steps per code
    spread_key: tuple[int, ...] = (0, 0, 0)
    squares: torch.Tensor | None = None  #: (T, B) sum of the squared codes on the rows before the hidden ones


@dataclass
class Trace:
    """Values of every stage of one layer: filled by an evaluation that is to be verified or calibrated."""

    voltage: list[torch.Tensor] = field(default_factory=list)  #: in ADC steps, before clipping
    adc: list[torch.Tensor] = field(default_factory=list)
    gates: list[torch.Tensor] = field(default_factory=list)
    cell: list[torch.Tensor] = field(default_factory=list)
    hidden: list[torch.Tensor] = field(default_factory=list)
    out: list[torch.Tensor] = field(default_factory=list)
    given_state: bool = False  #: did the sequences begin with a state but zero, which the hardware does not have?


def eager_sequence(voltages, recurrent, step, tables, cell_table, form: LstmFormat, state, noise: StepNoise, trace):
    """Hidden codes, cell values and hidden values before their rounding, of all steps: each (T, B, n).

    ``voltages`` (T, B, 4n): column voltages in ADC steps without the hidden rows; ``recurrent`` (n, 4n), or
    (B, n, 4n) where every sequence has its own, from hidden code to voltage; ``step`` (4,); ``tables``
    (4, 2^N) and ``cell_table`` (2^T,) of values; ``state`` (codes, cell) each (B, n), or None: hidden rows not
    driven on the first step. No gradient goes through the deviation of weight noise redrawn per step.
    """
    _, batch, columns = voltages.shape
    hidden, cell = (None, None) if state is None else state
    if cell is None:
        like = voltages if tables is None else tables
        cell = like.new_zeros(batch, columns // 4)
    if noise.adc:
        drawn = _normals(noise.adc_key, voltages)
        voltages = voltages + drawn * noise.adc
    if noise.spread is not None:
        spread = _normals(noise.spread_key, voltages) * noise.spread
    hiddens, cells, values = [], [], []
    for t, v in enumerate(voltages.unbind(0)):
        if hidden is not None:
            v = v + _product(hidden.to(recurrent.dtype), recurrent)
        if noise.spread is not None:
            energy = noise.squares[t]
            if hidden is not None:
                energy = energy + hidden.detach().square().sum(1).to(v.dtype)
            v = v + spread[t] * energy.sqrt()[:, None]
        hidden, cell, value = _step(v, cell, step, tables, cell_table, form, trace)
        hiddens.append(hidden)
        cells.append(cell)
        values.append(value)
    return torch.stack(hiddens), torch.stack(cells), torch.stack(values)


def _normals(key: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Of the shape (T, B, columns) of ``like``, a row of the stream for each step, on its device."""
    drawn = normals(list(key), len(like), like[0].numel(), loaded_kernel())
    return drawn.view(like.shape).to(like.device)


def kernel_sequence(
    kernel,
    exact: bool,
    gain,
    voltages,
    recurrent,
    step,
    tables,
    cell_table,
    form: LstmFormat,
    state,
    noise: StepNoise,
):
    """:func:`eager_sequence` in C++, float32 only. ``voltages`` are consumed: the caller must not use them again.
    Values are there where they are the output.

    ``exact`` says that products with the hidden codes are exact in float32, so in any order; ``gain`` (4n,), if not
    None, that they are whole codes times it, all within eight bits.
    """
    hidden, cell = (None, None) if state is None else state
    fields = (voltages, recurrent, step, hidden, cell, tables, cell_table, form, noise)
    return _Kernel.apply(kernel, exact, gain, *fields)


class _Kernel(Function):
    @staticmethod
    def forward(ctx, kernel, exact, gain, voltages, recurrent, step, hidden, cell, tables, cell_table, form, noise):
        hidden = None if hidden is None else hidden.contiguous()
        voltages = voltages.contiguous()
        hiddens, cells, values = kernel.lstm_forward(
            voltages,
            recurrent,
            step,
            tables,
            cell_table,
            form.for_kernel,
            hidden,
            cell,
            noise.adc_key,
            noise.adc,
            noise.spread_key,
            noise.spread,
            noise.squares,
            exact,
            gain,
            form.output == "value",
        )
        ctx.save_for_backward(voltages, recurrent, step, tables, cell_table, hidden, cell, hiddens, cells)
        ctx.kernel, ctx.form = kernel, form
        ctx.set_materialize_grads(False)
        return hiddens, cells, values

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        voltages, recurrent, step, tables, cell_table, hidden, cell, hiddens, cells = ctx.saved_tensors
        grads = [None if g is None else g.contiguous() for g in grads]
        needs = ctx.needs_input_grad
        dv, dstep, dhidden, dcell = ctx.kernel.lstm_backward(
            voltages,
            recurrent,
            step,
            tables,
            cell_table,
            ctx.form.for_kernel,
            hidden,
            cell,
            hiddens,
            cells,
            *grads,
            needs[5],
        )
        drecurrent = _recurrent_gradient(recurrent, hidden, hiddens, dv) if needs[4] else None
        return (
            None,
            None,
            None,
            dv,
            drecurrent,
            dstep if needs[5] else None,
            dhidden if needs[6] else None,
            dcell if needs[7] else None,
            None,
            None,
            None,
            None,
        )


def _recurrent_gradient(recurrent, hidden, hiddens, dv):
    """Gradient of the weights from hidden codes to voltages, over all steps in one product."""
    if recurrent.dim() == 2:
        grad = hiddens[:-1].flatten(0, 1).T @ dv[1:].flatten(0, 1)
        return grad if hidden is None else grad.addmm_(hidden.T, dv[0])
    grad = torch.einsum("tbn,tbk->bnk", hiddens[:-1], dv[1:])
    return grad if hidden is None else grad + hidden[:, :, None] * dv[0][:, None, :]


def _product(hidden, recurrent):
    if recurrent.dim() == 2:
        return hidden @ recurrent
    return (hidden[:, None] @ recurrent)[:, 0]


def _step(v, cell, step, tables, cell_table, form: LstmFormat, trace):
    """Element-wise part of one step: voltages (B, 4n), cell (B, n) to hidden codes, new cell and hidden values."""
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
        trace.voltage.append(v)
        trace.hidden.append(hidden)
    return hidden, cell, product

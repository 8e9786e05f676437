"""The C++ kernel's functions of a simple recurrent layer with their gradients, for :mod:`torch.autograd`."""

import torch
from torch.autograd.function import once_differentiable

from .config import code_scale
from .eager import EagerFunction
from .kernel_functions import FORMATS, recurrent_gradient
from .tile_rows import ends_of


class RnnRecurrence(EagerFunction):
    """The loop over steps: hidden values by their codes, of the voltages of the other rows
    (:class:`.rnn_sequence.RnnLoop`)."""

    @staticmethod
    def forward(ctx, built, loop, voltages, recurrent, step, hidden):
        voltages = voltages.contiguous()
        return _forward(ctx, built, loop, voltages, (None, None), recurrent, step, hidden, (recurrent,))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        recurrent, hidden, hiddens, *saved = ctx.saved_tensors
        dv, *others = _backward(ctx, recurrent, hidden, saved, grad, ctx.needs_input_grad[4:])
        of_recurrent = None
        if ctx.needs_input_grad[3]:
            of_recurrent = recurrent_gradient(ctx.built, ctx.loop.tiles, recurrent, hiddens, hidden, dv)
        return None, None, dv, of_recurrent, *others


class RnnPass(EagerFunction):
    """:class:`.kernel_functions.CodeSums` and :class:`RnnRecurrence` in one, as :class:`.kernel_functions.LayerPass`.

    ``source`` (rows, n) gets the gradient of the weights: themselves, or what they follow from by a factor.
    """

    @staticmethod
    def forward(ctx, built, loop, rows, codes, source, step, hidden):
        codes, weights = codes.contiguous(), rows.weights
        driven = codes.shape[2] + weights.shape[1]
        voltages, bias = rows.begin(built, codes, driven, loop.tiles)
        ctx.rows = rows
        return _forward(ctx, built, loop, voltages, (codes, bias), weights[:driven], step, hidden, (codes, weights))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        codes, weights, hidden, hiddens, *saved = ctx.saved_tensors
        m, n = codes.shape[2], hiddens.shape[2]
        dv, *others = _backward(ctx, weights[m : m + n], hidden, saved, grad, ctx.needs_input_grad[5:])
        given = codes, hiddens, hidden, dv
        found = ctx.rows.gradients(ctx.built, ctx.loop.tiles, *given, ctx.needs_input_grad[3:5])
        return None, None, None, *found, *others


def _formats(loop) -> list[int]:
    return [getattr(loop.config, name) for name in FORMATS]


def _forward(ctx, built, loop, voltages, inputs, matrix, step, hidden, saved) -> torch.Tensor:
    """As :mod:`.kernel_functions`' of an LSTM; backward gets ``saved``, too."""
    hidden = None if hidden is None else hidden.contiguous()
    noise, whole, ends = loop.noise, loop.whole, ends_of(loop.tiles, with_inputs=inputs[0] is not None)
    hiddens = built.rnn_forward(
        voltages,
        *inputs,
        matrix,
        step,
        loop.tables,
        loop.function,
        _formats(loop),
        hidden,
        ends,
        loop.shifts,
        noise.adc_key,
        noise.adc,
        noise.spread_key,
        noise.spread,
        noise.squares,
        loop.exact,
        None if whole is None else whole.gain,
        0 if whole is None else whole.bits,
    )
    ctx.save_for_backward(*saved, hidden, hiddens, voltages, step, loop.tables, loop.slopes)
    ctx.built, ctx.loop = built, loop
    return torch.div(hiddens, code_scale(loop.config.dac_bits), out=built.kept_empty(hiddens.shape))


def _backward(ctx, recurrent, hidden, saved, grad, needs):
    """Gradients of the voltages, and of step and hidden as far as they are needed."""
    voltages, step, tables, slopes = saved
    loop, ends = ctx.loop, ends_of(ctx.loop.tiles, with_inputs=False)
    formats, scale = _formats(loop), code_scale(loop.config.dac_bits)
    given = grad.contiguous(), scale, needs[0], loop.config.leak
    dv, *others = ctx.built.rnn_backward(
        voltages, recurrent, step, tables, slopes, loop.function, formats, hidden, ends, loop.shifts, *given
    )
    return dv, *(each if needed else None for each, needed in zip(others, needs))

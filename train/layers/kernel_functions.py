"""The C++ kernel's functions with their gradients, for :mod:`torch.autograd`."""

import torch
from torch.autograd.function import once_differentiable

from .eager import EagerFunction

FORMATS = ("dac_bits", "adc_bits", "cell_bits", "cell_fraction", "tanh_bits", "tanh_fraction")  #: kernel.cpp's Form


class CodeSums(EagerFunction):
    """``bias`` + ``codes`` (R, rows) times ``weights`` (rows, columns), all whole codes times the columns' ``gain``.

    Sums are those of ``addmm``, as exact, but made of integers where the machine multiplies those faster.
    """

    @staticmethod
    def forward(ctx, built, bias, codes, weights, gain):
        codes = codes.contiguous()
        ctx.save_for_backward(codes, weights)
        return built.code_sums(codes, weights, gain, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        codes, weights = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            None,
            grad.sum(0) if needs[1] else None,
            grad @ weights.T if needs[2] else None,
            codes.T @ grad if needs[3] else None,
            None,
        )


class ScaledWeights(EagerFunction):
    """Codes of the weights with noise, scaled by the gain, in one pass of the kernel."""

    @staticmethod
    def forward(ctx, built, cells, divisor, gain, bits, key, deviation):
        ctx.save_for_backward(divisor, gain)
        ctx.built, ctx.bits = built, bits
        return built.weights_forward(cells, divisor, gain, bits, key, deviation)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        divisor, gain = ctx.saved_tensors
        return None, ctx.built.weights_backward(grad.contiguous(), divisor, gain, ctx.bits), *(None,) * 5


class Recurrence(EagerFunction):
    """The loop over steps: hidden codes, cell values and hidden values of all steps (:class:`.sequence.Loop`)."""

    @staticmethod
    def forward(ctx, built, loop, voltages, recurrent, step, hidden, cell, tables):
        hidden = None if hidden is None else hidden.contiguous()
        voltages = voltages.contiguous()
        noise, formats = loop.noise, [getattr(loop.config, name) for name in FORMATS]
        hiddens, cells, values = built.lstm_forward(
            voltages,
            recurrent,
            step,
            tables,
            loop.cell_table,
            formats,
            hidden,
            cell,
            noise.adc_key,
            noise.adc,
            noise.spread_key,
            noise.spread,
            noise.squares,
            loop.exact,
            loop.gain,
            loop.config.output == "value",
        )
        periphery = (tables, loop.slopes, loop.cell_table)
        ctx.save_for_backward(voltages, recurrent, step, *periphery, hidden, cell, hiddens, cells)
        ctx.built, ctx.formats, ctx.leak = built, formats, loop.config.leak
        ctx.set_materialize_grads(False)
        return hiddens, cells, values

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        voltages, recurrent, step, tables, slopes, cell_table, hidden, cell, hiddens, cells = ctx.saved_tensors
        grads = [None if g is None else g.contiguous() for g in grads]
        needs = dict(zip(("recurrent", "step", "hidden", "cell", "tables"), ctx.needs_input_grad[3:]))
        dv, dstep, dhidden, dcell, dtables = ctx.built.lstm_backward(
            voltages,
            recurrent,
            step,
            tables,
            slopes,
            cell_table,
            ctx.formats,
            hidden,
            cell,
            cells,
            *grads,
            needs["step"],
            needs["tables"],
            ctx.leak,
        )
        return (
            None,
            None,
            dv,
            _recurrent_gradient(recurrent, hidden, hiddens, dv) if needs["recurrent"] else None,
            dstep if needs["step"] else None,
            dhidden if needs["hidden"] else None,
            dcell if needs["cell"] else None,
            dtables if needs["tables"] else None,
        )


def _recurrent_gradient(recurrent, hidden, hiddens, dv):
    """Gradient of the weights from hidden codes to voltages, over all steps in one product."""
    if recurrent.dim() == 2:
        grad = hiddens[:-1].flatten(0, 1).T @ dv[1:].flatten(0, 1)
        return grad if hidden is None else grad.addmm_(hidden.T, dv[0])
    grad = torch.einsum("tbn,tbk->bnk", hiddens[:-1], dv[1:])
    return grad if hidden is None else grad + hidden[:, :, None] * dv[0][:, None, :]

"""Rounding with straight-through gradients: what the forward pass rounds, the backward pass lets through.

Gradients are passed where the value lies inside the range of its format and are 0 where it clips, but for weights
whose range is measured (:meth:`.ranges.RangedWeights.weight_codes` says why), and for a ``leak`` of ADCs: that share
of a gradient whose descent leads a clipped voltage back into the range. Every function works on whatever
floating type it gets; integers are held in it exactly.
"""

import torch

from ...model.formats import full_scale, signed_range
from .eager import EagerFunction
from .tile_rows import units_of


class _Symmetric(EagerFunction):
    @staticmethod
    def forward(ctx, values, bits, passing):
        top = full_scale(bits)
        if ctx.needs_input_grad[0] and not passing:
            ctx.save_for_backward(values.abs() <= 1)
        ctx.top = top
        if bits == 1:
            return torch.where(values >= 0, 1.0, -1.0).to(values.dtype)
        return (values * top + 0.5).floor_().clamp_(-top, top)

    @staticmethod
    def backward(ctx, grad):
        for inside in ctx.saved_tensors:
            grad = grad * inside
        return grad * ctx.top, None, None


def symmetric_code(values: torch.Tensor, bits: int, passing: bool = False) -> torch.Tensor:
    """DAC or weight codes of values in [-1, 1]: ``clip(floor(v*L + 1/2))``, the sign for one bit.

    ``passing``: values that clip pass the gradient, too.
    """
    return _Symmetric.apply(values, bits, passing)


class _Rounded(EagerFunction):
    @staticmethod
    def forward(ctx, values):
        return (values + 0.5).floor_()

    @staticmethod
    def backward(ctx, grad):
        return grad


def rounded(values: torch.Tensor) -> torch.Tensor:
    """``floor(v + 1/2)``."""
    return _Rounded.apply(values)


def _side(code: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """-1 below the range, 0 in it, 1 above it."""
    return (code > high).to(torch.int8) - (code < low).to(torch.int8)


def _let_through(grad: torch.Tensor, side: torch.Tensor, leak: float) -> torch.Tensor:
    """``grad`` in the range; beyond it ``leak`` of that whose descent leads back."""
    inside = grad * (side == 0)
    return inside + leak * grad * (grad * side > 0) if leak else inside


class _Adc(EagerFunction):
    @staticmethod
    def forward(ctx, v, bits, leak):
        low, high = signed_range(bits)
        code = v.floor()
        ctx.leak = leak
        ctx.save_for_backward(_side(code, low, high))
        return code.clamp_(low, high)

    @staticmethod
    def backward(ctx, grad):
        return _let_through(grad, ctx.saved_tensors[0], ctx.leak), None, None


def adc_code(v: torch.Tensor, bits: int, leak: float = 0.0) -> torch.Tensor:
    """Codes of a mid-rise converter of voltages in steps: ``clip(floor(v))``."""
    return _Adc.apply(v, bits, leak)


class _Gates(EagerFunction):
    @staticmethod
    def forward(ctx, v, step, tables, slopes, bits, leak, shifts):
        low, high = signed_range(bits)
        code = v.floor()
        side = _side(code, low, high)
        ctx.leak = leak
        code.clamp_(low, high)
        ctx.shifts, ctx.entries = shifts, tables.shape[1]
        ctx.units = sum(2**shift for shift in shifts) if shifts else len(v) if v.dim() == 3 else 1
        if shifts:
            code *= units_of(shifts, code)
        if v.dim() == 3:
            code = code.sum(0)
        gates = len(tables)
        per_gate = code.unflatten(-1, (gates, -1))
        place = per_gate.long() + (torch.arange(gates, device=v.device)[:, None] * ctx.entries - ctx.units * low)
        values = tables.view(-1)[place]
        learned = slopes is not None or ctx.needs_input_grad[2]
        ctx.save_for_backward(values, side, per_gate, step, slopes, place if learned else None)
        return values

    @staticmethod
    def backward(ctx, grad):
        gates, side, code, step, slopes, place = ctx.saved_tensors
        if slopes is None:
            slope = torch.cat([gates[..., :3, :] - gates[..., :3, :] ** 2, 1 - gates[..., 3:, :] ** 2], dim=-2)
        else:
            slope = slopes.view(-1)[place]
        grad_z = grad * slope
        grad_step = grad_tables = None
        if ctx.needs_input_grad[1]:
            grad_step = (grad_z * (code + 0.5 * ctx.units)).sum(dim=(0, 2))
        if ctx.needs_input_grad[2]:
            entries = grad.new_zeros(len(step) * ctx.entries)
            grad_tables = entries.index_add_(0, place.flatten(), grad.flatten()).view(len(step), -1)
        grad_v = _let_through((grad_z * step[:, None]).flatten(-2), side, ctx.leak)
        if ctx.shifts:
            grad_v = grad_v * units_of(ctx.shifts, grad_v)
        return grad_v, grad_step, grad_tables, None, None, None, None


def gate_values(
    v: torch.Tensor,
    step: torch.Tensor,
    tables: torch.Tensor,
    bits: int,
    slopes: torch.Tensor | None = None,
    leak: float = 0.0,
    shifts: tuple[int, ...] = (),
) -> torch.Tensor:
    """Gate activations of converter voltages.

    ``v`` (B, 4n) in steps of the ADCs, gate-major f, i, o, g, or (R, B, 4n) of row tiles, whose codes are added, each
    times 2^shift where there are ``shifts``; ``step``
    (4,) the ADC steps in units of the pre-activation; ``tables`` (4, entries) values by code. Returns (B, 4, n) of
    the tables' type. ``slopes`` are the gates' by code, without which they are those of sigmoid or tanh at the
    table's value. A code at either end passes a gradient, a clipped voltage ``leak`` of one. An entry's gradient is
    the sum over where its code occurs. With 1 in place of 4 it is the one table of a simple recurrent layer, which
    comes with slopes.
    """
    return _Gates.apply(v, step, tables, slopes, bits, leak, shifts)


class _Cell(EagerFunction):
    @staticmethod
    def forward(ctx, f, c, i, g, bits, fraction):
        scale = 2.0**fraction
        new = (f * c).mul_(scale).add_(0.5).floor_() + (i * g).mul_(scale).add_(0.5).floor_()
        low, high = signed_range(bits)
        inside = (new >= low) & (new <= high)
        ctx.save_for_backward(f, c, i, g, inside)
        return new.clamp_(low, high).mul_(1 / scale)

    @staticmethod
    def backward(ctx, grad):
        f, c, i, g, inside = ctx.saved_tensors
        grad = grad * inside
        return grad * c, grad * f, grad * g, grad * i, None, None


def cell_state(f, c, i, g, bits: int, fraction: int) -> torch.Tensor:
    """``sat(round(f*c) + round(i*g))`` with ``fraction`` fraction bits, as values. Exact in float64.

    In float32 a rounding finer than the type does nothing, which is what training wants.
    """
    return _Cell.apply(f, c, i, g, bits, fraction)


class _CellTanh(EagerFunction):
    @staticmethod
    def forward(ctx, c, table, bits, fraction):
        low, high = signed_range(bits)
        index = (c * 2.0**fraction).floor_()
        inside = (index >= low) & (index <= high)
        value = table[index.clamp_(low, high).long() - low]
        ctx.save_for_backward(value, inside)
        return value

    @staticmethod
    def backward(ctx, grad):
        value, inside = ctx.saved_tensors
        return grad * (1 - value**2) * inside, None, None, None


def cell_tanh(c: torch.Tensor, table: torch.Tensor, bits: int, fraction: int) -> torch.Tensor:
    """tanh of the cell state by the table (2^bits,) of values."""
    return _CellTanh.apply(c, table, bits, fraction)

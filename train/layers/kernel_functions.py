"""The C++ kernel's functions with their gradients, for :mod:`torch.autograd`."""

from dataclasses import dataclass

import torch
from torch.autograd.function import once_differentiable

from .config import code_scale
from .eager import EagerFunction
from .threads import single_thread
from .tile_rows import TileRows, ends_of

FORMATS = ("dac_bits", "adc_bits", "cell_bits", "cell_fraction", "tanh_bits", "tanh_fraction")  #: kernel.cpp's Form


@dataclass(frozen=True, eq=False)
class Whole:
    """What makes a matrix whole numbers: they and what it is multiplied with are within ``bits``, and sums exact."""

    gain: torch.Tensor  #: (columns,) that the whole numbers are multiplied with
    bits: int  #: 8 or 16


class CodeSums(EagerFunction):
    """``codes`` (R, rows) times ``weights`` (rows, columns), plus ``bias`` (columns,) unless it is None.

    With ``whole`` both are whole numbers: sums are those of ``addmm``, as exact, but made of integers where the
    machine multiplies those faster. Else they are torch's, on one thread. The gradients' bits do not depend on
    threads.
    """

    @staticmethod
    def forward(ctx, built, bias, codes, weights, whole):
        codes = codes.contiguous()
        ctx.save_for_backward(codes, weights)
        ctx.built = built
        if whole is not None:
            return built.code_sums(codes, weights, whole.gain, bias, whole.bits)
        with single_thread():
            return codes @ weights if bias is None else torch.addmm(bias, codes, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        codes, weights = ctx.saved_tensors
        needs, grad = ctx.needs_input_grad, grad.contiguous()
        of_rows = ctx.built.weight_gradient(codes[:, None], None, None, grad[:, None], 1, 1.0, None)
        of_codes = ctx.built.row_products(grad, weights.T) if needs[2] else None
        return None, of_rows[-1] if needs[1] else None, of_codes, of_rows[:-1], None


class OwnSums(EagerFunction):
    """``codes`` (T, B, rows) times each sequence's own ``weights`` (B, rows, columns), on one thread."""

    @staticmethod
    def forward(ctx, codes, weights):
        ctx.save_for_backward(codes, weights)
        with single_thread():
            return (codes.transpose(0, 1) @ weights).transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        codes, weights = ctx.saved_tensors
        grad = grad.transpose(0, 1)
        with single_thread():
            of_codes = (grad @ weights.transpose(1, 2)).transpose(0, 1) if ctx.needs_input_grad[0] else None
            return of_codes, codes.permute(1, 2, 0) @ grad


class ScaledWeights(EagerFunction):
    """Codes of the weights with noise, scaled by the gain, to multiples of ``unit``, in one pass of the kernel.

    ``alpha`` and ``gain``: numbers for groups of columns. With each column's gain, and the factor of its cells'
    gradient over its weights'.
    """

    @staticmethod
    def forward(ctx, built, cells, alpha, gain, bits, key, deviation, unit):
        ctx.built, ctx.given = built, (alpha, gain, bits)
        ctx.set_materialize_grads(False)
        found = built.weights_forward(cells, *ctx.given, key, deviation, unit)
        ctx.mark_non_differentiable(*found[1:])
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        of_cells = None if grad is None else ctx.built.weights_backward(grad.contiguous(), *ctx.given)
        return None, of_cells, *(None,) * 6


class Recurrence(EagerFunction):
    """The loop over steps: hidden values by their codes, cell values and hidden values (:class:`.sequence.Loop`)."""

    @staticmethod
    def forward(ctx, built, loop, voltages, recurrent, step, hidden, cell, tables):
        found = _forward(ctx, built, loop, voltages.contiguous(), (None, None), recurrent, step, hidden, cell, tables)
        ctx.save_for_backward(recurrent, *found.saved)
        return found.outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        recurrent, *saved = ctx.saved_tensors
        hidden, hiddens = saved[-4], saved[-2]
        dv, *others = _backward(ctx, recurrent, saved, grads, ctx.needs_input_grad[4:])
        of_recurrent = None
        if ctx.needs_input_grad[3]:
            of_recurrent = recurrent_gradient(ctx.built, ctx.tiles, recurrent, hiddens, hidden, dv)
        return None, None, dv, of_recurrent, *others


def recurrent_gradient(built, tiles: tuple[TileRows, ...], recurrent, hiddens, hidden, dv) -> torch.Tensor:
    """Gradient of the hidden rows' weights ``recurrent``, of that of all tiles' voltages."""
    each = zip(tiles, dv if len(tiles) > 1 else (dv,))
    parts = [_of_recurrent(built, recurrent, tile, hiddens, hidden, part) for tile, part in each]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


def _of_recurrent(built, recurrent, tile: TileRows, hiddens, hidden, dv) -> torch.Tensor:
    """Gradient of a tile's rows of ``recurrent``, of the gradients (T, B, columns) of its voltages."""
    hiddens, hidden = _units(hiddens, tile), _units(hidden, tile)
    if recurrent.dim() == 2:
        return built.weight_gradient(None, hiddens, hidden, dv, 0, 0.0, None)
    with single_thread():
        found = torch.einsum("tbn,tbk->bnk", hiddens[:-1], dv[1:])
    return found if hidden is None else found + hidden[:, :, None] * dv[0][:, None, :]


def _units(codes: torch.Tensor | None, tile: TileRows) -> torch.Tensor | None:
    """A tile's of hidden codes (..., n), one after the other in memory."""
    return None if codes is None else codes[..., tile.hidden].contiguous()


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of an array, whose weights are whole numbers: inputs, the hidden state, bias rows."""

    weights: torch.Tensor  #: (rows, columns) ADC steps per DAC code, of all row tiles
    factor: torch.Tensor | None  #: (columns,) of a gradient of what the weights follow from over one of the weights
    whole: Whole
    level: float  #: of a bias row, in codes

    def begin(self, built, codes: torch.Tensor, driven: int, tiles: tuple[TileRows, ...]):
        """Room for the voltages of ``codes`` (T, B, m), and the bias of each tile behind the ``driven`` rows."""
        (steps, batch), columns = codes.shape[:2], self.weights.shape[1]
        shape = (steps, batch, columns) if len(tiles) == 1 else (len(tiles), steps, batch, columns)
        behind = self.weights[driven:]
        sums = behind.sum(0) if len(tiles) == 1 else torch.stack([behind[tile.bias].sum(0) for tile in tiles])
        return built.kept_empty(shape), sums * self.level

    def gradients(self, built, tiles: tuple[TileRows, ...], codes, hiddens, hidden, dv, needs):
        """Of the inputs' codes and of the weights, of that of all tiles' voltages, as far as they are needed."""
        parts = dv if len(tiles) > 1 else (dv,)
        of_codes = of_weights = None
        if needs[0]:
            inputs = self.weights[: codes.shape[2]]
            found = [built.row_products(p.flatten(0, 1), inputs[t.inputs].T) for t, p in zip(tiles, parts)]
            of_codes = (found[0] if len(found) == 1 else torch.cat(found, dim=1)).view(codes.shape)
        if needs[1] and len(tiles) == 1:
            bias = len(self.weights) - codes.shape[2] - hiddens.shape[2]
            of_weights = built.weight_gradient(codes, hiddens, hidden, dv, bias, self.level, self.factor)
        elif needs[1]:
            found = []
            for tile, part in zip(tiles, parts):
                given = codes[..., tile.inputs].contiguous(), _units(hiddens, tile), _units(hidden, tile), part
                bias = tile.bias.stop - tile.bias.start
                found.append(built.weight_gradient(*given, bias, self.level, self.factor))
            of_weights = torch.cat(found)
        return of_codes, of_weights


class LayerPass(EagerFunction):
    """:class:`CodeSums` and :class:`Recurrence` in one, where both are sums of whole numbers of the same units.

    ``source`` (rows, 4n) gets the gradient of the weights: themselves, or what they follow from by a factor.
    """

    @staticmethod
    def forward(ctx, built, loop, rows, codes, source, step, hidden, cell, tables):
        codes, weights = codes.contiguous(), rows.weights
        driven = codes.shape[2] + weights.shape[1] // 4
        voltages, bias = rows.begin(built, codes, driven, loop.tiles)
        inputs = codes, bias
        found = _forward(ctx, built, loop, voltages, inputs, weights[:driven], step, hidden, cell, tables)
        ctx.save_for_backward(codes, weights, *found.saved)
        ctx.rows = rows
        return found.outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        codes, weights, *saved = ctx.saved_tensors
        hidden, hiddens, m = saved[-4], saved[-2], codes.shape[2]
        n = hiddens.shape[2]
        dv, *others = _backward(ctx, weights[m : m + n], saved, grads, ctx.needs_input_grad[5:])
        given = codes, hiddens, hidden, dv
        found = ctx.rows.gradients(ctx.built, ctx.tiles, *given, ctx.needs_input_grad[3:5])
        return None, None, None, *found, *others


@dataclass(frozen=True, eq=False)
class _Found:
    outputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    saved: tuple[torch.Tensor | None, ...]


def _forward(ctx, built, loop, voltages, inputs, matrix, step, hidden, cell, tables) -> _Found:
    """The loop over steps; ``voltages`` hold those of all rows afterwards. ``inputs``: codes and bias, if they do not
    hold these already; then the ``matrix`` has their rows, too.
    """
    hidden = None if hidden is None else hidden.contiguous()
    noise, formats, whole = loop.noise, [getattr(loop.config, name) for name in FORMATS], loop.whole
    hiddens, cells, values = built.lstm_forward(
        voltages,
        *inputs,
        matrix,
        step,
        tables,
        loop.cell_table,
        formats,
        hidden,
        cell,
        ends_of(loop.tiles, with_inputs=inputs[0] is not None),
        loop.shifts,
        noise.adc_key,
        noise.adc,
        noise.spread_key,
        noise.spread,
        noise.squares,
        loop.exact,
        None if whole is None else whole.gain,
        0 if whole is None else whole.bits,
        loop.config.output == "value",
    )
    ctx.built, ctx.formats, ctx.leak, ctx.tiles = built, formats, loop.config.leak, loop.tiles
    ctx.shifts = loop.shifts
    ctx.scale = code_scale(loop.config.dac_bits)
    ctx.set_materialize_grads(False)
    outputs = torch.div(hiddens, ctx.scale, out=built.kept_empty(hiddens.shape)), cells, values
    return _Found(outputs, (voltages, step, tables, loop.slopes, loop.cell_table, hidden, cell, hiddens, cells))


def _backward(ctx, recurrent, saved, grads, needs):
    """Gradients of the voltages, and of step, hidden, cell and tables as far as they are needed."""
    voltages, step, tables, slopes, cell_table, hidden, cell, _, cells = saved
    of_hidden, of_cells, of_values = (None if g is None else g.contiguous() for g in grads)
    dv, *others = ctx.built.lstm_backward(
        voltages,
        recurrent,
        step,
        tables,
        slopes,
        cell_table,
        ctx.formats,
        hidden,
        cell,
        ends_of(ctx.tiles, with_inputs=False),
        ctx.shifts,
        cells,
        of_hidden,
        of_cells,
        of_values,
        ctx.scale,
        needs[0],
        needs[3],
        ctx.leak,
    )
    return dv, *(each if needed else None for each, needed in zip(others, needs))

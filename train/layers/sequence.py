"""The LSTM over a whole sequence, in units of ADC steps: the part of a layer that runs step by step.

Everything before the converter is linear, so the inputs' share of the column sums and the bias are computed for
all steps at once by the caller; only the hidden state's share is left to the loop. :func:`eager_sequence` is the
plain form, :func:`kernel_sequence` the C++ one (kernel.cpp) with the same codes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...model.formats import signed_range
from ..kernel.build import loaded_kernel
from .config import FLOAT, QuantConfig, code_scale
from .curve import Bend
from .gaussian import normals
from .kernel_functions import Recurrence, Whole
from .straight_through import cell_state, cell_tanh, gate_values, symmetric_code
from .tile_rows import TileRows


@dataclass(frozen=True)
class StepNoise:
    """Noise that is made step by step. Each kind may be missing."""

    adc: float = 0.0  #: deviation before the converter, in ADC steps
    adc_key: tuple[int, ...] = (0, 0, 0)
    spread: torch.Tensor | None = None  #: (4n,) deviation of weight noise redrawn per step, in ADC steps per code
    spread_key: tuple[int, ...] = (0, 0, 0)
    squares: torch.Tensor | None = None  #: (T, B) or (T, R, B) sum of the other rows' squared codes


@dataclass(frozen=True, eq=False)
class Loop:
    """What the loop over steps goes by, besides the voltages of the rows before the hidden ones."""

    config: QuantConfig  #: number formats; 32 DAC or ADC bits mean float
    bend: Bend | None  #: of the hidden rows' codes; None for linear cells, the kernel's only ones
    step: torch.Tensor  #: (4,) ADC steps in units of the pre-activation
    tables: torch.Tensor | None  #: (4, entries) values of the gates; None in float, as is ``cell_table``
    slopes: torch.Tensor | None  #: (4, entries) of the gates, where they are not those at the tables' values
    cell_table: torch.Tensor | None  #: (2^T,) values of the cell's tanh
    state: tuple[torch.Tensor, torch.Tensor] | None  #: codes and cell (B, n); None: no hidden row driven at first
    noise: StepNoise
    exact: bool  #: are products with the hidden codes exact in float32, so in any order?
    tiles: tuple[TileRows, ...]  #: rows of each row tile; mostly one tile
    whole: Whole | None  #: what makes the hidden rows' weights and their codes whole numbers


@dataclass(frozen=True, eq=False)
class Trace:
    """Every stage of one layer in a pass that is listened to, (T, B, units); None where the layer has none.

    Voltages and ADC codes are those of all columns of the first row tile, then of the next.
    """

    voltage: torch.Tensor  #: in ADC steps, before clipping
    adc: torch.Tensor | None = None
    gates: torch.Tensor | None = None  #: (T, B, 4, n)
    cell: torch.Tensor | None = None
    hidden: torch.Tensor | None = None
    out: torch.Tensor | None = None
    given_state: bool = False  #: did the sequences begin with a state but zero, which the hardware does not have?


def tiles_joined(values: torch.Tensor) -> torch.Tensor:
    """(..., R, B, columns) to (..., B, R * columns)."""
    return values.movedim(-3, -2).flatten(-2)


def eager_sequence(
    voltages: torch.Tensor,
    recurrent: torch.Tensor,
    loop: Loop,
    stages: list[dict[str, torch.Tensor]] | None = None,
):
    """Hidden values by their codes, cell values, and hidden values before rounding, of all steps: each (T, B, n).

    ``voltages`` (T, B, 4n): column voltages in ADC steps without the hidden rows; (R, T, B, 4n) of R row tiles.
    ``recurrent`` (n, 4n), or (B, n, 4n) with a sequence's own weights: from hidden code to voltage. ``stages``, if
    any, gets those of each step by their names in :class:`Trace`. No gradient goes through the deviation of weight
    noise redrawn per step.
    """
    if len(loop.tiles) > 1:
        voltages = voltages.movedim(1, 0)  # (T, R, B, 4n), as noise is drawn
    batch, columns = voltages.shape[-2:]
    hidden, cell = (None, None) if loop.state is None else loop.state
    noise = loop.noise
    if cell is None:
        like = voltages if loop.tables is None else loop.tables
        cell = like.new_zeros(batch, columns // 4)
    drawn = _normals(noise.adc_key, voltages) * noise.adc if noise.adc else None
    if noise.spread is not None:
        spread = _normals(noise.spread_key, voltages) * noise.spread
    hiddens, cells, values = [], [], []
    product, squares = _products(loop.tiles, recurrent)
    for t, v in enumerate(voltages.unbind(0)):
        rows = hidden if hidden is None or loop.bend is None else loop.bend(hidden)
        if rows is not None:
            v = v + product(rows.to(recurrent.dtype))
        if drawn is not None:
            v = v + drawn[t]
        if noise.spread is not None:
            energy = noise.squares[t]
            if rows is not None:
                energy = energy + squares(rows.detach().square()).to(v.dtype)
            v = v + spread[t] * _root(energy)[..., None]
        hidden, cell, value = _step(v, cell, loop, stages)
        hiddens.append(hidden)
        cells.append(cell)
        values.append(value)
    return torch.stack(hiddens) / code_scale(loop.config.dac_bits), torch.stack(cells), torch.stack(values)


def kernel_sequence(kernel, voltages: torch.Tensor, recurrent: torch.Tensor, loop: Loop):
    """:func:`eager_sequence` in C++, float32 only. ``voltages`` are consumed: the caller must not use them again.
    Values are there where they are the output.
    """
    hidden, cell = (None, None) if loop.state is None else loop.state
    return Recurrence.apply(kernel, loop, voltages, recurrent, loop.step, hidden, cell, loop.tables)


def _root(squares: torch.Tensor) -> torch.Tensor:
    """Rounded as IEEE 754 says, and as the kernel's is; torch's of float32 may be a unit in the last place off."""
    return squares.double().sqrt().to(squares.dtype)


def _normals(key: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Of the shape (T, B, columns) of ``like``, a row of the stream for each step, on its device."""
    drawn = normals(list(key), len(like), like[0].numel(), loaded_kernel())
    return drawn.view(like.shape).to(like.device)


def _products(
    tiles: tuple[TileRows, ...], recurrent: torch.Tensor
) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]:
    """What hidden rows (B, n) add to the voltages of a step, and sums of their squares (B, n): of each row tile."""
    if len(tiles) == 1:
        return lambda rows: _product(rows, recurrent), lambda squares: squares.sum(1)
    units = [tile.hidden for tile in tiles]
    weights = [recurrent[..., each, :] for each in units]

    def product(rows: torch.Tensor) -> torch.Tensor:
        return torch.stack([_product(rows[:, each], weight) for each, weight in zip(units, weights)])

    return product, lambda squares: torch.stack([squares[:, each].sum(1) for each in units])


def _product(hidden, recurrent):
    if recurrent.dim() == 2:
        return hidden @ recurrent
    return (hidden[:, None] @ recurrent)[:, 0]


def _step(v: torch.Tensor, cell: torch.Tensor, loop: Loop, stages: list[dict[str, torch.Tensor]] | None):
    """Element-wise part of one step: voltages (B, 4n), cell (B, n) to hidden codes, new cell and hidden values."""
    config, seen = loop.config, {"voltage": v if v.dim() == 2 else tiles_joined(v)}
    if config.adc_bits == FLOAT:
        f, i, o, g = (v * loop.step.repeat_interleave(v.shape[1] // 4)).unflatten(-1, (4, -1)).unbind(-2)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        product = torch.sigmoid(o) * torch.tanh(cell)
    else:
        gates = gate_values(v, loop.step, loop.tables, config.adc_bits, loop.slopes, config.leak)
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

"""A layer with feedback over a whole sequence, in units of ADC steps: the part that runs step by step.

Everything before the converter is linear, so the inputs' share of the column sums and the bias are computed for
all steps at once by the caller; only the hidden state's share is left to the loop. :func:`eager_steps` is the plain
form of the loop. What a layer makes of its voltages is its own (:mod:`.lstm_sequence`, :mod:`.rnn_sequence`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..kernel.build import loaded_kernel
from .config import QuantConfig
from .curve import Bend
from .gaussian import normals
from .kernel_functions import Whole
from .tile_rows import TileRows, units_of


@dataclass(frozen=True)
class StepNoise:
    """Noise that is made step by step. Each kind may be missing."""

    adc: float = 0.0  #: deviation before the converter, in ADC steps
    adc_key: tuple[int, ...] = (0, 0, 0)
    spread: torch.Tensor | None = None  #: (columns,) of weight noise redrawn per step, in ADC steps per code
    spread_key: tuple[int, ...] = (0, 0, 0)
    squares: torch.Tensor | None = None  #: (T, B) or (T, R, B) sum of the other rows' squared codes


@dataclass(frozen=True, eq=False)
class Loop:
    """What the loop over steps goes by, besides the voltages of the rows before the hidden ones."""

    config: QuantConfig  #: number formats; 32 DAC or ADC bits mean float
    bend: Bend | None  #: of the hidden rows' codes; None for linear cells, the kernel's only ones
    step: torch.Tensor  #: (groups,) ADC steps in units of the pre-activation
    tables: torch.Tensor | None  #: (groups, entries) what the layer makes of each code; None in float
    slopes: torch.Tensor | None  #: (groups, entries) of these by the pre-activation, where they do not follow
    hidden: torch.Tensor | None  #: codes (B, n) of the hidden rows on the first step; None: they are not driven
    noise: StepNoise
    exact: bool  #: are products with the hidden codes exact in float32, so in any order?
    tiles: tuple[TileRows, ...]  #: rows of each row tile; mostly one tile
    shifts: tuple[int, ...]  #: of each row tile: its ADC step is 2^shift times what ``step`` says; none: all 0
    whole: Whole | None  #: what makes the hidden rows' weights and their codes whole numbers


@dataclass(frozen=True, eq=False)
class Trace:
    """Every stage of one layer in a pass that is listened to, (T, B, units); None where the layer has none.

    Voltages and ADC codes are those of all columns of the first row tile, then of the next.
    """

    voltage: torch.Tensor  #: in steps of the tile's ADC, before clipping
    adc: torch.Tensor | None = None
    gates: torch.Tensor | None = None  #: (T, B, 4, n)
    cell: torch.Tensor | None = None
    hidden: torch.Tensor | None = None
    out: torch.Tensor | None = None
    given_state: bool = False  #: did the sequences begin with a state but zero, which the hardware does not have?


def joined_stages(stages: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What each step told of itself, by the names in :class:`Trace`: of all steps."""
    return {name: torch.stack([step[name] for step in stages]) for name in stages[0]}


def tiles_joined(values: torch.Tensor) -> torch.Tensor:
    """(..., R, B, columns) to (..., B, R * columns)."""
    return values.movedim(-3, -2).flatten(-2)


def in_own_steps(v: torch.Tensor, shifts: tuple[int, ...]) -> torch.Tensor:
    """Voltages (R, B, columns), in the layer's ADC steps, in those of each row tile."""
    return v * units_of(shifts, v).reciprocal() if shifts else v


def eager_steps(
    voltages: torch.Tensor, recurrent: torch.Tensor, loop: Loop, step: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Hidden codes of all steps (T, B, n), each of which ``step`` makes of the voltages (B, columns).

    ``voltages`` (T, B, columns): in the layer's ADC steps, without the hidden rows; (R, T, B, columns) of R row
    tiles, of which ``step`` gets (R, B, columns). ``recurrent`` (n, columns), or (B, n, columns) with a sequence's
    own weights: from hidden code to voltage. No gradient goes through the deviation of weight noise redrawn per step.
    """
    if len(loop.tiles) > 1:
        voltages = voltages.movedim(1, 0)  # (T, R, B, columns), as noise is drawn
    noise, hidden = loop.noise, loop.hidden
    drawn = _normals(noise.adc_key, voltages) * noise.adc if noise.adc else None
    if drawn is not None and loop.shifts:  # its deviation is in steps of each tile's ADC
        drawn = drawn * units_of(loop.shifts, drawn)
    if noise.spread is not None:
        spread = _normals(noise.spread_key, voltages) * noise.spread
    hiddens = []
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
        hidden = step(v)
        hiddens.append(hidden)
    return torch.stack(hiddens)


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

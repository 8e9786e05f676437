"""Row tiles of an LSTM's array: which of its rows, [x, h, bias], each of them has."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TileRows:
    """Rows of one tile by what drives them: each a slice of the inputs, of the hidden units, of the bias rows."""

    inputs: slice
    hidden: slice
    bias: slice


def tile_rows(tiles: tuple[slice, ...], inputs: int, hidden: int, bias: int) -> tuple[TileRows, ...]:
    """What drives the rows of ``tiles`` that follow one another, of an array of so many rows of each kind."""
    found, firsts = [], (0, inputs, inputs + hidden)
    for tile in tiles:
        parts = (
            slice(min(max(tile.start - first, 0), count), min(max(tile.stop - first, 0), count))
            for first, count in zip(firsts, (inputs, hidden, bias))
        )
        found.append(TileRows(*parts))
    return tuple(found)


def units_of(shifts: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """(R, 1, 1): what 1 in a code of each row tile counts in the sum, as ``like``."""
    return torch.tensor([2.0**shift for shift in shifts], dtype=like.dtype, device=like.device)[:, None, None]


def ends_of(tiles: tuple[TileRows, ...], with_inputs: bool) -> list[int]:
    """Behind which row each tile ends, among the inputs' and the hidden rows, or the hidden rows alone.

    One tile has no ends, as the C++ kernel takes it.
    """
    if len(tiles) == 1:
        return []
    return [tile.hidden.stop + (tile.inputs.stop if with_inputs else 0) for tile in tiles]

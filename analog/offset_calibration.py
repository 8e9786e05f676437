"""Calibration of offsets: bias rows or the converters' trims make good for what sense amplifiers add to columns."""

import numpy as np

from ..model.formats import DesignError, check_choice, full_scale
from ..model.layout import row_drive, row_top
from .array import Array

CURES = ("bias_rows", "trims")


def absorb_offsets(arrays: list[Array], by: str = "bias_rows") -> list[np.ndarray]:
    """Take the offsets of sense amplifiers out of a chip's readings, as far as its hardware can.

    "bias_rows" programs the weights of the rows that are always driven to the nearest code, for each column; "trims"
    moves the offset trim of each converter by the mean of its columns, to the nearest step. A chip measures a column
    by reading it with all rows at ground, several times where reads are noisy; here it is read exactly.

    Returns what is left in each column, in LSB, in physical order: (columns,) for each array. Raises
    :class:`DesignError` where there are no such rows or trims.
    """
    check_choice("cure of offsets", by, CURES)
    return [(_into_bias_rows if by == "bias_rows" else _into_trims)(array) for array in arrays]


def column_offsets(array: Array) -> np.ndarray:
    """What the amplifiers' offsets add to each column with all rows at ground, in LSB, physical order: (columns,)."""
    offset = array.offsets
    if offset is None:
        return np.zeros(array.layer.columns)
    if array.slope:
        offset = array.slope.rest * offset.sum(axis=0)
    return offset * array.scale


def _into_bias_rows(array: Array) -> np.ndarray:
    layer = array.layer
    if not layer.bias_rows or layer.weight_bits == 1:
        raise DesignError(
            f"offsets go into bias rows of weights of at least 2 bits, but the array has {layer.bias_rows} bias rows "
            f"of {layer.weight_bits}-bit weights"
        )
    top, bias = full_scale(layer.weight_bits), np.arange(layer.rows - layer.bias_rows, layer.rows)
    step = int(row_drive(layer)[-1] * row_top(layer)[-1])  # of the column sum, for each code of a bias row
    before = column_offsets(array) / array.scale
    wanted = -np.round(before / step).astype(np.int64)
    held = array.levels[bias].copy()
    for row in range(len(bias)):  # a row takes what fits into it, the next one the rest
        part = np.clip(held[row] + wanted, -top, top) - held[row]
        wanted -= part
        for column in np.flatnonzero(part):
            array.program_cell(int(bias[row]), int(column), int(held[row, column] + part[column]))
    added = (array.levels[bias] - held).sum(axis=0) * step
    return (before + added) * array.scale


def _into_trims(array: Array) -> np.ndarray:
    bank = array.adcs
    if bank is None:
        raise DesignError("offsets go into trims of converters that have errors, but these are ideal")
    each = column_offsets(array).reshape(array.layer.adcs, -1)
    step = bank.errors.offset_trim
    change = np.round(each.mean(axis=1) * bank.gain / step) * step
    bank.offset_trim -= change
    array.changes += 1
    return (each - (change / bank.gain)[:, None]).reshape(-1)

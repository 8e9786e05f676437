"""Arrays whose columns are converted a few at a time: what the others do meanwhile changes what is sensed.

Conversion m of M selects the columns m, M + m, ... The rest are at ground as the selected ones are, float, or are cut
off from the rows by a transistor in each cell. Each conversion is a linear array of its own.
"""

from collections.abc import Iterator

import numpy as np

from . import elimination
from .tiles import tile_slices
from .wires import WireConfig, check_conductance, effective_matrix


def selections(columns: int, conversions: int) -> Iterator[np.ndarray]:
    """Mask (columns,) of the columns that each conversion selects."""
    for conversion in range(conversions):
        yield np.arange(columns) % conversions == conversion


def selected_matrix(conductance, wires: WireConfig, conversions: int, unselected: str, tile: int = 0) -> np.ndarray:
    """Effective matrix (rows, columns) in siemens, each column as it is while it is selected.

    ``unselected`` is "floating" or "cut_off"; ``tile`` is that of :class:`..memory.cells.Cells`. As many solutions as
    conversions, each right as :func:`.wires.effective_matrix` is.
    """
    conductance = check_conductance(conductance)
    result = np.empty_like(conductance)
    rows, columns = conductance.shape
    for part in tile_slices(rows, columns, tile or rows, tile or columns):
        cells = conductance[part]
        for mask in selections(columns, conversions):
            here = mask[part[1]]
            if unselected == "cut_off":
                solved = effective_matrix(np.where(here, cells, 0.0), wires)
            else:
                solved = elimination.effective(cells, wires.row, wires.column, sensed=here)
            result[part][:, here] = solved[:, here]
    return result


def floating_power(conductance, volts) -> float:
    """Power (W) that drivers ``volts`` (rows,) give to columns that float: (rows, columns) in siemens, no wires.

    Each floats at the mean of its rows' voltages, weighed by its cells.
    """
    conductance, volts = check_conductance(conductance), np.asarray(volts, dtype=np.float64)
    total = conductance.sum(axis=0)
    taken = volts @ conductance
    mean = np.divide(taken, total, out=np.zeros_like(total), where=total > 0)
    return float((volts**2 @ conductance - taken * mean).sum())

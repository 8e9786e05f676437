"""Large matrices on several arrays: each tile has its own drivers and sense amplifiers, so its wires are short.

Currents of tiles that share columns are added after sensing, so the effective matrix of the whole is the effective
matrices of the tiles side by side.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from ...model.formats import check_integer
from .irdrop import IrDrop, ir_drop
from .nonlinear import nonlinear_ir_drop
from .wires import WireConfig, approximate_matrix, check_conductance, effective_matrix


def tile_slices(rows: int, columns: int, tile_rows: int, tile_columns: int) -> Iterator[tuple[slice, slice]]:
    """Row and column range of each tile, of as equal sizes as fit into ``tile_rows`` x ``tile_columns``."""
    check_integer("tile rows", tile_rows, 1, 2**31)
    check_integer("tile columns", tile_columns, 1, 2**31)
    for top, bottom in _cuts(rows, tile_rows):
        for left, right in _cuts(columns, tile_columns):
            yield slice(top, bottom), slice(left, right)


def tiled_matrix(
    conductance, wires: WireConfig, tile_rows: int, tile_columns: int, error: float | None = None
) -> np.ndarray:
    """Effective matrix (rows, columns) in siemens of ``conductance`` cut into tiles with the wires ``wires`` each.

    ``error`` None solves every tile exactly; a number is :func:`.wires.approximate_matrix`'s error for each tile.
    """
    conductance = check_conductance(conductance)
    solve: Callable[[np.ndarray, WireConfig], np.ndarray] = (
        effective_matrix if error is None else partial(approximate_matrix, error=error)
    )
    result = np.empty_like(conductance)
    rows, columns = conductance.shape
    for tile in tile_slices(rows, columns, tile_rows, tile_columns):
        result[tile] = solve(conductance[tile], wires)
    return result


def tiled_ir_drop(conductance, wires: WireConfig, volts, tile: int, law: tuple[float, float] | None = None) -> IrDrop:
    """Node voltages of all tiles for driver voltages ``volts`` (rows,), as of one array; ``tile`` 0 is one array.

    ``law`` is that of :func:`.netlist.netlist`.
    """
    if not tile:
        return nonlinear_ir_drop(conductance, wires, volts, *law) if law else ir_drop(conductance, wires, volts)
    conductance, volts = check_conductance(conductance), np.asarray(volts, dtype=np.float64)
    row, column, current = (np.empty_like(conductance) for _ in range(3))
    residual = 0.0
    rows, columns = conductance.shape
    for part in tile_slices(rows, columns, tile, tile):
        solved = tiled_ir_drop(conductance[part], wires, volts[part[0]], 0, law)
        row[part], column[part], current[part] = solved.row, solved.column, solved.current
        residual = max(residual, solved.residual)
    return IrDrop(row, column, current, residual)


def _cuts(length: int, longest: int) -> Iterator[tuple[int, int]]:
    pieces = -(-length // longest)
    edges = [length * piece // pieces for piece in range(pieces + 1)]
    return pairwise(edges)

"""What offsets of the sense amplifiers take from the columns of an array, behind its wires.

A column that its amplifier keeps at V instead of ground takes the current V from each of its cells. The array is
linear, so that is added to every reading, whatever the rows do. A source of V at the end of a column's wire is the
same as one in series with each of its cells: the equations are those of :mod:`.irdrop` with other sources.
"""

import numpy as np
from scipy.sparse.linalg import cg

from ...model.formats import DesignError
from .irdrop import Equations
from .tiles import tile_slices
from .wires import WireConfig, check_conductance

TOLERANCE = 1e-11  #: of the residual, relative to the sources


def offset_currents(
    conductance,
    wires: WireConfig | None,
    volts,
    conversion,
    unselected: str = "grounded",
    tile: int = 0,
) -> np.ndarray:
    """Current (A) that offsets add to each column while it is selected: (columns,); below 0 for offsets above 0.

    ``conductance`` (rows, columns) in siemens; ``volts`` (tiles of rows, columns) of each column's amplifiers;
    ``conversion`` (columns,) is the number of the conversion that selects each, -1 for none. Columns that wait are at
    true ground, floating or cut off, as ``unselected`` says. ``tile`` is that of :class:`..memory.cells.Cells`. Right
    to 1e-9 of a column's offset times its conductance. Raises :class:`DesignError` for what cannot be solved.
    """
    conductance, volts = check_conductance(conductance), np.asarray(volts, dtype=np.float64)
    rows, columns = conductance.shape
    result = np.zeros(columns)
    lengths = sorted({part[0].start for part in tile_slices(rows, columns, tile or rows, tile or columns)})
    for down, across in tile_slices(rows, columns, tile or rows, tile or columns):
        cells, own = conductance[down, across], volts[lengths.index(down.start), across]
        if wires is None:
            result[across] -= own * cells.sum(axis=0)
            continue
        for number in np.unique(conversion[conversion >= 0]):
            mask = conversion[across] == number
            if mask.any():
                result[across][mask] += _solved(cells, wires, np.where(mask, own, 0.0), mask, unselected)[mask]
    return result


def _solved(cells: np.ndarray, wires: WireConfig, volts: np.ndarray, mask: np.ndarray, unselected: str) -> np.ndarray:
    root = np.sqrt(np.where(mask, cells, 0.0) if unselected == "cut_off" else cells)
    source, equations = (-root * volts).ravel(), Equations(root, wires)
    if unselected == "floating":
        equations = _Floating(root, wires, mask)
        source = equations.project(source)
    scaled, failed = cg(equations, source, rtol=TOLERANCE, maxiter=10 * root.size)
    if failed:
        raise DesignError("offsets of this array cannot be solved; wires or conductances are out of range")
    return (root * scaled.reshape(root.shape)).sum(axis=0)


class _Floating(Equations):
    """The same among currents of which nothing leaves through the ends of columns that float."""

    def __init__(self, root: np.ndarray, wires: WireConfig, selected: np.ndarray) -> None:
        super().__init__(root, wires)
        length = np.sqrt((root**2).sum(axis=0))
        self._unit = np.where(selected | (length == 0), 0.0, root / np.where(length == 0, 1.0, length))

    def project(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled cell currents less what would leave through those ends."""
        x = scaled.reshape(self._unit.shape)
        return (x - self._unit * (self._unit * x).sum(axis=0)).ravel()

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self.project(super()._matvec(self.project(x)))

"""Node voltages of an array for one input: the map of the IR drop.

An independent solution beside :mod:`.elimination`, good for one input: the unknowns are the cell currents I. With
the potential drops along the wires written as sums, volts = I / G + Zrow I + Zcolumn I; Z is a double running sum
(no matrix, and nothing to divide by, so wires of 0 ohm are legal). Scaled by the square root of G this is positive
definite with all eigenvalues above 1: conjugate gradients need about ten steps at 1 Mohm, a hundred at 10 kohm.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from ...model.formats import DesignError
from .elimination import Line
from .wires import WireConfig, check_conductance

TOLERANCE = 1e-13  # of the residual, relative to the input


@dataclass(frozen=True)
class IrDrop:
    """Solution for one input; arrays (rows, columns) unless said otherwise."""

    row: np.ndarray  #: V, row node at each cell
    column: np.ndarray  #: V, column node at each cell
    current: np.ndarray  #: A, through each cell
    residual: float  #: largest violation of Kirchhoff's and Ohm's laws at a cell, relative to the largest current

    @property
    def column_current(self) -> np.ndarray:
        """A, (columns,): what the sense amplifiers receive."""
        return self.current.sum(axis=0)


def ir_drop(conductance, wires: WireConfig, volts) -> IrDrop:
    """Solve the array for driver voltages ``volts`` (rows,). Raises :class:`DesignError` for a wrong shape or NaN."""
    conductance, volts = check_input(conductance, volts)
    root = np.sqrt(conductance)
    source = (root * volts[:, None]).ravel()
    scaled, failed = cg(Equations(root, wires), source, rtol=TOLERANCE, maxiter=10 * conductance.size)
    if failed:
        raise DesignError("the array cannot be solved for this input; wires or conductances are out of range")
    current = root * scaled.reshape(root.shape)
    row = volts[:, None] - row_drop(current, wires)
    column = column_rise(current, wires)
    wrong = np.abs(current - conductance * (row - column)).max()
    return IrDrop(row, column, current, float(wrong / (np.abs(current).max() or 1.0)))


def check_input(conductance, volts) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; :class:`DesignError` unless the conductances are ones and there is a voltage for each row."""
    conductance, volts = check_conductance(conductance), np.asarray(volts, dtype=np.float64)
    if volts.shape != conductance.shape[:1] or not np.isfinite(volts).all():
        raise DesignError(f"volts must be {conductance.shape[0]} finite numbers, one a row, not shape {volts.shape}")
    return conductance, volts


class Equations(LinearOperator):
    """The array's equations, scaled by ``root``, the square root of its conductances."""

    def __init__(self, root: np.ndarray, wires: WireConfig) -> None:
        super().__init__(np.float64, (root.size, root.size))
        self._root, self._wires = root, wires

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        scaled = x.reshape(self._root.shape)
        current = self._root * scaled
        return (scaled + self._root * (row_drop(current, self._wires) + column_rise(current, self._wires))).ravel()


def row_drop(current: np.ndarray, wires: WireConfig) -> np.ndarray:
    """V below the driver's voltage at each row node, for currents drawn there."""
    return _drop(current, wires.row)


def column_rise(current: np.ndarray, wires: WireConfig) -> np.ndarray:
    """V above ground at each column node, for currents fed there."""
    return _drop(current.T[:, ::-1], wires.column)[:, ::-1].T


def _drop(current: np.ndarray, line: Line) -> np.ndarray:
    """Potential difference to the terminal along wires (wires, cells) whose first cell is nearest to it."""
    beyond = np.cumsum(current[:, ::-1], axis=1)[:, ::-1]  # current through the segment before each cell
    drop = line.terminal * beyond[:, :1] + line.segment * np.cumsum(beyond, axis=1)
    if line.ends == 2 and not line.ideal:
        # A second terminal at the far end: the current that brings its voltage to zero, taken out there.
        distance = line.terminal + line.segment * np.arange(1, current.shape[1] + 1)
        whole = 2 * line.terminal + line.segment * (current.shape[1] + 1)
        drop = drop - (current @ distance)[:, None] * (distance / whole)
    return drop

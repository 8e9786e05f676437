"""Wire resistance of a cross-point array: what its columns really sense.

While the cells are linear, so is the array. :func:`effective_matrix` solves it once for each programming; after
that a read is a plain product, ``volts @ effective_matrix``, as it was without wires. ``docs/wires.md`` has the
circuit, the error of the approximation and what each cure brings.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...model.formats import DesignError, check_integer, check_number
from ...model.records import later
from . import elimination


@dataclass(frozen=True, kw_only=True)
class WireConfig:
    """Resistances of an array in ohm, capacitances in farad; the defaults are an array without wires.

    A row with n cells has a segment between its driver and the first cell and one between neighbouring cells; a
    column with m cells has one between neighbouring cells and one between the last cell and the sense amplifier,
    whose input is a virtual ground behind ``sense``. With ``driver_ends`` 2, a second driver of the same voltage
    sits behind one more segment at the far end of every row.
    """

    row_segment: float = 0.0
    column_segment: float = 0.0
    driver: float = 0.0  #: output resistance of each row driver
    sense: float = 0.0  #: input resistance of each sense amplifier
    driver_ends: int = 1
    row_limit: float = later(4e-4)  #: A, of one row's wire; round: 2 MA/cm^2 in copper of 0.1 x 0.2 um
    row_capacitance: float = later(0.0)  #: F, of a segment with what a cell adds; settling alone depends on it
    column_capacitance: float = later(0.0)  #: F, the same of columns
    sense_capacitance: float = later(0.0)  #: F, at the input of each sense amplifier

    def __post_init__(self) -> None:
        check_number("row segment in ohm", self.row_segment, 0.0, 1e9)
        check_number("column segment in ohm", self.column_segment, 0.0, 1e9)
        check_number("driver resistance in ohm", self.driver, 0.0, 1e9)
        check_number("sense resistance in ohm", self.sense, 0.0, 1e9)
        check_integer("driver ends", self.driver_ends, 1, 2)
        check_number("row limit in A", self.row_limit, 0.0, 1e3)
        check_number("row capacitance in F", self.row_capacitance, 0.0, 1e-3)
        check_number("column capacitance in F", self.column_capacitance, 0.0, 1e-3)
        check_number("sense capacitance in F", self.sense_capacitance, 0.0, 1e-3)

    @property
    def row(self) -> elimination.Line:
        return elimination.Line(self.row_segment, self.driver, self.driver_ends)

    @property
    def column(self) -> elimination.Line:
        return elimination.Line(self.column_segment, self.sense, 1)


def check_conductance(conductance) -> np.ndarray:
    """The conductances as float64 (rows, columns); :class:`DesignError` unless finite, not negative, not empty."""
    conductance = np.asarray(conductance, dtype=np.float64)
    if conductance.ndim != 2 or not conductance.size:
        raise DesignError(f"conductance must be a matrix of rows and columns, not of shape {conductance.shape}")
    bad = np.argwhere(~((conductance >= 0) & (conductance < np.inf)))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise DesignError(f"conductance at {at} must be finite and not negative, not {float(conductance[at])!r}")
    return conductance


def effective_matrix(conductance, wires: WireConfig) -> np.ndarray:
    """Column currents for each volt on each row, (rows, columns) in siemens, of ``conductance`` in siemens.

    Exact nodal solution by block elimination (:mod:`.elimination`), right to about 1e-16 times the square of the
    longer side: 1e-10 at 1024 columns. Raises :class:`DesignError` for conductances or resistances out of range.
    """
    return elimination.effective(check_conductance(conductance), wires.row, wires.column)


def approximate_matrix(conductance, wires: WireConfig, error: float = 1e-4) -> np.ndarray:
    """:func:`effective_matrix` to within ``error * conductance.max()`` for each entry, in a fraction of the time.

    Only every s-th node along the longer side is kept, with linear interpolation between them, which is wrong by at
    most s^2 / 8 * segment * conductance.max() of the largest conductance; s is the largest that ``error`` allows.
    """
    conductance = check_conductance(conductance)
    check_number("error", error, 1e-12, 0.1)
    return elimination.effective(
        conductance, wires.row, wires.column, approximation_stride(conductance, wires, error)
    )


def approximation_stride(conductance: np.ndarray, wires: WireConfig, error: float) -> int:
    """Distance of the nodes that :func:`approximate_matrix` keeps."""
    rows, columns = conductance.shape
    drop = conductance.max() * (wires.column_segment if rows > columns else wires.row_segment)
    if drop == 0:
        return max(rows, columns)
    return max(1, min(max(rows, columns), math.isqrt(int(8 * error / drop))))


def column_loss(conductance, effective) -> np.ndarray:
    """Share of each column's current that the wires take with 1 V on every row, (columns,); 0 for an empty column.

    ``conductance`` and ``effective`` are (rows, columns). All rows on is the worst read for arrays of one polarity.
    """
    plain = check_conductance(conductance).sum(axis=0)
    return 1 - np.divide(np.sum(effective, axis=0), plain, out=np.ones_like(plain), where=plain > 0)

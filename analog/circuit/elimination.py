"""Effective matrix of a resistive cross-point array by block elimination along its wires.

Each column, seen from the m row nodes it crosses, is an m x m admittance matrix K (its own wire eliminated in closed
form: K is diagonal plus semiseparable, O(m) numbers). The columns hang on the row wires one after another, so from
the far end towards the driver the admittance looking away from the driver obeys, for a segment of resistance r,

    Y' = Y (I + r Y)^-1 + K,        V = (I + r Y)^-1 V',

which is dense linear algebra of size m only, has no division by r (a wire of 0 ohm is legal) and costs
O(n m^3 + n^2 m^2) for n columns: one factorisation of the whole array, every column current at once. The network is
reciprocal (a volt in driver i gives at sense j the current that a volt in sense j gives at driver i), so an array
with more rows than columns is solved transposed, with min(rows, columns) right-hand sides.

Rounding: about 1e-16 a step enters the node voltages, so entries are right to about 1e-16 n^2 (1e-10 at n = 1024).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from ...model.formats import DesignError

OPEN = 1e18  #: ohm between a column that floats and its sense amplifier
LARGEST_ATTENUATION = 600.0  # in nepers along one wire; exp of it must be a float64
dsymm, dgemm = get_blas_funcs(("symm", "gemm"), dtype=np.float64)
dpotrf, dpotri = get_lapack_funcs(("potrf", "potri"), dtype=np.float64)


@dataclass(frozen=True)
class Line:
    """The wires of one axis: ohm per segment, ohm of each terminal (driver or sense), 1 or 2 ends with a terminal.

    A wire with k cells has a segment between the terminal and the first cell and one between neighbouring cells;
    with two ends also one between the last cell and the second terminal.
    """

    segment: float
    terminal: float
    ends: int

    @property
    def ideal(self) -> bool:
        """All nodes of a wire are at its terminal's voltage."""
        return self.segment == 0 and self.terminal == 0


def effective(
    conductance: np.ndarray, row: Line, column: Line, stride: int = 1, sensed: np.ndarray | None = None
) -> np.ndarray:
    """Column currents per volt on each row, shape of ``conductance`` (rows, columns), in siemens.

    ``stride`` 1 is exact. A larger one keeps every ``stride``-th node of the longer axis's wires and interpolates
    between them (second order in stride), which divides the time by about ``stride``. ``sensed`` (columns,) is False
    for columns that float; None: none does.
    """
    rows, columns = conductance.shape
    if row.ideal:
        return wire_ports(conductance, column, sensed).current
    if column.ideal and sensed is None:
        return np.ascontiguousarray(_turn(wire_ports(_turn(conductance), row).current))
    if rows > columns and sensed is None:
        return np.ascontiguousarray(_turn(effective(_turn(conductance), column, row, stride)))
    ports = wire_ports(conductance, column, sensed)
    if row.ends == 1:
        chain = _Chain(ports, range(columns - 1, -1, -1), row, stride, driven=False)
        chain.add_series(row.segment + row.terminal)
        return np.ascontiguousarray(chain.gain[np.argsort(chain.order)].T)
    return _both_ends(ports, row, stride)


def _turn(matrix: np.ndarray) -> np.ndarray:
    """Transpose about the other diagonal: drivers (at column 0) and senses (at the last row) change places."""
    return matrix[::-1, ::-1].T


def _both_ends(ports: "WirePorts", row: Line, stride: int) -> np.ndarray:
    """Rows driven from both ends: eliminate each half from its driver to the middle and join them there."""
    columns = ports.current.shape[1]
    middle = columns // 2
    left = _Chain(ports, range(middle + 1), row, stride, driven=True)
    right = _Chain(ports, range(columns - 1, middle, -1), row, stride, driven=True)
    if len(right.order):
        right.add_series(row.segment)
    joint = _inverse(left.admittance + right.admittance)
    voltage = dsymm(1.0, joint, left.source + right.source, lower=1)
    result = np.empty((columns, len(joint)))
    for half in (left, right):
        result[half.order] = half.gain @ voltage + half.offset
    return np.ascontiguousarray(result.T)


@dataclass(frozen=True)
class WirePorts:
    """Every column seen from its cells' row nodes, its own wire eliminated; all arrays (rows, columns).

    ``current`` is the column's terminal current in siemens for a volt at one node. The admittance matrix of column j
    is, in its lower triangle, ``diag(conductance[:, j]) - outer(below[:, j], above[:, j])``.
    """

    conductance: np.ndarray
    current: np.ndarray
    below: np.ndarray
    above: np.ndarray


def wire_ports(conductance: np.ndarray, line: Line, sensed: np.ndarray | None = None) -> WirePorts:
    """Eliminate all column wires (terminal below the last row, and above the first if there are two ends).

    Walking down a column, each cell is a current source g with the wire above it as a load; each segment divides
    its current by 1 + r y. Raises :class:`DesignError` where a wire attenuates by more than exp(600).
    """
    if line.ideal and sensed is None:
        nothing = np.zeros_like(conductance)
        return WirePorts(conductance, conductance.copy(), nothing, nothing)
    down, share = _walk(conductance, line, sensed)
    loss = -np.log1p(share)  # of each segment
    to_end = np.cumsum(loss[::-1], axis=0)[::-1]
    if to_end.size and to_end.min() < -LARGEST_ATTENUATION:
        raise DesignError(
            f"wires must attenuate by less than exp({LARGEST_ATTENUATION:.0f}), but {line.segment:g} ohm a segment "
            f"with cells of up to {conductance.max():.3g} S attenuates by exp({-to_end.min():.0f})"
        )
    drop = np.empty_like(conductance)  # node voltage that a cell's own current makes, cell conductances included
    following = np.zeros(conductance.shape[1])
    for i in range(len(conductance) - 1, -1, -1):
        following = down[i] + np.exp(2 * loss[i]) * following
        drop[i] = following
    current = conductance * np.exp(to_end)
    if line.ends == 2:
        _, upward = _walk(conductance[::-1], line)
        current = current + conductance * np.exp(-np.cumsum(np.log1p(upward[::-1]), axis=0))
    return WirePorts(
        conductance=conductance,
        current=current,
        below=conductance * drop * np.exp(-to_end),
        above=conductance * np.exp(to_end),
    )


def _walk(conductance: np.ndarray, line: Line, sensed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """For each segment below each cell: its resistance over 1 + r y in ohm, and r y; y is the admittance above it."""
    resistance = np.full((len(conductance), 1), line.segment, dtype=np.float64)
    resistance[-1] += line.terminal
    if sensed is not None:
        resistance = np.repeat(resistance, len(sensed), axis=1)
        resistance[-1, ~sensed] += OPEN
    above = np.full(conductance.shape[1], 1 / (line.segment + line.terminal) if line.ends == 2 else 0.0)
    share = np.empty_like(conductance)
    for i, r in enumerate(resistance):
        above = above + conductance[i]
        share[i] = r * above
        above = above / (1 + share[i])
    return resistance / (1 + share), share


class _Chain:
    """Columns in the given order, far end first, seen from the row nodes of the last one (the port).

    ``admittance`` (rows, rows), lower triangle: current into the chain per port volt. ``gain`` (columns, rows):
    column currents per port volt. If ``driven``, the far end is a source behind a terminal, and a volt of it gives
    ``source`` (rows, rows), current out of the port, and ``offset`` (columns, rows), column currents.
    """

    def __init__(self, ports: WirePorts, order: range, line: Line, stride: int, driven: bool):
        rows = len(ports.current)
        self.order = np.asarray(order, dtype=np.int64)
        self.count = 0
        self.gain = np.zeros((len(order), rows))
        self._spare = np.zeros((len(order), rows))
        self.admittance = np.zeros((rows, rows), order="F")
        self.driven = driven
        self.source, self.offset = np.zeros((0, 0)), np.zeros((0, rows))
        if driven:
            near = 1 / (line.segment + line.terminal)
            self.admittance[np.diag_indices(rows)] = near
            self.source = near * np.eye(rows, order="F")
            self.offset = np.zeros((len(order), rows))
        picked = [array.T[self.order] for array in (ports.conductance, ports.current, ports.below, ports.above)]
        nodes = [*range(0, len(order) - 1, stride), len(order) - 1] if len(order) else []
        for previous, node in zip([-1, *nodes], nodes):
            # Columns between two nodes divide between them in proportion to their distance.
            columns = slice(previous + 1, node + 1)
            weight = np.arange(1, node - previous + 1) / (node - previous)
            self.gain[columns] = 0
            self.count = node + 1
            if previous >= 0:
                self._add_columns(picked, slice(previous + 1, node), 1 - weight[:-1])
                self.add_series((node - previous) * line.segment)
            self._add_columns(picked, columns, weight)

    def _add_columns(self, picked: list[np.ndarray], columns: slice, weight: np.ndarray) -> None:
        """Hang ``weight`` of each of these columns on the port."""
        if not len(weight):
            return
        conductance, current, below, above = (array[columns] for array in picked)
        weight = weight[:, None]
        self.gain[columns] += weight * current
        self.admittance[np.diag_indices(len(self.admittance))] += (weight * conductance).sum(axis=0)
        self.admittance = dgemm(-1.0, (weight * below).T, above, beta=1.0, c=self.admittance, overwrite_c=1)

    def add_series(self, resistance: float) -> None:
        """Move the port to the other side of a ``resistance`` in each row."""
        if resistance == 0:
            return
        transfer = resistance * self.admittance
        diagonal = np.diag_indices(len(transfer))
        transfer[diagonal] += 1
        transfer = _inverse(transfer)
        if self.count:
            active, spare = self.gain[: self.count], self._spare[: self.count]
            dsymm(1.0, transfer, active.T, c=spare.T, overwrite_c=1, lower=1)
            self.gain, self._spare = self._spare, self.gain
        if self.driven:
            gain, offset = self.gain[: self.count], self.offset[: self.count]
            dgemm(resistance, self.source, gain.T, trans_a=1, beta=1.0, c=offset.T, overwrite_c=1)
            self.source = dsymm(1.0, transfer, self.source, lower=1)
        self.admittance = transfer
        self.admittance *= -1 / resistance
        self.admittance[diagonal] += 1 / resistance


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix, Fortran order, lower triangles only; overwrites it."""
    factor, failed = dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if not failed:
        factor, failed = dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise DesignError("the array's equations must be positive definite, but a conductance is out of range")
    return factor

"""How long an array takes to settle: rows and columns as ladders of resistors and capacitors.

All rows step from ground to their voltage at once. A row is a ladder behind its driver, loaded by its cells; a column
is one that these cells feed, before its sense amplifier. Rows are taken as alike, and a column as too near to ground
to act back on them, which holds where the wires take little. Both are solved exactly, by their modes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal, solveh_banded

from ...model.formats import check_number
from .tiles import tile_slices
from .wires import WireConfig, check_conductance

MODES = 60  #: of each ladder, the slowest; the k-th is k^2 times as fast as the first
FASTEST = 1e-9  #: capacitance of a node that has none, as a share of the largest


@dataclass(frozen=True)
class _Ladder:
    """Nodes in a line: conductances (S) to ground and source ``own``, to the next node ``links``; farads ``held``."""

    own: np.ndarray
    links: np.ndarray
    held: np.ndarray

    def response(self, feed: np.ndarray, read: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Of ``read`` . volts to a step of currents ``feed`` (A): its end, and rates (1/s) and shares of its modes.

        It is end - sum(shares * exp(-rates * t)), without the modes that are too fast to matter.
        """
        diagonal = self.own.copy()
        diagonal[:-1] += self.links
        diagonal[1:] += self.links
        banded = np.zeros((2, len(diagonal)))
        banded[0, 1:], banded[1] = -self.links, diagonal
        end = float(read @ (solveh_banded(banded, feed) if len(feed) > 1 else feed / diagonal))
        if not self.held.any():
            return end, np.zeros(0), np.zeros(0)
        root = 1 / np.sqrt(np.maximum(self.held, FASTEST * self.held.max()))
        band = 0, min(MODES, len(root)) - 1
        rates, modes = eigh_tridiagonal(
            diagonal * root**2, -self.links * root[:-1] * root[1:], select="i", select_range=band
        )
        return end, rates, (modes.T @ (root * feed)) * (modes.T @ (root * read)) / rates


def settling_time(conductance, wires: WireConfig, share: float, tile: int = 0) -> float:
    """Seconds until the slowest column's current is within ``share`` of its end, after all rows have stepped.

    ``conductance`` (rows, columns) in siemens; ``tile`` is that of :class:`..memory.cells.Cells`. 0 for an array
    without capacitances. Raises :class:`DesignError` for a share that is not between 0 and 1.
    """
    conductance = check_conductance(conductance)
    check_number("share to settle within", share, 1e-12, 0.999)
    rows, columns = conductance.shape
    parts = tile_slices(rows, columns, tile or rows, tile or columns)
    return max(float(_tile_time(conductance[part], wires, share)) for part in parts)


def _tile_time(cells: np.ndarray, wires: WireConfig, share: float) -> float:
    far = cells.shape[1] - 1 if wires.driver_ends == 1 else cells.shape[1] // 2
    row, column = _row(cells.mean(axis=0), wires, far), _column(cells[:, far], wires)
    times = [1 / rates.min() for _, rates, _ in (row, column) if len(rates)]
    if not times or row[0] * column[0] == 0:
        return 0.0
    low, high = 0.0, 2 * sum(times) * (1 + np.log(1 / share))
    while (high - low) > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _missing(row, column, middle) > share else (low, middle)
    return high


def _missing(row, column, time: float) -> float:
    """What the column's current lacks at ``time``, as a share of its end."""
    (reached, fast, a), (gain, slow, b) = row, column
    rest = gain - b.sum()  # of a column's modes that follow at once
    lacks = rest * (a * np.exp(-fast * time)).sum() + reached * (b * np.exp(-slow * time)).sum()
    for rate, part in zip(slow, b):  # a row's mode, through a column's
        other = np.where(np.abs(rate - fast) < 1e-6 * rate, (1 + 1e-6) * fast, rate)  # two alike have no difference
        lacks += part * rate * (a * (np.exp(-fast * time) - np.exp(-other * time)) / (other - fast)).sum()
    return lacks / (reached * gain)


def _row(load: np.ndarray, wires: WireConfig, far: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Voltage of node ``far`` of a row, of 1 V behind its driver; ``load`` (columns,) are its cells."""
    count, held = len(load), wires.row_capacitance
    if wires.row.ideal:
        return 1.0, np.zeros(0), np.zeros(0)
    if wires.row_segment == 0:
        drive = wires.driver_ends / wires.driver
        ladder = _Ladder(np.array([drive + load.sum()]), np.zeros(0), np.array([count * held]))
        return ladder.response(np.array([drive]), np.ones(1))
    feed = np.zeros(count)
    for end in (0, -1)[: wires.driver_ends]:
        feed[end] += 1 / (wires.driver + wires.row_segment)
    ladder = _Ladder(load + feed, np.full(count - 1, 1 / wires.row_segment), np.full(count, held))
    return ladder.response(feed, np.eye(count)[far])


def _column(cells: np.ndarray, wires: WireConfig) -> tuple[float, np.ndarray, np.ndarray]:
    """Current of a column with 1 V behind each of its ``cells`` (rows,)."""
    count, held, sense = len(cells), wires.column_capacitance, wires.sense
    if wires.column.ideal:
        return float(cells.sum()), np.zeros(0), np.zeros(0)
    if wires.column_segment == 0:
        farads = count * held + wires.sense_capacitance
        ladder = _Ladder(np.array([1 / sense + cells.sum()]), np.zeros(0), np.array([farads]))
        return ladder.response(np.array([cells.sum()]), np.array([1 / sense]))
    link, own, farads, feed = 1 / wires.column_segment, cells, np.full(count, held), cells
    links = np.full(count - 1, link)
    if sense:  # the amplifier's input is a node of its own
        own, farads = np.append(own, 1 / sense), np.append(farads, wires.sense_capacitance)
        ladder = _Ladder(own, np.append(links, link), farads)
        return ladder.response(np.append(feed, 0.0), np.eye(count + 1)[count] / sense)
    own = own + np.eye(count)[-1] * link
    return _Ladder(own, links, farads).response(feed, np.eye(count)[-1] * link)

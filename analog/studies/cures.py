"""What wires do to the weights of one array, and what each cure brings: docs/wires.md in figures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..array import Array
from ..circuit.compensate import compensate_pair, pair_error
from ..circuit.selection import selected_matrix
from ..circuit.tiles import tiled_matrix
from ..circuit.wires import WireConfig, approximate_matrix, column_loss, effective_matrix
from ..memory.cell_array import COMPENSATION_STEPS

EXACT_CELLS = 2**15  #: above, matrices are solved to 1e-4 of the largest conductance
NO_WEIGHT = 1e-6  #: weight codes; rounding of conductances makes less of a weight of 0
TILE = 64  #: rows and columns of a tile, at most
Solve = Callable[[np.ndarray], np.ndarray]  #: conductances of a plane, and what is sensed of them


@dataclass(frozen=True, eq=False)
class Outcome:
    """An array behind wires, with or without a cure; ``loss`` and ``error`` are shares."""

    name: str
    wanted: np.ndarray  #: weight codes as planned around stuck cells and sensed without wires, (rows, columns)
    weights: np.ndarray  #: weight codes as sensed, (rows, columns)
    factor: float  #: best common factor of the weights; the converter's reference voltage can make good for it
    error: float  #: largest deviation of a weight from ``factor`` times its own, of the largest; 0 where all are 0
    loss: float  #: largest share of a column's current that the wires take, with 1 V on every row


def outcomes(array: Array, wires: WireConfig, tile: int = TILE) -> list[Outcome]:
    """The array's nominal cells (no errors of programming) behind ``wires``, untreated and with each cure.

    Compensated weights need a pair of cells with more than two levels and a lowest conductance above 0; they are
    left out for other cells.
    """
    made, plan = array.cell_array, array.cell_array.place(array.levels)
    cells = made.mapping.conductances(plan.digits)
    wanted = made.gather(made.mapping.weigh(cells), plan)
    found = []
    for name, programmed, sense in _cures(array, cells, wires, tile):
        planes = np.array([sense(plane) for plane in programmed])
        sensed = made.gather(made.mapping.weigh(planes), plan)
        factor, error = pair_error(wanted, sensed) if np.abs(wanted).max() > NO_WEIGHT else (1.0, 0.0)
        loss = max(float(column_loss(g, s).max()) for g, s in zip(programmed, planes))
        found.append(Outcome(name, wanted, sensed, factor, error, loss))
    return found


def sensed_matrix(
    conductance: np.ndarray, wires: WireConfig, tile: int = 0, unselected: str = "grounded", conversions: int = 1
) -> np.ndarray:
    """The effective matrix: exact, or to 1e-4 of the largest conductance for more than ``EXACT_CELLS`` cells.

    ``tile`` and ``unselected`` are those of :class:`..memory.cells.Cells`, which are solved exactly.
    """
    if unselected != "grounded":
        return selected_matrix(conductance, wires, conversions, unselected, tile)
    if tile:
        return tiled_matrix(conductance, wires, tile, tile)
    if conductance.size <= EXACT_CELLS:
        return effective_matrix(conductance, wires)
    return approximate_matrix(conductance, wires, 1e-4)


def _cures(array: Array, cells: np.ndarray, wires: WireConfig, tile: int) -> Iterator[tuple[str, np.ndarray, Solve]]:
    """(name, conductances as programmed (planes, rows, width), what senses a plane through its wires)."""
    selection = {"unselected": array.cell_array.cells.unselected, "conversions": array.layer.conversions}
    sense = partial(sensed_matrix, wires=wires, **selection)
    yield "no cure", cells, sense
    yield "drivers at both ends", cells, partial(sense, wires=replace(wires, driver_ends=2))
    yield f"tiles of {tile} x {tile}", cells, partial(sense, tile=tile)
    device = array.cell_array.cells.device
    if array.cell_array.mapping.compensable:
        positive, negative = cells
        low, high, steps = device.g_min, device.g_max, COMPENSATION_STEPS
        pair = compensate_pair(positive, negative, wires, low, high, steps=steps, solve=lambda g, _: sense(g))
        yield "weights compensated", np.stack([pair.positive, pair.negative]), sense

"""What a read takes from the row drivers: the current of each, and the power of all."""

import numpy as np

from .tiles import tiled_ir_drop
from .wires import WireConfig


def row_currents(
    conductance, wires: WireConfig, volts, tile: int = 0, law: tuple[float, float] | None = None
) -> np.ndarray:
    """Current (A) that the drivers of each row give for voltages ``volts`` (rows,): (rows,).

    ``conductance`` (rows, columns) in siemens, all columns at virtual ground; ``tile`` is that of
    :class:`..memory.cells.Cells`, whose drivers are added up, ``law`` that of
    :func:`.netlist.netlist`. A row driven from both ends has the sum of both.
    """
    return tiled_ir_drop(conductance, wires, volts, tile, law).current.sum(axis=1)


def read_power(conductance, wires: WireConfig, volts, tile: int = 0) -> float:
    """Power (W) that the drivers give: the voltage behind each times its current."""
    return float(np.asarray(volts) @ row_currents(conductance, wires, volts, tile))

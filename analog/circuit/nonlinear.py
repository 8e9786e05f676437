"""An array of nonlinear cells behind wires for one input, exactly: I = G Vr sinh(V / V0) / sinh(Vr / V0).

G is what a read at Vr finds. Newton's method: cells become conductances dI/dV with a source beside them, and each
such linear array is solved as :mod:`.irdrop` solves one. Steps double the right digits; three to six are enough.
"""

import math

import numpy as np
from scipy.sparse.linalg import cg

from ...model.formats import DesignError, check_number
from .irdrop import TOLERANCE, Equations, IrDrop, check_input, column_rise, row_drop
from .wires import WireConfig

STEPS = 50
SMALLEST_CHANGE = 1e-12  #: V over the largest input, at which Newton's method ends


def current(conductance, volts, read_voltage: float, sinh_voltage: float) -> np.ndarray:
    """Current (A) of cells of ``conductance`` (S, at ``read_voltage``) with ``volts`` over them."""
    return conductance * read_voltage * np.sinh(volts / sinh_voltage) / math.sinh(read_voltage / sinh_voltage)


def nonlinear_ir_drop(conductance, wires: WireConfig, volts, read_voltage: float, sinh_voltage: float) -> IrDrop:
    """Node voltages and currents for driver voltages ``volts`` (rows,).

    Its ``residual`` is the largest difference of a cell's current from its law, over the largest current. Raises
    :class:`DesignError` for what :func:`.irdrop.ir_drop` refuses, and where Newton's method finds no end.
    """
    conductance, volts = check_input(conductance, volts)
    check_number("read voltage in V", read_voltage, 1e-3, 10.0)
    check_number("sinh voltage in V", sinh_voltage, read_voltage / 50, math.inf)
    across = np.repeat(volts[:, None], conductance.shape[1], axis=1)
    scale = conductance * read_voltage / math.sinh(read_voltage / sinh_voltage)
    for _ in range(STEPS):
        slope = scale * np.cosh(across / sinh_voltage) / sinh_voltage
        offset = scale * np.sinh(across / sinh_voltage) - slope * across
        root = np.sqrt(slope)
        source = root * volts[:, None] + np.divide(offset, root, out=np.zeros_like(root), where=root > 0)
        scaled, failed = cg(Equations(root, wires), source.ravel(), rtol=TOLERANCE, maxiter=10 * conductance.size)
        amperes = root * scaled.reshape(root.shape)
        row, column = volts[:, None] - row_drop(amperes, wires), column_rise(amperes, wires)
        change = np.abs(row - column - across).max()
        across = row - column
        if failed or not np.isfinite(change):
            break
        if change <= SMALLEST_CHANGE * np.abs(volts).max():
            wrong = np.abs(amperes - scale * np.sinh(across / sinh_voltage)).max()
            return IrDrop(row, column, amperes, float(wrong / (np.abs(amperes).max() or 1.0)))
    raise DesignError("nonlinear cells cannot be solved for this input; wires or conductances are out of range")

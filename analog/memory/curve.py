"""Nonlinear cells without wires: rows that make linear cells take the currents of nonlinear ones.

Every cell of a row has the row's voltage, and all follow one law, I = G Vr sinh(V / V0) / sinh(Vr / V0). So the
nonlinearity is the row's: DAC level d acts as the level whose voltage a linear cell would need for the same current.
"""

import numpy as np

from ...model.layout import row_drive
from .mapping import Mapping


class Curve:
    """Levels of the rows of one array as its cells' law bends them."""

    def __init__(self, mapping: Mapping, grid: float) -> None:
        """Bent levels are rounded to 1 / ``grid`` of a code, so that column sums stay exact in float64."""
        self._grid = grid
        device, drive = mapping.cells.device, row_drive(mapping.layer)
        self._share = drive * mapping.code_voltage / device.sinh_voltage  # V / V0 of one code
        self._code = device.read_voltage / np.sinh(device.read_voltage / device.sinh_voltage)
        self._code = self._code / (drive * mapping.code_voltage)

    def bend(self, levels: np.ndarray) -> np.ndarray:
        """Levels (B, rows) in codes, float64, of levels (B, rows) of the DACs."""
        return np.round(np.sinh(levels * self._share) * self._code * self._grid) / self._grid

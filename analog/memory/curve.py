"""Nonlinear cells without wires: rows that make linear cells take the currents of nonlinear ones.

Every cell of a row has the row's voltage, and all follow one law, I = G Vr sinh(V / V0) / sinh(Vr / V0). So the
nonlinearity is the row's: DAC level d acts as the level whose voltage a linear cell would need for the same current.
"""

import numpy as np

from ...model.layout import row_drive
from .mapping import Mapping


class Slope:
    """What a small voltage at the columns finds of a row's cells: dI/dV over G, on average over a conversion."""

    def __init__(self, mapping: Mapping, grid: float) -> None:
        """Slopes are rounded to 1 / ``grid``."""
        device, drive = mapping.cells.device, row_drive(mapping.layer)
        self._grid, self._pulsed = grid, mapping.cells.dacs == "pulse_width"
        bend = device.read_voltage / device.sinh_voltage
        self.rest = bend / np.sinh(bend)  #: of a row at ground
        self.most = bend / np.tanh(bend)  #: of a row at the read voltage
        share = drive * mapping.code_voltage
        self._share = share / (device.read_voltage if self._pulsed else device.sinh_voltage)

    def of(self, levels: np.ndarray) -> np.ndarray:
        """(B, rows) of levels (B, rows) of the DACs, in codes."""
        part = np.abs(levels) * self._share
        slope = self.rest + (self.most - self.rest) * part if self._pulsed else self.rest * np.cosh(part)
        return np.round(slope * self._grid) / self._grid


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

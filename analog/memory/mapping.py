"""How weights become conductances.

A weight code w of -L..L is held by ``slices`` cells of fewer levels, each a digit of it, most in one of two ways:

- ``pair``: the digits of |w| in a cell of the positive or of the negative plane, the other cell at g_min;
- ``offset``: the digits of w + L in one cell; a reference column, one for the whole array, holds the digits of L
  in every row, and its sum is taken away from each column's.

Slices of one weight are added before the converter, by current mirrors of ratio base^k. Cells lie in planes of
shape (rows, width): width is the number of columns, then spare columns, then the reference column of ``offset``.
"""

from functools import cached_property

import numpy as np

from ...model.formats import DesignError, full_scale
from ...model.layers import Layer
from ...model.layout import largest_drive, row_drive
from .cells import Cells


class Mapping:
    """Digits and conductances of a layer's weight codes. Raises :class:`DesignError` if they do not fit the cells."""

    def __init__(self, layer: Layer, cells: Cells) -> None:
        self.layer, self.cells = layer, cells
        self.paired = cells.scheme == "pair"
        self.top = full_scale(layer.weight_bits)
        self.largest = self.top if self.paired else 2 * self.top  #: largest number in the digits
        levels = cells.device.levels
        fewest = next(s for s in range(1, 65) if levels**s > self.largest)
        self.slices = cells.slices or fewest
        if self.slices < fewest:
            raise DesignError(
                f"{self.slices} {cells.device.name} cells of {levels} levels cannot hold a weight of "
                f"{layer.weight_bits} bits; slices must be at least {fewest}"
            )
        if cells.column_scaling and (not self.paired or self.slices > 1):
            raise DesignError(
                f"column scaling needs scheme 'pair' with 1 slice, not {cells.scheme!r} with {self.slices}"
            )
        if cells.compensate and not self.compensable:
            raise DesignError(
                f"compensation of wires needs pairs of one cell a polarity that never turn off and have more than 2 "
                f"levels, not {self.slices} of {levels} levels from {cells.device.g_min:g} S by {cells.scheme!r}"
            )
        if cells.unselected != "grounded" and (not self.paired or (cells.repair and cells.repair.spares)):
            raise DesignError(f"{cells.unselected.replace('_', ' ')} columns need pairs without spare columns")
        if cells.writer and cells.writer.switch and levels > 2:
            raise DesignError(f"cells that a pulse switches must have 2 levels, not {levels}")
        self.base = next(b for b in range(2, self.largest + 2) if b**self.slices > self.largest)
        self.spares = cells.repair.spares if cells.repair else 0
        width = layer.columns + self.spares + (0 if self.paired else 1)
        self.shape = (self.slices * (2 if self.paired else 1), layer.rows, width)  #: planes, rows, width

    @property
    def compensable(self) -> bool:
        """Can conductances make good for what wires take from each?"""
        device = self.cells.device
        return self.paired and self.slices == 1 and device.levels > 2 and device.g_min > 0

    @cached_property
    def unit(self) -> float:
        """Conductance (S) of one level of a digit."""
        return (self.cells.device.g_max - self.cells.device.g_min) / (self.base - 1)

    @cached_property
    def digit_weights(self) -> np.ndarray:
        """What 1 in each plane's digit adds to the weight: (planes,) integers."""
        signs = (1, -1) if self.paired else (1,)
        return np.array([sign * self.base**k for k in range(self.slices) for sign in signs])

    @property
    def unit_current(self) -> float:
        """Current (A) that stands for 1 in the column sum: the finest step of a DAC over one weight code."""
        return self.code_voltage * self.unit

    @property
    def code_voltage(self) -> float:
        """Volts of 1 in :func:`.row_drive`. The read voltage is the largest: full scale of the hardest driven row."""
        return self.cells.device.read_voltage / largest_drive(self.layer)

    def volts(self, codes: np.ndarray) -> np.ndarray:
        """Voltages on the rows (..., rows) for DAC codes."""
        return codes * row_drive(self.layer) * self.code_voltage

    def column_scale(self, levels: np.ndarray) -> np.ndarray:
        """What each column's weight codes (rows, columns) are multiplied by, to use all of the range: (columns,)."""
        if not self.cells.column_scaling:
            return np.ones(levels.shape[1], dtype=np.int64)
        return self.top / np.maximum(np.abs(levels).max(axis=0), 1)

    def split(self, numbers: np.ndarray) -> np.ndarray:
        """Digits of numbers 0..``largest``: (slices, ...)."""
        return np.array([numbers // self.base**k % self.base for k in range(self.slices)])

    def nominal(self, levels: np.ndarray) -> np.ndarray:
        """Digits of weight codes (rows, columns) without faults: (planes, rows, columns); not whole if scaled."""
        if not self.paired:
            return self.split(levels + self.top)
        positive, negative = np.maximum(levels, 0), np.maximum(-levels, 0)
        if self.slices == 1:
            return np.stack([positive, negative])
        return np.stack([self.split(positive), self.split(negative)], axis=1).reshape(-1, *levels.shape)

    def conductances(self, digits: np.ndarray) -> np.ndarray:
        """Conductances (S) that hold ``digits``."""
        return self.cells.device.g_min + self.unit * digits

    def weigh(self, planes: np.ndarray) -> np.ndarray:
        """(..., rows, width) in weight codes of conductances (..., planes, rows, width): slices and pairs joined."""
        return np.tensordot(planes, self.digit_weights / self.unit, axes=(-3, 0))

    def weigh_squares(self, planes: np.ndarray) -> np.ndarray:
        """Variances of independent conductances (planes, rows, width) as variances of weights (rows, width)."""
        return np.tensordot(planes, (self.digit_weights / self.unit) ** 2, axes=(0, 0))

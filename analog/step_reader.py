"""An array read conversion by conversion, as a macro's port does."""

import numpy as np

from ..model.formats import check_integer
from .array import Array


class StepReader:
    """Reads all columns of an array once in a time step; its conversions are slices of that reading."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.begin()

    def begin(self) -> None:
        """Say that a time step begins: the next conversion reads the array afresh."""
        self._codes: np.ndarray | None = None
        self._drive, self._changes = np.empty(0), 0
        self._served: set[int] = set()

    def convert(self, drive, conversion: int) -> np.ndarray:
        """ADC codes of conversion number ``conversion``: (B, K) for ``drive`` (B, rows), (K,) for (rows,); int64.

        ``drive`` are DAC codes, 0 on rows that are not driven. Another drive, a conversion that was already served,
        and an array that has changed are read afresh.
        """
        array = self.array
        check_integer("conversion", conversion, 0, array.layer.conversions - 1)
        stale = conversion in self._served or array.changes != self._changes
        if self._codes is None or stale or not np.array_equal(drive, self._drive):
            self._codes = array.convert_all(drive)
            self._drive, self._changes, self._served = np.array(drive), array.changes, set()
        self._served.add(conversion)
        return self._codes[..., conversion :: array.layer.conversions]

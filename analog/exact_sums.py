"""Numbers rounded so finely that it has no effect, and so coarsely that their sums are exact in any order.

Sums that do not depend on their order are the same with every BLAS library, number of threads and size of a batch.
"""

from dataclasses import dataclass

import numpy as np

from ..model.formats import full_scale
from ..model.layers import Layer
from ..model.layout import largest_drive


def on_grid(values: np.ndarray, largest, dtype: type = np.float64) -> np.ndarray:
    """``values`` as ``dtype``, rounded to multiples of a power of two: sums up to ``largest`` in size are exact.

    ``largest`` bounds every partial sum of products of the values with integers; it may differ along the axes.
    """
    grid = np.ldexp(1.0, np.finfo(dtype).nmant - np.frexp(largest)[1])
    return (np.round(values * grid) / grid).astype(dtype)


@dataclass(frozen=True)
class ColumnSums:
    """Grids for what a layer's rows are multiplied by; a row's own grid has ``row_steps`` to a DAC code."""

    layer: Layer
    row_steps: float

    def weights(self, weights: np.ndarray, top: float = 0.0) -> np.ndarray:
        """Weights in codes (..., rows, columns) on their grid; ``top`` bounds them where they vary."""
        top = full_scale(self.layer.weight_bits) + max(top, float(np.abs(weights).max(initial=0.0)))
        return on_grid(weights, self._largest(1) * top)

    def variances(self, variances: np.ndarray, power: int) -> np.ndarray:
        """Variances (rows, width) for the ``power``-th power of a row, on a grid for each column."""
        return on_grid(variances, self._largest(power) * variances.max(axis=0))

    def _largest(self, power: int) -> float:
        """Bound of the sum of ``power``-th powers of the rows, in the unit of their own grid."""
        largest = 2.0 * largest_drive(self.layer)
        return self.layer.rows * largest**power * self.row_steps

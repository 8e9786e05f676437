"""Numbers rounded so finely that it has no effect, and so coarsely that their sums are exact in any order.

Sums that do not depend on their order are the same with every BLAS library, number of threads and size of a batch.
"""

import numpy as np


def on_grid(values: np.ndarray, largest, dtype: type = np.float64) -> np.ndarray:
    """``values`` as ``dtype``, rounded to multiples of a power of two: sums up to ``largest`` in size are exact.

    ``largest`` bounds every partial sum of products of the values with integers; it may differ along the axes.
    """
    grid = np.ldexp(1.0, np.finfo(dtype).nmant - np.frexp(largest)[1])
    return (np.round(values * grid) / grid).astype(dtype)

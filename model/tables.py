"""Look-up tables of the periphery: gate activations, tanh of the cell state, dense activations.

A table has one entry per code of the converter that addresses it, in ascending order of the codes: entry
``k`` belongs to code ``k - 2^(N-1)`` (offset binary). A code stands for the middle of its step (mid-rise). Behind R
row tiles it has one for each sum of R codes.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .formats import full_scale, quantise_symmetric, signed_range

DENSE_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "identity": lambda z: z,
    "relu": lambda z: max(z, 0.0),
    "tanh": math.tanh,
}


def midpoints(bits: int, step: float, tiles: int = 1) -> list[float]:
    """Real values that the codes of a mid-rise converter stand for, ascending; or sums of the codes of ``tiles``."""
    low, high = signed_range(bits)
    return [(code + 0.5 * tiles) * step for code in range(tiles * low, tiles * high + 1)]


def sigmoid_entry(z: float, bits: int) -> int:
    """Unsigned activation of ``bits`` fraction bits: round half up, at most ``2^bits - 1``."""
    value = 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))
    return min(math.floor(value * 2**bits + 0.5), 2**bits - 1)


def tanh_entry(z: float, bits: int) -> int:
    """Signed activation of ``bits - 1`` fraction bits, odd in ``z``: magnitude rounded half up."""
    magnitude = min(math.floor(math.tanh(abs(z)) * 2 ** (bits - 1) + 0.5), 2 ** (bits - 1) - 1)
    return magnitude if z >= 0 else -magnitude


def gate_tables(adc_bits: int, activation_bits: int, steps: tuple[float, ...], tiles: int = 1) -> np.ndarray:
    """Tables of the four gates in the order f, i, o, g: shape (4, R * 2^N - R + 1) of R row ``tiles``, int64.

    ``steps`` gives each gate's ADC step in units of the pre-activation.
    """
    return gate_entries([midpoints(adc_bits, step, tiles) for step in steps], activation_bits)


def gate_entries(points: Sequence[Sequence[float]], activation_bits: int) -> np.ndarray:
    """As :func:`gate_tables`, with the pre-activations (4, 2^N) that the codes stand for.

    f, i and o are sigmoids (unsigned), g is a tanh (signed): Ma et al., equations 1 to 4.
    """
    functions = (sigmoid_entry, sigmoid_entry, sigmoid_entry, tanh_entry)
    return np.array([[f(z, activation_bits) for z in row] for f, row in zip(functions, points)], dtype=np.int64)


def cell_tanh_table(index_bits: int, index_fraction: int, activation_bits: int) -> np.ndarray:
    """tanh of the cell state by index: shape (2^index_bits,), int64, odd about its middle."""
    return np.array(
        [tanh_entry(z, activation_bits) for z in midpoints(index_bits, 2.0**-index_fraction)], dtype=np.int64
    )


def dense_table(function: str, adc_bits: int, step: float, output_bits: int, tiles: int = 1) -> np.ndarray:
    """Column codes of R row ``tiles`` to DAC codes of the next layer: shape (R * 2^N - R + 1,), int64.

    Full scale stands for 1.
    """
    f = DENSE_FUNCTIONS[function]
    values = np.array([f(z) for z in midpoints(adc_bits, step, tiles)])
    table = quantise_symmetric(values, output_bits)
    assert np.abs(table).max() <= full_scale(output_bits)
    return table

"""Where the columns of a layer lie in its array.

Logical order is what training and the reference use: gate-major for an LSTM (all f, all i, all o, all g), the
outputs in order for a dense layer. Physical order is the array's: ADC k serves the M neighbouring columns
``k*M .. k*M + M-1`` and conversion s connects column ``k*M + s``. ADCs are grouped by gate, so conversion s
delivers f, i, o and g of the P neighbouring hidden units ``s*P .. s*P + P-1`` (P = K/4 lanes); for a dense
layer conversion s delivers the outputs ``s*K .. s*K + K-1``. The other columns wait, and :data:`UNSELECTED` says how.
"""

import numpy as np

from .formats import full_scale
from .layers import Layer

UNSELECTED = (
    "grounded",
    "floating",
    "cut_off",
)  #: what columns do that wait


def logical_columns(layer: Layer) -> np.ndarray:
    """Logical column at each (step, ADC): shape (M, K), int64."""
    lanes = layer.adcs // layer.gates
    step = np.arange(layer.conversions)[:, None]
    adc = np.arange(layer.adcs)[None, :]
    gate, lane = adc // lanes, adc % lanes
    return gate * (layer.columns // layer.gates) + step * lanes + lane


def physical_order(layer: Layer) -> np.ndarray:
    """Logical column of each physical column: ``physical = logical[:, physical_order(layer)]``."""
    return logical_columns(layer).T.reshape(-1)


def logical_order(layer: Layer) -> np.ndarray:
    """Physical column of each logical column: the inverse of :func:`physical_order`."""
    return np.argsort(physical_order(layer))


def code_order(layer: Layer) -> np.ndarray:
    """Place of each ADC code (R * columns,) among those in physical order: each row tile's in logical order."""
    tiles = np.arange(layer.row_tiles)[:, None] * layer.columns
    return (tiles + logical_order(layer)).reshape(-1)


def row_drive(layer: Layer) -> np.ndarray:
    """Weight of each row's DAC code in the column sums: (rows,) int64.

    1 with as many bits as the widest DAC has, doubled by each bit less; on the inputs of an LSTM V times that.
    """
    widest = max(layer.input_bits, layer.dac_bits)
    drive = np.full(layer.rows, 2 ** (widest - layer.dac_bits), dtype=np.int64)
    drive[: layer.inputs] = 2 ** (widest - layer.input_bits) * layer.input_drive
    return drive


def row_top(layer: Layer) -> np.ndarray:
    """Largest DAC code of each row: (rows,) int64."""
    top = np.full(layer.rows, full_scale(layer.dac_bits), dtype=np.int64)
    top[: layer.inputs] = full_scale(layer.input_bits)
    return top


def largest_drive(layer: Layer) -> int:
    """What the hardest driven row adds to the column sums at full scale, over a weight of 1."""
    return int((row_top(layer) * row_drive(layer)).max())


def gate_of_column(layer: Layer) -> np.ndarray:
    """Gate (gain group) of each logical column: shape (columns,)."""
    return np.repeat(np.arange(layer.gates), layer.columns // layer.gates)

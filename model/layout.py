"""Where the columns of a layer lie in its array.

Logical order is what training and the reference use: gate-major for an LSTM (all f, all i, all o, all g), the
outputs in order for a dense layer. Physical order is the array's: ADC k serves the M neighbouring columns
``k*M .. k*M + M-1`` and conversion s connects column ``k*M + s``. ADCs are grouped by gate, so conversion s
delivers f, i, o and g of the P neighbouring hidden units ``s*P .. s*P + P-1`` (P = K/4 lanes); for a dense
layer conversion s delivers the outputs ``s*K .. s*K + K-1``.
"""

import numpy as np

from .layers import Layer


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


def row_drive(layer: Layer) -> np.ndarray:
    """Weight of each row's DAC code in the column sums: (rows,) int64, V on the inputs of an LSTM and 1 elsewhere."""
    drive = np.ones(layer.rows, dtype=np.int64)
    drive[: layer.inputs] = layer.input_drive
    return drive


def gate_of_column(layer: Layer) -> np.ndarray:
    """Gate (gain group) of each logical column: shape (columns,)."""
    return np.repeat(np.arange(layer.gates), layer.columns // layer.gates)

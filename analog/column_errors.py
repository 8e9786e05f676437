"""What stands between a column and its converter, and differs from column to column: offset, gain and an S-shape."""

from dataclasses import dataclass

import numpy as np

from ..model.formats import check_number
from ..model.layers import Layer


@dataclass(frozen=True, kw_only=True)
class ColumnErrors:
    """Spread of the readouts of one array's columns, each drawn once for a chip.

    The errors of :class:`.converters.AdcErrors` are those of an ADC, and so of all columns that share it.

    A column's level y, in LSB, becomes z / (1 + n |z| / 2^(N-1)), z = gain * y + offset: the S-shape of an amplifier
    that gives way towards the ends. At the end of an N-bit converter's range 1 / (1 + n) of the level is left. n is
    |``s_shape`` (1 + ``s_shape_sigma`` xi)|, xi standard normal for each column.
    """

    offset_sigma: float = 0.0  #: LSB
    gain_sigma: float = 0.0  #: relative
    s_shape: float = 0.0
    s_shape_sigma: float = 0.0  #: relative

    def __post_init__(self) -> None:
        check_number("column offset sigma in LSB", self.offset_sigma, 0.0, 1024.0)
        check_number("column gain sigma", self.gain_sigma, 0.0, 0.25)
        check_number("S-shape", self.s_shape, 0.0, 16.0)
        check_number("S-shape sigma", self.s_shape_sigma, 0.0, 4.0)


class ColumnBank:
    """The readouts of one array's columns, in their physical order."""

    def __init__(self, layer: Layer, errors: ColumnErrors, rng: np.random.Generator) -> None:
        offset, gain, shape = rng.standard_normal((3, layer.columns))
        self.offset = errors.offset_sigma * offset  #: LSB
        self.gain = 1 + errors.gain_sigma * gain
        self.shape = np.abs(errors.s_shape * (1 + errors.s_shape_sigma * shape)) / 2 ** (layer.adc_bits - 1)  #: 1/LSB

    def read(self, level: np.ndarray, columns: np.ndarray | slice) -> np.ndarray:
        """Levels (B, n) in LSB of some columns as their converters see them."""
        level = level * self.gain[columns] + self.offset[columns]
        return level / (1 + self.shape[columns] * np.abs(level))

"""Noise in integers: what a board's digital twin draws in gateware, and the array model to the bit.

A draw belongs to a place, and is not the next of a sequence. So neither order, stalls nor repeats change it. Two
16-bit words say where and when; :data:`ROUNDS` rounds of Speck32 (Beaulieu et al., 2013) make 32 bits of them. The
eight 4-bit numbers in these are added: near-normal, mean 0, variance 170, between -60 and 60.
"""

from dataclasses import dataclass

import numpy as np

from .formats import DesignError, check_integer, signed_range
from .layers import Layer
from .layout import gate_of_column, logical_columns, physical_order, row_drive
from .network import LayerData

ROUNDS = 8
ROUND_STEP = 0x9E37  #: makes the rounds' keys differ
PROGRAMMING = 0x5A5A  #: makes the keys of cells differ from those of converters
VARIANCE = 170  #: of a draw: 8 * (16^2 - 1) / 12
AMPLITUDE_BITS = 8
AMPLITUDE_SHIFT = 4  #: a noise is amplitude * draw / 2^4, rounded down
CELL_FRACTION = 4  #: bits of a noisy cell below a level's 1
ADC_FRACTION = 8  #: bits of a converter's noise below its step


@dataclass(frozen=True)
class IntegerNoise:
    """Seed and amplitudes.

    A cell's deviation is ``programming * sqrt(170) / 256`` levels, a converter's ``adc * sqrt(170) / 4096`` codes: 91
    makes the paper's 0.29.
    """

    seed: int = 0
    programming: int = 0
    adc: int = 0

    def __post_init__(self) -> None:
        check_integer("noise seed", self.seed, 0, 2**32 - 1)
        check_integer("amplitude of the programming noise", self.programming, 0, 2**AMPLITUDE_BITS - 1)
        check_integer("amplitude of the ADC noise", self.adc, 0, 2**AMPLITUDE_BITS - 1)

    @property
    def silent(self) -> bool:
        """Are both amplitudes 0, so that there is none?"""
        return not (self.programming or self.adc)

    def __str__(self) -> str:
        return f"seed {self.seed}, programming {self.programming}, ADC {self.adc}"


def round_key(low, high, number: int):
    """Key of a round: the halves of the seed in turn, each with the round's number."""
    return (high if number % 2 else low) ^ (number * ROUND_STEP & 0xFFFF)


def draws(low_key, high_key, first, second) -> np.ndarray:
    """A draw for each place (``first``, ``second``), 16-bit integers of any shape; so are the keys. int64."""
    x, y = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    for number in range(ROUNDS):
        x = (((x >> 7 | x << 9) & 0xFFFF) + y & 0xFFFF) ^ round_key(low_key, high_key, number)
        y = (y << 2 & 0xFFFF | y >> 14) ^ x
    return sum((word >> k & 15 for word in (x, y) for k in (0, 4, 8, 12)), np.zeros_like(x + y)) - 60


def scaled(amplitude: int, draw: np.ndarray) -> np.ndarray:
    """Noise of an amplitude."""
    return amplitude * draw >> AMPLITUDE_SHIFT


def noisy_cells(noise: IntegerNoise, index: int, layer: Layer, weights: np.ndarray) -> np.ndarray:
    """What the cells of layer ``index`` hold for ``weights`` (rows, columns), in 1/16 of a level, int64."""
    row, column = np.indices(weights.shape)
    physical = np.argsort(physical_order(layer))[column]
    low, high = noise.seed & 0xFFFF ^ PROGRAMMING, noise.seed >> 16 ^ index
    error = scaled(noise.programming, draws(low, high, row, physical))
    return np.clip((weights.astype(np.int64) << CELL_FRACTION) + error, *signed_range(cell_bits(layer)))


def cell_bits(layer: Layer) -> int:
    """Bits of a noisy cell."""
    return max(layer.weight_bits, 2) + CELL_FRACTION


def adc_noise(noise: IntegerNoise, index: int, layer: Layer, steps: np.ndarray) -> np.ndarray:
    """Noise of the conversions in time steps ``steps`` (B,) of an array, from 0: (B, columns), in 1/256 of a code."""
    columns = logical_columns(layer)
    place = np.zeros(layer.columns, dtype=np.int64)
    step, adc = np.indices(columns.shape)
    place[columns] = step + (adc << (layer.conversions - 1).bit_length())
    steps = np.asarray(steps, dtype=np.int64)[:, None]
    low, high = noise.seed & 0xFFFF ^ steps >> 16, noise.seed >> 16 ^ index
    return scaled(noise.adc, draws(low, high, steps & 0xFFFF, place[None]))


def noisy_codes(
    noise: IntegerNoise, index: int, layer: Layer, data: LayerData, drive: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """ADC codes (B, columns) that the array of layer ``index`` gives for ``drive`` (B, rows) in its ``steps`` (B,).

    ``clip(floor((floor(S * mult * 2^8 / 2^shift) + e) / 2^8))``: S of the noisy cells, e of the converter.
    """
    if layer.row_tiles > 1:
        raise DesignError(
            f"noise in integers needs the rows of {layer.macro_name} in one tile, not in {layer.row_tiles}"
        )
    gate = gate_of_column(layer)
    cells = noisy_cells(noise, index, layer, np.asarray(data.weights)) * row_drive(layer)[:, None]
    product = (drive.astype(np.int64) @ cells) * data.mult.astype(np.int64)[gate]
    value = product << (ADC_FRACTION - CELL_FRACTION) >> data.shift.astype(np.int64)[gate]
    value = value + adc_noise(noise, index, layer, steps) >> ADC_FRACTION
    return np.clip(value, *signed_range(layer.adc_bits))

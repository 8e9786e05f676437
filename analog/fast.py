"""Fast reads for Monte Carlo: the array model in float32, blocks that stay in the cache, coarse Gaussian numbers.

For arrays whose weights stay as they are between programmings and whose noise is Gaussian and fresh in every step:
the paper's noise per programming and per step, and cells with programming error, drift, faults, wires, thermal,
shot and read noise. Noise that lasts from step to step, and converters with errors of their own, need
:class:`.array.Array`.

Making Gaussian numbers costs as much as the matrix product, so there are three ways, with the same law as far as a
converter of 8 bits can tell (``tests/analog/test_fast.py`` compares them):

- ``table``: 16 random bits look up a quantile of the normal distribution, four numbers from one random word. It
  has 65,536 values, the largest 4.3 standard deviations from 0.
- ``pairs``: 16 random bits look up two of these quantiles, for neighbouring columns: the bits' and those of the bits
  in reverse. Each number has the law of ``table``, exactly. The two are independent as far as any ``a`` leading bits
  of one and ``16 - a`` of the other can tell (a net of van der Corput and Hammersley): the probability of any two
  codes of 4 bits is the product of theirs within 5e-5. Gains are folded into the weights, whose rounding, and so a
  code in some 2,000, differs from that of the others. The fastest.
- ``exact``: numpy's own normal numbers, the oracle.
"""

import math
from collections.abc import Iterator
from functools import cache
from statistics import NormalDist

import numpy as np

from ..model.formats import DesignError, check_choice, signed_range
from ..model.layout import largest_drive, logical_order, row_drive, row_top
from ..model.seeds import Seed, child
from ..model.threads import one_blas_thread
from .array import Array
from .converters import DacBank
from .exact_sums import on_grid
from .tiled_array import TiledArray

BLOCK = 256  #: reads at once: drive, sums and noise of a 64 x 128 array fit into 1 MiB
NORMALS = ("table", "pairs", "exact")


@cache
def quantile_table() -> np.ndarray:
    """Quantiles of the normal distribution at the middle of 65,536 equal shares, scaled to variance 1: float32."""
    normal = NormalDist()
    upper = np.array([normal.inv_cdf((i + 0.5) / 65536) for i in range(32768, 65536)])
    table = np.concatenate([-upper[::-1], upper])
    return (table / table.std()).astype(np.float32)


@cache
def reversed_bits() -> np.ndarray:
    """The 16-bit numbers in order, with their bits in reverse: (65,536,) int64."""
    numbers = np.arange(65536)
    found = np.zeros_like(numbers)
    for bit in range(16):
        found |= (numbers >> bit & 1) << (15 - bit)
    return found


def _pairs(table: np.ndarray) -> np.ndarray:
    """``table`` by a number beside it by the number's reverse, each two float32 as one number of 64 bits."""
    return np.stack([table, table[reversed_bits()]], axis=1).view(np.uint64)[:, 0]


class Normals:
    """A stream of standard normal numbers, float32."""

    def __init__(self, kind: str, seed: Seed) -> None:
        check_choice("normal numbers", kind, NORMALS)
        self._bits = np.random.SFC64(child(seed))
        self._generator = np.random.Generator(self._bits)
        self._exact, self._paired = kind == "exact", kind == "pairs"
        self._law, self._table = (1.0, 0.0), quantile_table()
        if self._paired:
            self._table = _pairs(self._table)

    def fill(self, out: np.ndarray, sigma: float = 1.0, mean: float = 0.0) -> None:
        """Fill a contiguous float32 array with numbers of this deviation and mean."""
        if self._exact:
            self._generator.standard_normal(out=out, dtype=np.float32)
            if sigma != 1.0:
                out *= np.float32(sigma)
            if mean:
                out += np.float32(mean)
            return
        if (sigma, mean) != self._law:
            self._law, table = (sigma, mean), (quantile_table() * sigma + mean).astype(np.float32)
            self._table = _pairs(table) if self._paired else table
        if self._paired:
            pairs = -(-out.size // 2)
            words = self._bits.random_raw(-(-pairs // 4)).view(np.uint16)[:pairs]
            if out.size % 2:
                out.reshape(-1)[:] = np.take(self._table, words).view(np.float32)[: out.size]
            else:
                np.take(self._table, words, out=out.reshape(-1).view(np.uint64), mode="wrap")
            return
        words = self._bits.random_raw(-(-out.size // 4)).view(np.uint16)[: out.size]
        np.take(self._table, words.reshape(out.shape), out=out, mode="wrap")


class FastReader:
    """Reads one :class:`.array.Array` as it is now, in logical column order.

    Raises :class:`DesignError` for an array whose noise cannot be drawn at the column.
    """

    def __init__(self, array: Array, normals: str = "table", seed: Seed = 0) -> None:
        reason = why_not(array)
        if reason:
            raise DesignError(f"fast reads are not for an array with {reason}")
        layer = array.layer
        self._order = logical_order(layer)
        self._low, self._high = signed_range(layer.adc_bits)
        self._normals = Normals(normals, seed)
        drive = row_drive(layer)[:, None]  # into weights and variances: the drive stays in codes
        weights, scale = array.effective()[:, self._order] * drive, array.scale[self._order]
        self._folded = normals == "pairs"
        factor = scale if self._folded else np.ones_like(scale)
        self._weights, self.dtype = _rounded(weights, layer, scale, factor)
        constant, absolute, squared = array.fresh_variance()
        absolute, squared = absolute * drive, squared * drive**2
        top, reach = row_top(layer), largest_drive(layer)
        self._curve = array.curve
        if self._curve:  # bent rows are no whole numbers
            self._weights, self.dtype = weights * factor, np.float64
        elif (squared.any() and layer.rows * reach**2 > 2**17) or (absolute.any() and layer.rows * reach > 2**17):
            # 24 bits leave too few for the variances
            self._weights, self.dtype = self._weights.astype(np.float64), np.float64
        self._scale = scale.astype(self.dtype)
        self._slope, offset = array.slope, array.offsets
        self._offset = None if offset is None else (offset[..., self._order] * scale).astype(self.dtype)
        self._constant = (constant[self._order] * scale**2 + array.config.conversion_sigma**2).astype(self.dtype)
        self._absolute = self._variance(absolute, scale, top)
        self._squared = self._variance(squared, scale, top**2)
        self._uniform = self._absolute is None and np.ptp(squared) == 0
        if self._uniform and self._squared is not None and np.ptp(self._squared) == np.ptp(self._constant) == 0:
            self._squared, self._constant = self._squared[:, :1], self._constant[:1]  # a deviation for each read
        fixed = self._absolute is None and self._squared is None
        self._sigma = float(np.sqrt(self._constant[0])) if fixed and np.ptp(self._constant) == 0 else None
        shape = (BLOCK, layer.columns)
        self._noise, self._level = np.empty(shape, np.float32), np.empty(shape, self.dtype)

    def _variance(self, part: np.ndarray, scale: np.ndarray, top: np.ndarray) -> np.ndarray | None:
        """Variances in LSB^2 for each cell, rounded so that their sums are exact; None if there are none.

        ``top`` (rows,) is the most that they are multiplied with.
        """
        part = part[:, self._order] * scale**2
        largest = 2 * len(top) * top.max() * (part * (top / top.max())[:, None]).max(axis=0)
        largest = largest * DacBank.GRID**2 if self._curve else largest  # squares of bent rows have that grid
        return on_grid(part, largest, self.dtype) if part.any() else None

    def offset_codes(self, drive: np.ndarray) -> np.ndarray:
        """Codes less the lowest code, 0..2^N - 1, as floats (B, columns), B at most ``BLOCK``.

        ``drive`` (B, rows) are DAC codes of ``dtype``. The result is a buffer, good until the next call.
        """
        level, noise = self._level[: len(drive)], self._noise[: len(drive)]
        bent = self._curve.bend(drive) if self._curve else drive
        np.matmul(bent, self._weights, out=level)
        if not self._folded:
            np.multiply(level, self._scale, out=level)
        if self._offset is not None:
            level += self._slope.of(drive) @ self._offset if self._slope else self._offset
        drive = bent
        if self._sigma:  # one deviation for all: the table brings it, and the lowest code
            self._normals.fill(noise, self._sigma, -self._low)
            level += noise
        else:
            level -= self._low
            if self._sigma is None:
                self._normals.fill(noise)
                noise *= self._spread(drive)
                level += noise
        np.floor(level, out=level)
        return level.clip(0, self._high - self._low, out=level)

    @one_blas_thread()
    def read(self, drive) -> np.ndarray:
        """ADC codes (B, columns) in logical order, int16, of DAC codes ``drive`` (B, rows)."""
        drive = np.asarray(drive, dtype=self.dtype)
        codes = np.empty((len(drive), len(self._scale)), dtype=np.int16)
        for start in range(0, len(drive), BLOCK):
            part = slice(start, start + BLOCK)
            codes[part] = self.offset_codes(drive[part])
            codes[part] += self._low
        return codes

    def _spread(self, drive: np.ndarray) -> np.ndarray:
        """Standard deviation (LSB) of the noise, to be broadcast to (B, columns)."""
        squares = drive * drive
        variance = self._constant
        if self._squared is not None and self._uniform:  # a sum of squares for each read, no second product
            variance = squares.sum(axis=1, keepdims=True) * self._squared[0] + variance
        elif self._squared is not None:
            variance = variance + squares @ self._squared
        if self._absolute is not None:
            variance = variance + np.abs(drive) @ self._absolute
        return np.sqrt(variance)


class TiledReader:
    """Reads the row tiles of a :class:`.tiled_array.TiledArray`, each with a stream of noise of its own."""

    def __init__(self, array: TiledArray, normals: str = "table", seed: Seed = 0) -> None:
        self._readers = [FastReader(tile, normals, child(seed, number)) for number, tile in enumerate(array.tiles)]
        self._rows, self._units = array.layer.row_slices, [2.0**shift for shift in array.layer.tile_shifts]
        self.dtype = max((reader.dtype for reader in self._readers), key=lambda dtype: np.dtype(dtype).itemsize)

    def _parts(self, drive: np.ndarray) -> Iterator[tuple[FastReader, np.ndarray]]:
        for reader, rows in zip(self._readers, self._rows):
            yield reader, np.ascontiguousarray(drive[:, rows], dtype=reader.dtype)

    def offset_codes(self, drive: np.ndarray) -> np.ndarray:
        """Codes of the columns, sums over the tiles less the lowest one: (B, columns) of ``dtype``."""
        total = np.zeros((len(drive), len(self._readers[0]._scale)), self.dtype)
        for unit, (reader, part) in zip(self._units, self._parts(drive)):
            total += reader.offset_codes(part) * unit if unit > 1 else reader.offset_codes(part)
        return total

    def read(self, drive) -> np.ndarray:
        """ADC codes (B, R * columns), each tile's in logical order, int16, of DAC codes ``drive`` (B, rows)."""
        return np.concatenate([reader.read(part) for reader, part in self._parts(np.asarray(drive))], axis=1)


def make_reader(array: Array | TiledArray, normals: str = "table", seed: Seed = 0) -> FastReader | TiledReader:
    """The fast reader of an array, of one row tile or of several."""
    return TiledReader(array, normals, seed) if isinstance(array, TiledArray) else FastReader(array, normals, seed)


def why_not(array: Array | TiledArray) -> str:
    """What rules out fast reads of this array; empty if nothing does."""
    if isinstance(array, TiledArray):
        return next(filter(None, map(why_not, array.tiles)), "")
    if array.adcs or array.dacs:
        return "errors of its converters"
    if array.readouts:
        return "errors of its columns' readouts"
    if array.adjustments.trimmed or len(array.adjustments.replaced[0]):
        return "trims or spare columns that a host has set"
    if array.slow_noise:
        return "noise that lasts from step to step"
    if array.has_cells and not array.cell_array.mapping.paired:
        return "a reference column, whose noise its columns share"
    return ""


def _rounded(weights: np.ndarray, layer, scale: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, type]:
    """Weights times their columns' ``factor`` (``scale`` or 1) in float32, rounded so that sums are exact whatever
    their order; in float64 where 24 bits are few.
    """
    largest = 2 * layer.rows * (row_top(layer) * np.abs(weights).max(axis=1).clip(1.0)).max()
    if (weights == np.round(weights)).all():  # no noise in them: codes are the reference's, gain included
        mult = np.max([value / 2.0 ** math.floor(math.log2(value)) for value in scale]) * 128
        weights = weights * factor
        return (weights.astype(np.float32), np.float32) if largest * mult < 2**24 else (weights, np.float64)
    if largest > 2**17:
        return weights * factor, np.float64
    return on_grid(weights * factor, largest * factor, np.float32), np.float32

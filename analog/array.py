"""The array model: the one interface through which co-simulation and batch inference read an array.

An :class:`Array` holds levels in **physical** column order (``model/layout.py``) and turns row drives into ADC
codes. Without noise its codes are the reference's, at every width. With noise the same seed and the same calls
give the same codes on every machine: the noise of each weight is rounded to a binary grid so fine that it has
no effect and so coarse that every column sum is exact in float64, in whatever order it is added up.
"""

import math

import numpy as np

from ..model.design import Layer
from ..model.formats import DesignError, check_integer, full_scale, is_symmetric, signed_range
from ..model.layout import gate_of_column, physical_order
from ..model.network import MULT_BITS, SHIFT_BITS
from .config import ArrayConfig


class Array:
    """One programmed array with its DACs and ADCs.

    Cells that were never programmed hold level 0, a pair of equal cells. Gains start at 1.

    The weight noise of a cell depends only on the seed, its place and how often it was programmed, not on the
    order of programming: :meth:`program` and :meth:`program_cell` give the same array.
    """

    def __init__(self, layer: Layer, config: ArrayConfig | None = None, seed=0) -> None:
        """``seed`` is an integer or a ``numpy.random.SeedSequence``; ``config`` None is the ideal array."""
        self.layer = layer
        self.config = config or ArrayConfig()
        self.levels = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: programmed weight codes
        self.writes = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: times each cell was programmed
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._cell_seed, sequence_seed, read_seed = (
            np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, stream)) for stream in range(3)
        )
        self._sequence_rng = np.random.Generator(np.random.SFC64(sequence_seed))
        self._read_rng = np.random.Generator(np.random.SFC64(read_seed))
        self._weight_sigma = self.config.weight_noise * 2 * full_scale(layer.weight_bits)  # codes
        self._generations: dict[int, np.ndarray] = {}  # weight noise by number of writes
        self._gate = gate_of_column(layer)[physical_order(layer)]
        self._scale = np.ones(layer.columns)  # LSB for each unit of the column sum
        self._effective: np.ndarray | None = None
        self._sequence_noise: np.ndarray | None = None  # (B, rows, columns), redraw per sequence
        self.new_step()

    def program(self, levels) -> None:
        """Program every cell: ``levels`` (rows, columns) weight codes in physical column order."""
        levels = np.asarray(levels)
        if levels.shape != self.levels.shape or levels.dtype.kind not in "iu":
            raise DesignError(
                f"levels must be integers of shape {self.levels.shape}, not {levels.dtype} of {levels.shape}"
            )
        bad = np.argwhere(~is_symmetric(levels, self.layer.weight_bits))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise DesignError(
                f"level at {at} must be a symmetric {self.layer.weight_bits}-bit code, not {int(levels[at])}"
            )
        self.levels[:] = levels
        self.writes += 1
        self._changed()

    def program_cell(self, row: int, column: int, level: int) -> None:
        """Program one pair of cells, as the programming port does; cheap, the matrix is rebuilt on the next read."""
        check_integer("row", row, 0, self.layer.rows - 1)
        check_integer("column", column, 0, self.layer.columns - 1)
        bits = self.layer.weight_bits
        if abs(level) > full_scale(bits) or (bits == 1 and level == 0):
            raise DesignError(f"level at {(row, column)} must be a symmetric {bits}-bit code, not {level!r}")
        self.levels[row, column] = level
        self.writes[row, column] += 1
        self._changed()

    def set_gain(self, gate: int, mult: int, shift: int) -> None:
        """Set the converters of one gate (0 for a dense layer) to the gain ``mult / 2^shift``."""
        check_integer("gate", gate, 0, self.layer.gates - 1)
        check_integer("mult", mult, 1, 2**MULT_BITS - 1)
        check_integer("shift", shift, 0, 2**SHIFT_BITS - 1)
        self._scale[self._gate == gate] = mult * 2.0**-shift
        self.new_step()

    def new_sequence(self, begins=True) -> None:
        """Say that sequences begin: noise that lasts for a sequence is drawn afresh.

        ``begins`` is True for a single sequence, or a mask (B,) over a batch, whose size the next reads have.
        Needed with ``redraw="per_sequence"`` only, harmless otherwise.
        """
        begins = np.atleast_1d(begins)
        self.new_step()
        if self.config.redraw != "per_sequence" or not self._weight_sigma:
            return
        shape = (len(begins), *self.levels.shape)
        if self._sequence_noise is None or self._sequence_noise.shape != shape:
            self._sequence_noise = np.zeros(shape)
            begins = np.ones(len(begins), dtype=bool)
        count = int(begins.sum())
        self._sequence_noise[begins] = self._on_grid(self._sequence_rng.standard_normal((count, *shape[1:])))

    def new_step(self) -> None:
        """Say that a time step begins: the next :meth:`convert` reads the array afresh."""
        self._drive: np.ndarray | None = None
        self._codes: np.ndarray | None = None
        self._served: set[int] = set()

    def convert(self, drive, step: int) -> np.ndarray:
        """ADC codes of conversion ``step``: (B, K) for ``drive`` (B, rows), (K,) for (rows,); int64.

        ``drive`` are DAC codes, 0 on rows that are not driven. All columns are read once for a drive, and its
        steps are slices of that reading; another drive, or a step that was already converted, reads afresh.
        """
        check_integer("step", step, 0, self.layer.steps - 1)
        if self._drive is None or step in self._served or not np.array_equal(drive, self._drive):
            drive = np.array(drive)
            self._codes = self.convert_all(drive)
            self._drive = drive
            self._served = set()
        self._served.add(step)
        return self._codes[..., step :: self.layer.steps]

    def convert_all(self, drive) -> np.ndarray:
        """ADC codes of all columns in physical order: (B, columns) for ``drive`` (B, rows); int64."""
        drive = self._check_drive(drive)
        single = drive.ndim == 1
        level = self._sums(np.atleast_2d(drive)) * self._scale
        sigma = self._read_sigma(np.atleast_2d(drive))
        if sigma is not None:
            level += sigma * self._read_rng.standard_normal(level.shape)
        codes = np.clip(np.floor(level), *signed_range(self.layer.adc_bits)).astype(np.int64)
        return codes[0] if single else codes

    def effective(self) -> np.ndarray:
        """Weights as the array holds them now, in codes: (rows, columns) float64, noise per programming included."""
        if self._effective is None:
            self._effective = self.levels.astype(np.float64)
            if self.config.redraw == "per_programming" and self._weight_sigma:
                self._effective += self._programming_noise()
        return self._effective

    def _changed(self) -> None:
        self._effective = None
        self.new_step()

    def _programming_noise(self) -> np.ndarray:
        noise = np.zeros(self.levels.shape)
        for write in np.unique(self.writes):
            if write == 0:
                continue
            if write not in self._generations:
                key = (*self._cell_seed.spawn_key, int(write))
                seed = np.random.SeedSequence(self._cell_seed.entropy, spawn_key=key)
                normal = np.random.Generator(np.random.SFC64(seed)).standard_normal(noise.shape)
                self._generations[write] = self._on_grid(normal)
            noise = np.where(self.writes == write, self._generations[write], noise)
        return noise

    def _on_grid(self, normal: np.ndarray) -> np.ndarray:
        """Weight noise in codes from standard normal numbers, rounded so that float64 sums are exact."""
        top = full_scale(self.layer.weight_bits) + 10 * self._weight_sigma
        largest_sum = self.layer.rows * full_scale(self.layer.dac_bits) * top
        grid = 2.0 ** (52 - math.ceil(math.log2(largest_sum)))
        return np.round(normal * (self._weight_sigma * grid)) / grid

    def _sums(self, drive: np.ndarray) -> np.ndarray:
        sums = drive.astype(np.float64) @ self.effective()
        if self.config.redraw == "per_sequence" and self._weight_sigma:
            if self._sequence_noise is None or len(self._sequence_noise) != len(drive):
                self.new_sequence(np.ones(len(drive), dtype=bool))
            sums += np.matmul(drive[:, None, :].astype(np.float64), self._sequence_noise)[:, 0]
        return sums

    def _read_sigma(self, drive: np.ndarray) -> np.ndarray | None:
        """Standard deviation, in LSB, of all that is fresh in each reading; None if nothing is.

        Weight noise that is fresh in every step is drawn at the column: a sum of independent Gaussians of
        variance d^2 sigma^2 each is Gaussian, and independent from column to column and from step to step.
        """
        variance = np.full(self.layer.columns, self.config.conversion_sigma**2)
        if self.config.redraw == "per_step" and self._weight_sigma:
            squares = (drive * drive).sum(axis=1, keepdims=True)
            variance = variance + squares * (self._weight_sigma * self._scale) ** 2
        return np.sqrt(variance) if variance.any() else None

    def _check_drive(self, drive) -> np.ndarray:
        drive = np.asarray(drive)
        if drive.ndim not in (1, 2) or drive.shape[-1] != self.layer.rows or drive.dtype.kind not in "iu":
            raise DesignError(
                f"drive must be integers of shape (batch, {self.layer.rows}), not {drive.dtype} of {drive.shape}"
            )
        top = full_scale(self.layer.dac_bits)
        if drive.size and max(drive.max(), -drive.min()) > top:
            raise DesignError(f"drive must be from {-top} to {top}, not {int(drive.flat[np.abs(drive).argmax()])}")
        return drive

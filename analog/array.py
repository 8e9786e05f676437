"""The array model: the one interface through which co-simulation and batch inference read an array.

An :class:`Array` holds levels in **physical** column order (``model/layout.py``) and turns row drives into ADC
codes. Without noise its codes are the reference's, at every width. With noise the same seed and the same calls
give the same codes on every machine: weights are rounded to a binary grid so fine that it has no effect and so
coarse that every column sum is exact in float64, in whatever order it is added up.
"""

import numpy as np

from ..model.formats import DesignError, check_integer, full_scale, is_symmetric, signed_range
from ..model.layers import Layer
from ..model.layout import gate_of_column, physical_order, row_drive
from ..model.network import MULT_BITS, SHIFT_BITS
from .config import ArrayConfig
from .converters import AdcBank, DacBank
from .exact_sums import on_grid
from .memory.chip import Chip
from .memory.noise import FlickerProcess, TelegraphProcess, resized


class Array:
    """One programmed array with its DACs and ADCs.

    Cells that were never programmed hold level 0, a pair of equal cells. Gains start at 1.

    The noise of a cell depends only on the seed, its place and how often it was programmed, not on the order of
    programming: :meth:`program` and :meth:`program_cell` give the same array.
    """

    def __init__(self, layer: Layer, config: ArrayConfig | None = None, seed=0, share: int = 1) -> None:
        """``seed`` is an integer or a ``numpy.random.SeedSequence``; ``config`` None is the ideal array.

        ``share`` neighbouring sequences of a batch see one course of the noise that lasts from step to step: cheaper,
        and for each of them of the same law, but they err together.
        """
        self.layer, self._share = layer, check_integer("sequences that share noise", share, 1, 1_000_000)
        self.config = config or ArrayConfig()
        self.levels = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: programmed weight codes
        self.writes = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: times each cell was programmed
        self._seed = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._sequence_rng, self._read_rng = self._stream(1), self._stream(2)
        cells, adc, dac = self.config.cells, self.config.adc, self.config.dac
        self.chip = Chip(layer, cells, self._child(3)) if cells else None  #: its cells, None for ideal ones
        self.adcs = AdcBank(layer, adc, self._stream(4)) if adc else None
        self.dacs = DacBank(layer, dac, self._stream(5)) if dac else None
        self._make_slow()
        self._sequences = 0  # in the batch whose slow noise is under way
        self._weight_sigma = self.config.weight_noise * 2 * full_scale(layer.weight_bits)  # codes
        self._generations: dict[int, np.ndarray] = {}  # weight noise by number of writes
        self._gate = gate_of_column(layer)[physical_order(layer)]
        self._row_drive = row_drive(layer)
        self.scale = np.ones(layer.columns)  #: LSB for each unit of the column sum, set by the gains
        self._sequence_noise = np.zeros((0, *self.levels.shape))  # (B, rows, columns), redraw per sequence
        self._changed()

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
        """Program one weight, as the programming port does; cheap, as the matrix is rebuilt on the next read."""
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
        self.scale[self._gate == gate] = mult * 2.0**-shift
        self.new_step()

    def new_sequence(self, begins=True) -> None:
        """Say that sequences begin: noise that lasts (per sequence, telegraph, 1/f) is drawn afresh.

        ``begins`` is True for a single sequence, or a mask (B,) over a batch, whose size the next reads have.
        """
        begins = np.atleast_1d(begins)
        self.new_step()
        self._sequences = len(begins)
        if self._share > 1 and begins.any() != begins.all():
            raise DesignError(f"a batch of {len(begins)} sequences that share noise must begin as a whole")
        begins = begins[:: self._share]
        if self._sequence_sigma:
            self._sequence_noise = resized(self._sequence_noise, begins)
            drawn = self._sequence_rng.standard_normal((int(begins.sum()), *self.levels.shape))
            self._sequence_noise[begins] = self._on_grid(drawn * self._sequence_sigma, 10 * self._sequence_sigma)
        for process in self._slow:
            process.begin(begins)

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
        check_integer("step", step, 0, self.layer.conversions - 1)
        if self._drive is None or step in self._served or not np.array_equal(drive, self._drive):
            self._codes = self.convert_all(drive)
            self._drive, self._served = np.array(drive), set()
        self._served.add(step)
        return self._codes[..., step :: self.layer.conversions]

    def convert_all(self, drive) -> np.ndarray:
        """ADC codes of all columns in physical order: (B, columns) for ``drive`` (B, rows); int64."""
        drive = self._check_drive(drive)
        single = drive.ndim == 1
        level = self.analog(np.atleast_2d(drive))
        if self.adcs:
            codes = self.adcs.convert(level, self._read_rng)
        else:
            codes = np.clip(np.floor(level), *signed_range(self.layer.adc_bits)).astype(np.int64)
        return codes[0] if single else codes

    def analog(self, drive: np.ndarray) -> np.ndarray:
        """What the converters see, in LSB: (B, columns) float64 for ``drive`` (B, rows). One reading."""
        rows = (self.dacs.levels(drive) if self.dacs else drive.astype(np.float64)) * self._row_drive
        sums = rows @ self.effective() + self._slow_sums(rows)
        sigma, reference = self._read_sigma(rows)
        level = sums * self.scale
        if sigma is not None:
            level += sigma * self._read_rng.standard_normal(level.shape)
        if reference is not None:
            level -= self.scale * (reference * self._read_rng.standard_normal((len(rows), 1)))
        return level

    def effective(self) -> np.ndarray:
        """Weights as the array holds them now, in codes: (rows, columns) float64, without what changes in reads."""
        if self._effective is None:
            if self.chip:
                self._plan = self.chip.plan(self.levels)
                self._conductances = self.chip.conductances(self._plan, self.writes)
                self._effective = self._on_grid(self.chip.weights(self._conductances, self._plan))
                self._variances = self.chip.read_variances(self._conductances)
            else:
                self._effective = self.levels.astype(np.float64)
            if self.config.redraw == "per_programming" and self._weight_sigma:
                self._effective = self._effective + self._programming_noise()
            constant, absolute, squared = self.fresh_variance()
            self._fresh = constant, absolute if absolute.any() else None, squared if squared.any() else None
        return self._effective

    @property
    def conductances(self) -> np.ndarray:
        """Conductances (S) of the cells: (planes, rows, width). Only for a configuration with cells."""
        self.effective()
        return self._conductances

    @property
    def has_slow_noise(self) -> bool:
        """Is there noise that lasts from step to step?"""
        return bool(self._sequence_sigma or self._slow)

    @property
    def numbers_per_sequence(self) -> int:
        """Numbers that a batch holds for each of its sequences: noise that lasts, or else one reading."""
        lasting = self.levels.size if self._sequence_sigma else 0
        lasting += sum(process.size for process in self._slow)
        return -(-lasting // self._share) + (0 if self._sequence_sigma else self.layer.rows + self.layer.columns)

    def _changed(self) -> None:
        self._effective: np.ndarray | None = None
        self.new_step()

    @property
    def _sequence_sigma(self) -> float:
        return self._weight_sigma if self.config.redraw == "per_sequence" else 0.0

    def _child(self, key: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, key))

    def _stream(self, key: int) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64(self._child(key)))

    def _programming_noise(self) -> np.ndarray:
        noise = np.zeros(self.levels.shape)
        for write in np.unique(self.writes[self.writes > 0]).tolist():
            if write not in self._generations:
                normal = self._stream(100 + write).standard_normal(noise.shape)
                self._generations[write] = self._on_grid(normal * self._weight_sigma, 10 * self._weight_sigma)
            noise = np.where(self.writes == write, self._generations[write], noise)
        return noise

    def _on_grid(self, weights: np.ndarray, top: float = 0.0) -> np.ndarray:
        """Weights in codes, rounded so that sums are exact in float64; ``top`` bounds them where they vary."""
        top = full_scale(self.layer.weight_bits) + max(top, float(np.abs(weights).max(initial=0.0)))
        return on_grid(weights, self._largest_sum(1) * top)

    def _largest_sum(self, power: int) -> float:
        """Bound of the sum of ``power``-th powers of the rows, in the unit of their own grid."""
        largest = 2.0 * full_scale(self.layer.dac_bits) * self.layer.input_drive
        return self.layer.rows * largest**power * (DacBank.GRID if self.dacs else 1)

    def _make_slow(self) -> None:
        """Telegraph noise cell by cell; 1/f weight by weight, as the cells of one add up to one such process."""
        self._telegraph = self._flicker = None
        if not self.chip:
            return
        seconds, device, mapping = self.chip.cells.step_seconds, self.chip.cells.device, self.chip.mapping
        if device.telegraph:
            self._telegraph = TelegraphProcess(device.telegraph, int(self.chip.traps.sum()), seconds, self._stream(6))
        if device.flicker:
            self._flicker = FlickerProcess(device.flicker, mapping.shape[1:], seconds, self._stream(7))

    @property
    def _slow(self) -> list:
        return [process for process in (self._telegraph, self._flicker) if process]

    def _slow_sums(self, rows: np.ndarray):
        """What noise that outlasts a step adds to the column sums (B, columns)."""
        if not self.has_slow_noise:
            return 0.0
        if self._sequences != len(rows):
            self.new_sequence(np.ones(len(rows), dtype=bool))
        courses = np.zeros((-(-len(rows) // self._share), self._share, self.layer.rows))
        courses.reshape(-1, self.layer.rows)[: len(rows)] = rows
        sums = np.zeros((*courses.shape[:2], self.layer.columns))
        if self._sequence_sigma:
            sums += courses @ self._sequence_noise
        if self._slow:
            mapping, change = self.chip.mapping, 0.0
            if self._telegraph:
                change = change + self.chip.weigh_traps(self._telegraph.sample(), self._conductances)
            if self._flicker:
                change = change + self._flicker.sample() * np.sqrt(mapping.weigh_squares(self._conductances**2))
            sums += courses @ self._on_grid(self.chip.gather(change, self._plan))
        return sums.reshape(-1, self.layer.columns)[: len(rows)]

    def fresh_variance(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of a column's sum by noise that is new in every step: (width,), (rows, width), (rows, width).

        Times 1, |d| and d^2 of the rows, added. width is the number of columns, in physical order, and one more if
        there is a reference column. The converter's noise is left out.
        """
        self.effective()
        if not self.chip:
            parts = np.zeros(self.layer.columns), *np.zeros((2, *self.levels.shape))
        else:
            columns, gain = self._plan.place, self._plan.gain
            if not self.chip.mapping.paired:
                columns, gain = np.append(columns, -1), np.append(gain, 1)
            parts = tuple(part[..., columns] * gain**2 for part in self._variances)
        if self.config.redraw == "per_step":
            squared = parts[2].copy()
            squared[:, : self.layer.columns] += self._weight_sigma**2
            parts = (*parts[:2], squared)
        return parts[0], *(on_grid(p, self._largest_sum(n) * p.max(axis=0)) for n, p in enumerate(parts[1:], 1))

    def _read_sigma(self, rows: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Standard deviation of all that is fresh in each reading: in LSB for the columns, None if nothing is.

        The second is that of the reference column, (B, 1) in units of the column sum, where there is one. Weight
        noise that is fresh in every step is drawn at the column: a sum of independent Gaussians of variance
        d^2 sigma^2 each is Gaussian, and independent from column to column and from step to step.
        """
        constant, absolute, squared = self._fresh
        variance = np.broadcast_to(constant, (len(rows), len(constant)))
        if absolute is not None:
            variance = variance + np.abs(rows) @ absolute
        if squared is not None:
            squares = np.round(rows * rows * DacBank.GRID) / DacBank.GRID if self.dacs else rows * rows
            variance = variance + squares @ squared
        columns, reference = variance[:, : self.layer.columns], variance[:, self.layer.columns :]
        columns = columns * self.scale**2 + self.config.conversion_sigma**2
        return tuple(np.sqrt(part) if part.any() else None for part in (columns, reference))

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

"""The array model: the one interface through which co-simulation and batch inference read an array.

An :class:`Array` holds levels in **physical** column order (``model/layout.py``) and turns row drives into ADC
codes. Without noise its codes are the reference's, at every width. With noise the same seed and the same calls
give the same codes on every machine: weights are rounded to a binary grid so fine that it has no effect and so
coarse that every column sum is exact in float64, in whatever order it is added up.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..model.formats import DesignError, check_integer, check_number, full_scale, is_symmetric, signed_range
from ..model.layers import Layer
from ..model.layout import gate_of_column, physical_order, row_drive, row_top
from ..model.network import MULT_BITS, SHIFT_BITS
from ..model.seeds import Seed, child, stream
from ..model.threads import one_blas_thread
from .adjustments import Adjustments, spare_columns, spare_config
from .column_errors import ColumnBank
from .config import ArrayConfig
from .converters import AdcBank, AdcErrors, DacBank
from .exact_sums import ColumnSums, on_grid
from .memory.cell_array import CellArray, ProgrammedCells
from .memory.curve import Curve, Slope
from .memory.noise import WriteNoise
from .row_codes import check_drive
from .slow_noise import SlowNoise

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class _Held:
    """What an array holds until it is programmed again; the variances are those of :meth:`Array.fresh_variance`."""

    weights: np.ndarray  # codes (rows, columns), without what changes from read to read
    cells: ProgrammedCells | None
    fresh: tuple[np.ndarray, np.ndarray, np.ndarray]
    offset: np.ndarray | None  # of column sums: (columns,), or (rows, columns) for each unit of a row's slope


class Array:
    """One programmed array with its DACs and ADCs.

    Cells that were never programmed hold level 0, a pair of equal cells. Gains start at 1.

    The noise of a cell depends only on the seed, its place and how often it was programmed, not on the order of
    programming: :meth:`program` and :meth:`program_cell` give the same array.

    Spare columns are an array of their own between the same DACs, amplifiers and ADCs. They change no draw of the
    others.
    """

    def __init__(self, layer: Layer, config: ArrayConfig | None = None, seed: Seed = 0, share: int = 1) -> None:
        """``config`` None is the ideal array.

        ``share`` neighbouring sequences of a batch see one course of the noise that lasts from step to step: cheaper,
        and for each of them of the same law, but they err together.
        """
        if layer.row_tiles > 1:
            raise DesignError(f"an array holds one row tile, but {layer.macro_name} has {layer.row_tiles} of them")
        self.layer, self.config = layer, config or ArrayConfig()
        cells, adc, dac = self.config.cells, self.config.adc, self.config.dac
        self.levels = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: programmed weight codes
        self.writes = np.zeros((layer.rows, layer.columns), dtype=np.int64)  #: times each cell was programmed
        self.ages = np.full(self.levels.shape, self._age)  #: s since each cell was programmed
        self._pairs = np.zeros((2, *self.levels.shape), dtype=np.int64)  # levels of ideal cells that take pulses
        self.scale = np.ones(layer.columns)  #: LSB for each unit of the column sum, set by the gains
        self.changes = 0  #: of cells, gains, adjustments, age and sequences, after which a reading differs
        self.adjustments = Adjustments(layer)  #: what a host has set in the macro
        self.adcs = AdcBank(layer, adc, stream(seed, 4)) if adc else None
        self.dacs = DacBank(layer, dac, stream(seed, 5)) if dac else None
        self.readouts = ColumnBank(layer, self.config.columns, stream(seed, 10)) if self.config.columns else None
        self._cell_array = CellArray(layer, cells, child(seed, 3)) if cells else None
        bent = cells is not None and cells.dacs == "amplitude" and np.isfinite(cells.device.sinh_voltage)
        self.curve = Curve(self.cell_array.mapping, DacBank.GRID) if bent else None  #: of nonlinear cells
        sinh = cells is not None and cells.amplifiers is not None and np.isfinite(cells.device.sinh_voltage)
        self.slope = Slope(self.cell_array.mapping, DacBank.GRID) if sinh else None  #: of the same, to offsets
        self._grid = DacBank.GRID if dac or bent else 1
        self._sums = ColumnSums(layer, self._grid)
        self.slow_noise = SlowNoise(layer, self.config, self._cell_array, self._sums, share, seed)
        self._write_noise = WriteNoise(seed, self.levels.shape)
        self._read_rng = stream(seed, 2)
        self._seed, self._share = seed, share
        self._gate = gate_of_column(layer)[physical_order(layer)]
        self._row_drive, self._row_top = row_drive(layer), row_top(layer)
        self._held: _Held | None = None
        self._trimmable = self.adcs or AdcBank(layer, AdcErrors(), stream(seed, 4))
        self.spares: Array | None = None  #: the spare columns, in the order of their numbers; it has no ADCs
        if layer.all_columns > layer.columns:
            self.spares = self._make_spares(share, child(seed, 9))

    def _make_spares(self, share: int, seed: Seed) -> "Array":
        spares = Array(spare_columns(self.layer), spare_config(self.layer, self.config), seed, share)
        spares.dacs = self.dacs
        if self._cell_array and spares._cell_array:
            spares._cell_array.offset_volts = self._cell_array.offset_volts
        return spares

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
        if self._cell_array:
            self._cell_array.pulsed = None
        self.levels[:] = levels
        self.writes += 1
        self.ages[:] = self._age
        self._changed()

    def program_cell(self, row: int, column: int, level: int) -> None:
        """Program one weight, as the programming port does; cheap, as the matrix is rebuilt on the next read.

        Columns from ``layer.columns`` on are spares.
        """
        check_integer("row", row, 0, self.layer.rows - 1)
        check_integer("column", column, 0, self.layer.all_columns - 1)
        bits = self.layer.weight_bits
        if abs(level) > full_scale(bits) or (bits == 1 and level == 0):
            raise DesignError(f"level at {(row, column)} must be a symmetric {bits}-bit code, not {level!r}")
        if self.spares and column >= self.layer.columns:
            self.spares.program_cell(row, column - self.layer.columns, level)
            self.changes += 1
            return
        if self._cell_array and self._cell_array.pulsed:
            raise DesignError("cells that have taken pulses are programmed by pulses only")
        self.levels[row, column] = level
        self.writes[row, column] += 1
        self.ages[row, column] = self._age
        self._changed()

    def pulse(self, row: int, column: int, cell: int, up: bool, strong: bool) -> None:
        """Give one cell of a weight a pulse, as the macro's ports do: the positive one, 0, or the negative one, 1.

        ``up`` is a SET, and one that is ``strong`` has full strength. Ideal cells move by one level.
        """
        check_integer("row", row, 0, self.layer.rows - 1)
        check_integer("column", column, 0, self.layer.all_columns - 1)
        if self.spares and column >= self.layer.columns:
            self.spares.pulse(row, column - self.layer.columns, cell, up, strong)
            self.changes += 1
            return
        if self._cell_array:
            self._cell_array.pulse(row, column, cell, up, strong)
        else:
            pair, top = self._pairs[:, row, column], full_scale(self.layer.weight_bits)
            pair[cell] = min(max(pair[cell] + (1 if up else -1), 0), top)
            self.levels[row, column] = pair[0] - pair[1]
        self.writes[row, column], self.ages[row, column] = 1, self._age
        self._changed()

    def pass_time(self, seconds: float) -> None:
        """Let all cells grow older by ``seconds``; those that are programmed later are as old as configured."""
        check_number("seconds that pass", seconds, 0.0, 1e12)
        self.ages += seconds
        if self._cell_array:
            self._cell_array.grow_old(float(self.ages.max()))
            self.slow_noise.grow_old()
        if self.spares:
            self.spares.pass_time(seconds)
        self._changed()

    def adjust(self, adc: int, what: int, value: int) -> None:
        """Set a trim or the step of a spare column, as the macro's ``adjust`` ports do.

        ``what`` and ``value`` are those of ``model/diagnostic_registers.py``; trims may be negative numbers, too.
        """
        self.adjustments.set(adc, what, value)
        self._adjusted()

    def reset_adjustments(self) -> None:
        """Forget all of them: what the macro's ``rst`` does."""
        self.adjustments.reset()
        self._adjusted()

    def set_gain(self, gate: int, mult: int, shift: int, coarser: int = 0) -> None:
        """Set the converters of one gate (0 for a dense layer) to the gain ``mult / 2^shift``.

        Registers that were never written hold 0 / 2^0. The array of a row tile may have ADC steps 2^``coarser`` times
        those of the layer.
        """
        check_integer("gate", gate, 0, self.layer.gates - 1)
        check_integer("mult", mult, 0, 2**MULT_BITS - 1)
        check_integer("shift", shift, 0, 2**SHIFT_BITS - 1)
        self.scale[self._gate == gate] = mult * 2.0 ** -(shift + coarser)
        self.changes += 1
        if self.spares:
            self.spares.set_gain(gate, mult, shift)

    def new_sequence(self, begins: bool | np.ndarray = True) -> None:
        """Say that sequences begin: noise that lasts (per sequence, telegraph, 1/f) is drawn afresh.

        ``begins`` is True for a single sequence, or a mask (B,) over a batch, whose size the next reads have.
        """
        self.slow_noise.begin(np.atleast_1d(begins))
        self.changes += 1
        if self.spares:
            self.spares.new_sequence(begins)

    def begin_reads(self, number: int) -> None:
        """Draw from now on what changes from read to read from streams of its own, which ``number`` tells apart.

        The chip stays the same one: parts of its sequences that run apart have noise that others do not decide.
        """
        check_integer("number of the reads", number, 0, 2**31 - 1)
        self._read_rng = stream(self._seed, 2, number)
        known = self.layer, self.config, self._cell_array, self._sums, self._share
        self.slow_noise = SlowNoise(*known, child(self._seed, 11, number))
        self.changes += 1
        if self.spares:
            self.spares.begin_reads(number)

    def convert_all(self, drive) -> np.ndarray:
        """ADC codes of all columns in physical order: (B, columns) for ``drive`` (B, rows); int64."""
        drive = check_drive(drive, self._row_top)
        codes = self._convert(np.atleast_2d(drive))
        return codes[0] if drive.ndim == 1 else codes

    def convert_step(self, drive, step: int) -> np.ndarray:
        """ADC codes (K,) of one diagnostic conversion: of each ADC's column ``step``, afresh, for ``drive`` (rows,).

        It takes a time step of the noise that lasts. Nothing is drawn for columns that are not read.
        """
        check_integer("step", step, 0, self.layer.conversions - 1)
        drive = np.atleast_2d(check_drive(drive, self._row_top))
        return self._convert(drive, np.arange(step, self.layer.columns, self.layer.conversions))[0]

    def _convert(self, drive: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        level = self.analog(drive, columns)
        if self.adcs or self.adjustments.trimmed:
            return self._trimmable.convert(level, self._read_rng, columns)
        return np.clip(np.floor(level), *signed_range(self.layer.adc_bits)).astype(np.int64)

    def analog(self, drive: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """What the converters see, in LSB: (B, columns) float64 for ``drive`` (B, rows). One reading.

        Of all columns, or those of some physical numbers in ascending order.
        """
        rows = self.dacs.levels(drive, self._read_rng) if self.dacs else drive.astype(np.float64)
        level = self._sensed(rows, columns)
        places, numbers = self.adjustments.replaced
        if columns is not None and len(places):
            read = np.isin(places, columns)
            places, numbers = np.searchsorted(columns, places[read]), numbers[read]
        if self.spares and len(places):
            level[:, places] = self.spares._sensed(rows, numbers)
        return level

    def _sensed(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """What the columns, or some of them, give for levels (B, rows) of the DACs, in LSB."""
        held, some = self._hold(), slice(None) if columns is None else columns
        scale = self.scale[some]
        offset = held.offset if held.offset is None else held.offset[..., some]
        if offset is not None and self.slope:
            offset = self.slope.of(rows) @ offset
        rows = (self.curve.bend(rows) if self.curve else rows) * self._row_drive
        with one_blas_thread() if len(rows) > 1 else nullcontext():  # BLAS does not share a single row
            sums = rows @ held.weights[:, some] + self.slow_noise.column_sums(rows, held.cells, columns)
            sigma, reference = self._read_sigma(rows, columns)
        level = (sums if offset is None else sums + offset) * scale
        if sigma is not None:
            level += sigma * self._read_rng.standard_normal(level.shape)
        if reference is not None:
            level -= scale * (reference * self._read_rng.standard_normal((len(rows), 1)))
        return self.readouts.read(level, some) if self.readouts else level

    @property
    def offsets(self) -> np.ndarray | None:
        """What offsets of sense amplifiers add to the column sums, in physical order: (columns,); None: nothing.

        Where there is a :attr:`slope`, (rows, columns): each row's share, to be multiplied by its slope.
        """
        return self._hold().offset

    def effective(self) -> np.ndarray:
        """Weights as the array holds them now, in codes: (rows, columns) float64, without what changes in reads."""
        return self._hold().weights

    def fresh_variance(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of a column's sum by noise that is new in every step: (width,), (rows, width), (rows, width).

        Times 1, |d| and d^2 of the rows, added. width is the number of columns, in physical order, and one more if
        there is a reference column. The converter's noise is left out.
        """
        return self._hold().fresh

    @property
    def numbers_per_sequence(self) -> int:
        """Numbers that a batch holds for each of its sequences."""
        return self.slow_noise.numbers_per_sequence

    @property
    def has_cells(self) -> bool:
        """Is it made of cells, not of ideal weights?"""
        return self._cell_array is not None

    @property
    def cell_array(self) -> CellArray:
        """Its cells; raises :class:`DesignError` where it has ideal weights."""
        return _of_cells(self._cell_array)

    @property
    def conductances(self) -> np.ndarray:
        """Conductances (S) of the cells: (planes, rows, width); raises :class:`DesignError` where there are none."""
        return _of_cells(self._hold().cells).conductances

    @property
    def _age(self) -> float:
        """Of cells that were programmed just now."""
        return self.config.cells.seconds if self.config.cells else 0.0

    def _adjusted(self) -> None:
        self._trimmable.host_trims = np.stack([self.adjustments.offset, self.adjustments.gain])
        self.changes += 1

    def _changed(self) -> None:
        self._held = None
        self.changes += 1

    def _hold(self) -> _Held:
        """What the array holds since it was programmed last."""
        if self._held is None:
            cells = self._cell_array.program(self.levels, self.writes, self.ages) if self._cell_array else None
            weights = self._sums.weights(cells.weights) if cells else self.levels.astype(np.float64)
            sigma = self.config.weight_sigma(self.layer, "per_programming")
            if sigma:
                noise = self._write_noise.deviates(self.writes) * sigma
                weights = weights + self._sums.weights(noise, 10 * sigma)
            self._held = _Held(weights, cells, self._fresh_variance(cells), self._offset(cells))
        return self._held

    def _offset(self, cells: ProgrammedCells | None) -> np.ndarray | None:
        if cells is None or cells.offsets is None:
            return None
        if self.slope is None:
            return cells.offsets.sum(axis=0)
        largest = len(cells.offsets) * self.slope.most * DacBank.GRID * np.abs(cells.offsets).max()
        return on_grid(cells.offsets, largest or 1.0)

    def _fresh_variance(self, cells: ProgrammedCells | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = self.levels.shape
        ideal = np.zeros(shape[1]), np.zeros(shape), np.zeros(shape)
        constant, absolute, squared = cells.variances if cells else ideal
        squared = squared.copy()
        squared[:, : shape[1]] += self.config.weight_sigma(self.layer, "per_step") ** 2
        return constant, self._sums.variances(absolute, 1), self._sums.variances(squared, 2)

    def _read_sigma(
        self, rows: np.ndarray, columns: np.ndarray | None = None
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Standard deviation of all that is fresh in each reading: in LSB for the columns, None if nothing is.

        The second is that of the reference column, (B, 1) in units of the column sum, where there is one. Weight
        noise that is fresh in every step is drawn at the column: a sum of independent Gaussians of variance
        d^2 sigma^2 each is Gaussian, and independent from column to column and from step to step.
        """
        constant, absolute, squared = self._hold().fresh
        scale = self.scale
        if columns is not None:
            reference = np.arange(self.layer.columns, len(constant))
            some, scale = np.concatenate([columns, reference]), scale[columns]
            constant, absolute, squared = constant[some], absolute[:, some], squared[:, some]
        variance = np.broadcast_to(constant, (len(rows), len(constant)))
        if absolute.any():
            variance = variance + np.abs(rows) @ absolute
        if squared.any():
            squares = rows * rows if self._grid == 1 else np.round(rows * rows * self._grid) / self._grid
            variance = variance + squares @ squared
        own, reference = variance[:, : len(scale)], variance[:, len(scale) :]
        own = own * scale**2 + self.config.conversion_sigma**2
        return np.sqrt(own) if own.any() else None, np.sqrt(reference) if reference.any() else None


def _of_cells(part: Part | None) -> Part:
    """``part``, which arrays of ideal weights lack."""
    if part is None:
        raise DesignError("the array must have cells, not ideal weights")
    return part

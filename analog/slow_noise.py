"""Noise of one array that outlasts a time step: weight noise per sequence; telegraph, 1/f and read noise of cells."""

import numpy as np

from ..model.formats import DesignError, check_integer
from ..model.layers import Layer
from ..model.seeds import Seed, stream
from .config import ArrayConfig
from .exact_sums import ColumnSums
from .memory.cell_array import CellArray, ProgrammedCells
from .memory.noise import FlickerProcess, TelegraphProcess, resized

COURSES = 32  #: at once, so that they stay in the cache


class SequenceNoise:
    """Gaussian weight noise that is drawn once for a sequence."""

    def __init__(self, sigma: float, layer: Layer, sums: ColumnSums, rng: np.random.Generator) -> None:
        self._sigma, self._sums, self._rng = sigma, sums, rng
        self._noise = np.zeros((0, layer.rows, layer.columns))
        self.size = layer.rows * layer.columns  #: numbers kept for each course

    def begin(self, begins: np.ndarray) -> None:
        """Draw it for the courses of the mask ``begins``."""
        self._noise = resized(self._noise, begins)
        drawn = self._rng.standard_normal((int(begins.sum()), *self._noise.shape[1:]))
        self._noise[begins] = self._sums.weights(drawn * self._sigma, 10 * self._sigma)

    def sample(self) -> np.ndarray:
        """(courses, rows, columns) in weight codes."""
        return self._noise


class CellNoise:
    """Telegraph noise cell by cell; 1/f noise weight by weight, as the cells of one add up to one such process."""

    def __init__(self, cells: CellArray, sums: ColumnSums, seed: Seed) -> None:
        self._cells, self._sums = cells, sums
        device, mapping = cells.cells.device, cells.mapping
        seconds = cells.cells.step_time(mapping.layer)
        self._telegraph = self._flicker = None
        if device.telegraph:
            traps = int(cells.traps.sum())
            self._telegraph = TelegraphProcess(device.telegraph, traps, seconds, stream(seed, 6))
        if device.flicker:
            self._flicker = FlickerProcess(device.flicker, mapping.shape[1:], seconds, stream(seed, 7))
        self._processes = [process for process in (self._telegraph, self._flicker) if process]
        self.size = sum(process.size for process in self._processes)  #: numbers kept for each course

    def begin(self, begins: np.ndarray) -> None:
        """Start the courses of the mask ``begins`` in equilibrium."""
        for process in self._processes:
            process.begin(begins)

    def sample(self, programmed: ProgrammedCells) -> np.ndarray:
        """(courses, rows, columns) in weight codes now, then advance by one step."""
        change = np.zeros(self._cells.mapping.shape[1:])
        if self._telegraph:
            change = change + self._cells.weigh_traps(self._telegraph.sample(), programmed.sensed)
        if self._flicker:
            squares = self._cells.mapping.weigh_squares(programmed.sensed**2)
            change = change + self._flicker.sample() * np.sqrt(squares)
        return self._sums.weights(self._cells.gather(change, programmed.plan))

    def sample_some(self, programmed: ProgrammedCells, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(rows, columns) in weight codes now, of some rows and columns; then advance all by one step."""
        plan, mapping = programmed.plan, self._cells.mapping
        places = plan.place[columns] if mapping.paired else np.append(plan.place[columns], mapping.shape[2] - 1)
        change = np.zeros((len(rows), len(places)))
        if self._telegraph:
            change += self._cells.weigh_some(self._telegraph, programmed.sensed, rows, places)
        if self._flicker:
            cells = np.ix_(rows, places)
            squares = mapping.weigh_squares(programmed.sensed[:, cells[0], cells[1]] ** 2)
            change += self._flicker.sample_some(cells) * np.sqrt(squares)
        own = change[:, : len(columns)]
        return self._sums.weights(own * plan.gain[columns] if mapping.paired else own - change[:, -1:])


class LastingReadNoise:
    """Read noise that stays as it is for a sequence, drawn weight by weight."""

    def __init__(self, cells: CellArray, sums: ColumnSums, rng: np.random.Generator) -> None:
        self._cells, self._sums, self._rng = cells, sums, rng
        layer, paired = cells.mapping.layer, cells.mapping.paired
        self._drawn = np.zeros((0, layer.rows, layer.columns + (not paired)), dtype=np.float32)
        self._noise: np.ndarray | None = None  # of the cells below, for the courses under way
        self._programmed: ProgrammedCells | None = None
        self.size = 2 * layer.rows * layer.columns  #: numbers kept for each course

    def begin(self, begins: np.ndarray) -> None:
        """Draw it for the courses of the mask ``begins``."""
        self._drawn = resized(self._drawn, begins)
        drawn = self._rng.standard_normal((int(begins.sum()), *self._drawn.shape[1:]), dtype=np.float32)
        if begins.all():
            self._drawn = drawn
        else:
            self._drawn[begins] = drawn
        self._noise = None

    def sample(self, programmed: ProgrammedCells) -> np.ndarray:
        """(courses, rows, columns) in weight codes."""
        if self._noise is None or self._programmed is not programmed:
            mapping, plan = self._cells.mapping, programmed.plan
            squares = mapping.weigh_squares((programmed.sensed * programmed.read_noise) ** 2)
            sigma = np.sqrt(self._cells.lasting * squares)
            columns = sigma[:, plan.place] * np.abs(plan.gain)  # of a pair, whose sign does not matter
            self._noise, self._programmed = np.empty((len(self._drawn), *columns.shape)), programmed
            for start in range(0, len(self._drawn), COURSES):
                drawn = self._drawn[start : start + COURSES]
                noise = drawn[..., : mapping.layer.columns] * columns
                if not mapping.paired:
                    noise -= drawn[..., -1:] * sigma[:, -1:]
                self._noise[start : start + COURSES] = self._sums.weights(noise, 10 * float(sigma.max()))
        return self._noise


class SlowNoise:
    """All of it, true if there is any; a batch has one course for every ``share`` neighbouring sequences."""

    def __init__(
        self, layer: Layer, config: ArrayConfig, cells: CellArray | None, sums: ColumnSums, share: int, seed: Seed
    ) -> None:
        self._share = check_integer("sequences that share noise", share, 1, 1_000_000)
        self._layer = layer
        self._sequence = self._cells = self._read = None
        sigma = config.weight_sigma(layer, "per_sequence")
        if sigma:
            self._sequence = SequenceNoise(sigma, layer, sums, stream(seed, 1))
        if cells and (cells.cells.device.telegraph or cells.cells.device.flicker):
            self._cells = CellNoise(cells, sums, seed)
        self._sources: list[SequenceNoise | CellNoise | LastingReadNoise]
        self._sources = [source for source in (self._sequence, self._cells) if source]
        self._array_cells, self._sums, self._seed = cells, sums, seed
        self._batch = 0  # sequences under way
        self.grow_old()

    def grow_old(self) -> None:
        """Note that the cells have aged: read noise of some begins to last."""
        cells = self._array_cells
        if self._read is None and cells and cells.lasting and cells.cells.device.read_sigma:
            self._read = LastingReadNoise(cells, self._sums, stream(self._seed, 8))
            self._sources.append(self._read)
            self._batch = 0  # a batch under way begins anew

    def __bool__(self) -> bool:
        return bool(self._sources)

    @property
    def numbers_per_sequence(self) -> int:
        """Numbers that a batch holds for each of its sequences: noise that lasts, or else one reading."""
        lasting = -(-sum(source.size for source in self._sources) // self._share)
        return lasting + (0 if self._sequence else self._layer.rows + self._layer.columns)

    def begin(self, begins: np.ndarray) -> None:
        """Begin the sequences of the mask ``begins`` (B,)."""
        self._batch = len(begins)
        if self._share > 1 and begins.any() != begins.all():
            raise DesignError(f"a batch of {len(begins)} sequences that share noise must begin as a whole")
        for source in self._sources:
            source.begin(begins[:: self._share])

    def column_sums(
        self, rows: np.ndarray, programmed: ProgrammedCells | None, columns: np.ndarray | None = None
    ) -> np.ndarray | float:
        """What a step of the noise adds to the column sums (B, columns) of ``rows`` (B, rows).

        Of some ``columns`` alone, if they are given: then the noise of no other cell is drawn before it is needed.
        """
        if not self:
            return 0.0
        if self._batch != len(rows):
            self.begin(np.ones(len(rows), dtype=bool))
        if columns is not None:
            if len(rows) == 1:
                return self._some_sums(rows[0], programmed, columns)
            return self.column_sums(rows, programmed)[:, columns]  # pyright: ignore[reportIndexIssue]
        courses = np.zeros((-(-len(rows) // self._share), self._share, self._layer.rows))
        courses.reshape(-1, self._layer.rows)[: len(rows)] = rows
        sums = np.zeros((*courses.shape[:2], self._layer.columns))
        if self._sequence:
            sums += courses @ self._sequence.sample()
        if self._cells and programmed:
            sums += courses @ self._cells.sample(programmed)
        if self._read and programmed:
            sums += courses @ self._read.sample(programmed)
        return sums.reshape(-1, self._layer.columns)[: len(rows)]

    def _some_sums(self, row: np.ndarray, programmed: ProgrammedCells | None, columns: np.ndarray) -> np.ndarray:
        """The same of a single reading (rows,) and some columns: (1, n). Rows at ground add nothing."""
        driven = np.flatnonzero(row)
        level, some = row[driven], np.ix_(driven, columns)
        sums = np.zeros(len(columns))
        if self._sequence:
            sums += level @ self._sequence.sample()[0][some]
        if self._cells and programmed:
            sums += level @ self._cells.sample_some(programmed, driven, columns)
        if self._read and programmed:
            sums += level @ self._read.sample(programmed)[0][some]
        return sums[None]

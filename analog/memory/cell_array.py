"""The cells of one array: everything random about them that stays, from one seed; and what they are programmed to."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...model.formats import DesignError
from ...model.layers import Layer
from ...model.seeds import Seed, child, stream
from ..circuit.compensate import compensate_pair
from ..circuit.offset import offset_currents
from ..circuit.selection import selected_matrix
from ..circuit.tiles import tile_slices, tiled_matrix
from ..circuit.wires import WireConfig, effective_matrix
from . import repair
from .amplifiers import Amplifiers
from .cells import Cells
from .mapping import Mapping
from .noise import TelegraphProcess, WriteNoise, shot_noise, thermal_noise
from .programming import ProgramReport, WriteVerify, write_verify
from .pulsed_cells import PulsedCells

NO_REPAIR = repair.Repair(partner=False, flip=False)
MAX_SIEMENS = 1e3  #: S, of a cell
COMPENSATION_STEPS = 3


@dataclass(frozen=True, eq=False)
class ProgrammedCells:
    """Cells as they are until they are programmed again.

    ``variances`` are those of :meth:`CellArray.read_variances`, of the columns in their order, and last of the
    reference column if there is one.
    """

    plan: repair.Plan
    conductances: np.ndarray  #: S, (planes, rows, width)
    sensed: np.ndarray  #: the same as read through the wires
    read_noise: np.ndarray  #: q of the cells, (planes, rows, width)
    weights: np.ndarray  #: codes (rows, columns), as read through the wires
    variances: tuple[np.ndarray, np.ndarray, np.ndarray]
    #: what amplifiers' offsets add to each column's sum, in the share of each row: (rows, columns); None: nothing
    offsets: np.ndarray | None = None


class CellArray:
    """The cells of one array; arrays of conductances have the shape (planes, rows, width) of its mapping."""

    def __init__(self, layer: Layer, cells: Cells, seed: Seed) -> None:
        if layer.column_tiles > 1 and cells.scheme != "pair":
            raise DesignError(
                f"cells of {layer.macro_name}, whose columns are in {layer.column_tiles} tiles, must be in the "
                f"scheme pair, as each tile would need a reference column, not {cells.scheme}"
            )
        self.mapping = Mapping(layer, cells)
        self.cells = cells
        self._seed = seed
        shape, device = self.mapping.shape, cells.device
        self.device_factor = 1 + device.device_sigma * stream(seed, 0).standard_normal(shape)  #: device to device
        self._drift = stream(seed, 1).standard_normal(shape)
        position = stream(seed, 2).random(shape)
        on, faulty = position < cells.stuck_on, position < cells.stuck_on + cells.stuck_off
        self.stuck = np.where(on, 1, np.where(faulty, -1, 0))  #: 1 stuck on, -1 stuck off, 0 healthy
        self.traps = stream(seed, 3).random(shape) < (device.telegraph.fraction if device.telegraph else 0.0)
        self._trap_numbers = (self.traps.cumsum() - 1).reshape(shape)
        self._lifetime = stream(seed, 5).standard_normal(shape) if device.retention_sigma else 0.0
        self._write_noise = WriteNoise(seed, shape)
        self.offset_volts = self._draw_offsets(cells.amplifiers, stream(seed, 8)) if cells.amplifiers else None
        self._held_noise = WriteNoise(child(seed, 6), shape)  # 1/f noise too slow to change while a chip is read
        #: variances of read noise that stays for a sequence, and that is new in each step, in units of q^2
        self.lasting, self._fresh = 0.0, 0.0
        self.pulsed: PulsedCells | None = None  #: of cells that have taken a pulse from outside
        self._pulsed_plan: repair.Plan | None = None  # theirs: where columns lie, whatever they hold
        self.grow_old(cells.seconds)

    def pulse(self, row: int, column: int, cell: int, up: bool, strong: bool) -> None:
        """Give a cell of a pair a pulse: the positive one, 0, or the negative one, 1.

        From the first on the cells hold what their pulses left, and are random before. Their relaxation after a
        write is left out. Raises :class:`DesignError` for cells that take none.
        """
        if self.pulsed is None:
            self.pulsed = self._begin_pulses()
        self.pulsed.pulse((cell, row, column), up, strong)

    def _begin_pulses(self) -> PulsedCells:
        cells, writer = self.cells, self.cells.writer
        if writer is None:
            raise DesignError("cells must have a writer, to be programmed by pulses")
        if writer.pulse.erase_seconds:
            raise DesignError("cells that are erased all together cannot be programmed by single pulses")
        plain = self.mapping.paired and self.mapping.slices == 1 and not cells.column_scaling
        if not plain or cells.repair or cells.compensate:
            raise DesignError(
                "cells that are programmed by pulses must be pairs of one cell a polarity, without column scaling, "
                "repair and compensation of wires, which are the host's"
            )
        born = stream(self._seed, 4)
        factor = np.exp(writer.pulse.device_sigma * born.standard_normal(self.mapping.shape))
        life = writer.pulse.endurance * np.exp(
            writer.pulse.endurance_sigma * born.standard_normal(self.mapping.shape)
        )
        return PulsedCells(writer, self._limits(), self.stuck != 0, factor, life, self._seed)

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest conductance of each cell, S."""
        device = self.cells.device
        low, high = (limit * np.maximum(self.device_factor, 0.0) for limit in (device.g_min, device.g_max))
        return low, high

    def grow_old(self, seconds: float) -> None:
        """Say how old the oldest cells are: the noise that is faster than ``devices.HELD_BELOW`` is theirs."""
        _, self.lasting, self._fresh = self._read_bands(seconds)

    def _read_bands(self, seconds: float) -> tuple[float, float, float]:
        return self.cells.device.read_bands(seconds, self.cells.step_time(self.mapping.layer))

    def place(self, levels: np.ndarray) -> repair.Plan:
        """Where these weight codes (rows, columns) go, around the stuck cells if the configuration says so."""
        return repair.plan(self.mapping, levels, self.stuck, self.cells.repair or NO_REPAIR)

    def plan(self, levels: np.ndarray) -> repair.Plan:
        """:meth:`place`, with digits that make good for the wires if the configuration says so."""
        placed, device, wires = self.place(levels), self.cells.device, self.cells.wires
        if wires is None or not self.cells.compensate:
            return placed
        positive, negative = self.mapping.conductances(placed.digits)
        pair = compensate_pair(
            positive, negative, wires, device.g_min, device.g_max, steps=COMPENSATION_STEPS, solve=self._through_wires
        )
        digits = (np.stack([pair.positive, pair.negative]) - device.g_min) / self.mapping.unit
        return replace(placed, digits=digits, gain=placed.gain / pair.scale)

    def reach(self, levels: np.ndarray) -> np.ndarray:
        """Codes lowest and highest that weights can have where :meth:`plan` puts them: (2, rows, columns)."""
        return repair.reach(self.mapping, self.place(levels), self.stuck, self.cells.repair)

    def program(self, levels: np.ndarray, writes: np.ndarray, ages: np.ndarray) -> ProgrammedCells:
        """Program weight codes, each ``writes`` times and for the last time ``ages`` s ago: all (rows, columns)."""
        plan = self._pulsed_plan if self.pulsed and self._pulsed_plan else self.plan(levels)
        self._pulsed_plan = plan if self.pulsed else None
        conductances, read_noise = self.conductances(plan, writes, ages)
        columns, gain = plan.place, plan.gain
        if not self.mapping.paired:
            columns, gain = np.append(columns, -1), np.append(gain, 1)
        sensed = self.sensed(conductances)
        weights = self.gather(self.mapping.weigh(sensed), plan)
        variances = self.read_variances(conductances, sensed, read_noise)
        constant, absolute, squared = (part[..., columns] * gain**2 for part in variances)
        offsets = self._offsets(conductances, sensed, plan)
        return ProgrammedCells(
            plan, conductances, sensed, read_noise, weights, (constant, absolute, squared), offsets
        )

    def conductances(self, plan: repair.Plan, writes: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conductances (S) of the cells as they are now, programmed to ``plan``, and q of their read noise.

        ``writes`` (rows, columns) counts how often each weight was programmed: 0 leaves out the error of
        programming. ``ages`` are the seconds since. A reference column is as often programmed as the column that was
        programmed most, and as young as the youngest. Raises :class:`DesignError` for cells that errors and drift
        take above ``MAX_SIEMENS``.
        """
        device = self.cells.device
        target = self.mapping.conductances(plan.digits)
        wide = np.zeros(self.mapping.shape[1:], dtype=np.int64)
        wide[:, plan.place] = writes
        if not self.mapping.paired:
            wide[:, -1] = writes.max(axis=1)
        if self.pulsed:
            programmed = self.pulsed.conductances
        else:
            programmed = self._written(target, plan, wide)
            programmed = programmed + device.programming_sigma(target) * self._write_noise.deviates(wide)
            if self.cells.writer is None:  # a closed loop reads the cell as it is
                programmed = programmed * self.device_factor
            programmed = np.maximum(programmed, 0.0)
        seconds = self._seconds(plan, ages)
        aged = device.aged(programmed, self._drift, seconds, self.cells.kelvin, self._lifetime)
        if aged.max() > MAX_SIEMENS:
            raise DesignError(
                f"{device.name}: cells must conduct at most {MAX_SIEMENS:g} S {np.max(seconds):g} s after "
                f"programming, not {aged.max():.3g} S"
            )
        now = self.with_faults(aged)
        read_noise = device.read_noise(self.with_faults(programmed) if device.read_seconds else now)
        held = np.zeros_like(seconds)
        for age in np.unique(seconds).tolist():
            held[seconds == age] = math.sqrt(self._read_bands(age)[0])
        if held.any() and device.read_sigma:
            now = now * np.maximum(1 + read_noise * (held * self._held_noise.deviates(wide)), 0.0)
        return now, read_noise

    def _seconds(self, plan: repair.Plan, ages: np.ndarray) -> np.ndarray:
        """Age of the cells: () where all are as old, else (rows, width)."""
        if ages.min() == ages.max():
            return np.array(ages.min())
        seconds = np.full(self.mapping.shape[1:], self.cells.seconds)
        seconds[:, plan.place] = ages
        if not self.mapping.paired:
            seconds[:, -1] = ages.min(axis=1)
        return seconds

    def sensed(self, conductances: np.ndarray) -> np.ndarray:
        """What the columns sense of the cells through the wires, S."""
        if self.cells.wires is None:
            return conductances
        return np.array([self._through_wires(plane, self.cells.wires) for plane in conductances])

    def _through_wires(self, conductance: np.ndarray, wires: WireConfig) -> np.ndarray:
        return np.concatenate([self._piece(part, wires) for part in self.column_pieces(conductance)], axis=1)

    def _piece(self, conductance: np.ndarray, wires: WireConfig) -> np.ndarray:
        """The columns of one column tile behind its wires."""
        tile, unselected = self.cells.tile, self.cells.unselected
        if unselected != "grounded":
            return selected_matrix(conductance, wires, self.mapping.layer.conversions, unselected, tile)
        return tiled_matrix(conductance, wires, tile, tile) if tile else effective_matrix(conductance, wires)

    def column_pieces(self, wide) -> list[np.ndarray]:
        """(rows, width) by column tiles; columns that stand in for others lie in the last one."""
        return np.split(wide, [part.start for part in self.mapping.layer.column_slices[1:]], axis=-1)

    def _draw_offsets(self, amplifiers: Amplifiers, rng: np.random.Generator) -> np.ndarray:
        """Volts of the amplifiers: (planes, tiles of rows, ADCs and one of a reference column)."""
        planes, rows, width = self.mapping.shape
        tile = self.cells.tile
        tiles = len({part[0].start for part in tile_slices(rows, width, tile or rows, tile or width)})
        return amplifiers.draw((planes, tiles, self.mapping.layer.adcs + 1), rng)

    def _offsets(self, conductances: np.ndarray, sensed: np.ndarray, plan: repair.Plan) -> np.ndarray | None:
        """:attr:`ProgrammedCells.offsets`; a reference column is read as if it were selected alone."""
        if self.offset_volts is None:
            return None
        layer, width = self.mapping.layer, self.mapping.shape[2]
        number = np.arange(layer.columns)
        volts, conversion = np.zeros((*self.offset_volts.shape[:2], width)), np.full(width, -1)
        volts[..., plan.place] = self.offset_volts[..., number // layer.conversions]
        conversion[plan.place] = number % layer.conversions
        if not self.mapping.paired:
            volts[..., -1], conversion[-1] = self.offset_volts[..., -1], layer.conversions
        cells, found = self.cells, np.zeros(self.mapping.shape)
        for plane, siemens, own, change in zip(conductances, sensed, volts, found):
            pieces = zip(*(self.column_pieces(each) for each in (plane, own, conversion[None])))
            amperes = np.concatenate(
                [offset_currents(p, cells.wires, v, c[0], cells.unselected, cells.tile) for p, v, c in pieces]
            )
            total = siemens.sum(axis=0)
            change[:] = siemens * np.divide(amperes, total, out=np.zeros_like(total), where=total > 0)
        return self.gather(self.mapping.weigh(found), plan) / self.mapping.code_voltage

    def weigh_traps(self, changes: np.ndarray, sensed: np.ndarray) -> np.ndarray:
        """(B, rows, width) in weight codes of the relative changes (B, traps) of the cells that have a trap.

        ``sensed`` (S) is :meth:`sensed`: of a change dG, its share of G arrives.
        """
        wide = np.zeros((len(changes), *self.mapping.shape[1:]))
        start = 0
        for plane, traps, weight in zip(sensed, self.traps, self.mapping.digit_weights / self.mapping.unit):
            stop = start + int(traps.sum())
            wide[:, traps] += changes[:, start:stop] * (plane[traps] * weight)
            start = stop
        return wide

    def weigh_some(
        self, process: TelegraphProcess, sensed: np.ndarray, rows: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """A sample of the traps of some cells as weight codes: (rows, places); see :meth:`weigh_traps`."""
        some = np.ix_(np.arange(len(self.traps)), rows, places)
        traps = self.traps[some]
        changes = np.zeros(traps.shape)
        changes[traps] = process.sample_some(self._trap_numbers[some][traps])
        return np.tensordot(changes * sensed[some], self.mapping.digit_weights / self.mapping.unit, axes=(0, 0))

    def gather(self, wide: np.ndarray, plan: repair.Plan) -> np.ndarray:
        """(..., columns) from (..., width): each column from its place, less the reference column if there is one."""
        columns = wide[..., plan.place]
        return columns * plan.gain if self.mapping.paired else columns - wide[..., -1:]

    def program_report(self, levels: np.ndarray, write: int = 1) -> ProgramReport:
        """Program all cells by write and verify for the ``write``-th time, from a random start.

        Cells that differ from device to device have ranges of their own. Pulses of earlier writes count for their
        endurance: each took as many as this one would if it were the first, on average. Raises :class:`DesignError`
        for cells without a writer.
        """
        if self.cells.writer is None:
            raise DesignError("cells must have a writer, to be programmed by write and verify")
        return self._write(self.plan(levels), self.cells.writer, write)

    def _write(self, plan: repair.Plan, writer: WriteVerify, write: int) -> ProgramReport:
        earlier = self.cells.earlier_writes + write - 1
        if not earlier:
            return self._pulse(plan, writer, write, 0.0)
        return self._pulse(plan, writer, write, earlier * float(self._pulse(plan, writer, write, 0.0).pulses.mean()))

    def _pulse(self, plan: repair.Plan, writer: WriteVerify, write: int, worn: float) -> ProgramReport:
        """A write of cells that have seen ``worn`` pulses before."""
        target = self.mapping.conductances(plan.digits)
        rng = stream(self._seed, 1_000_000 + write)
        low, high = self._limits()
        place = rng.random(target.shape)  # between its ends, or at one of them
        start = self.with_faults(low + (high - low) * (np.round(place) if writer.switch else place))
        unit, stuck, born = self.mapping.unit, self.stuck != 0, stream(self._seed, 4)
        past = np.full(target.shape, worn)
        return write_verify(target, start, (low, high), unit, writer, rng, stuck, past, born)

    def _written(self, target: np.ndarray, plan: repair.Plan, writes: np.ndarray) -> np.ndarray:
        """Conductances after programming: those of the write that each cell saw last."""
        writer = self.cells.writer
        if writer is None:
            return target
        for write in np.unique(writes[writes > 0]).tolist():
            target = np.where(writes == write, self._write(plan, writer, write).conductances, target)
        return target

    def with_faults(self, conductances: np.ndarray) -> np.ndarray:
        """The same with stuck cells at their rail."""
        device = self.cells.device
        return np.select([self.stuck > 0, self.stuck < 0], [device.g_max, device.g_min], conductances)

    def read_variances(
        self, conductances: np.ndarray, sensed: np.ndarray, read_noise: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of a column's sum by noise that is new in every step, (width,), (rows, width), (rows, width).

        The three parts are to be multiplied by 1, by |d| and by d^2 of the rows and added: thermal noise, shot
        noise, read noise of the cells (``read_noise`` is its q) as far as it is new in every step. Behind wires a
        cell's noise arrives as its current does: each variance is multiplied by the square of ``sensed`` /
        ``conductances``.
        """
        cells, mapping = self.cells, self.mapping
        square_unit = mapping.unit_current**2
        squares, read = conductances, (conductances * read_noise) ** 2 * self._fresh
        if sensed is not conductances:
            share = np.divide(sensed, conductances, out=np.zeros_like(sensed), where=conductances > 0) ** 2
            squares, read = squares * share, read * share
        band = cells.noise_bandwidth(mapping.layer)
        weighted = mapping.weigh_squares(squares) * mapping.unit**2  # S, mirrors squared
        none = np.zeros_like(weighted)
        thermal = thermal_noise(cells.kelvin, band) / square_unit * weighted.sum(axis=0)
        shot = shot_noise(band) * mapping.code_voltage / square_unit * weighted
        read = mapping.weigh_squares(read)
        return (thermal if cells.thermal else none[0]), (shot if cells.shot else none), read

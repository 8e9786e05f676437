"""How weights become conductances, and what the cells of one chip do to them.

A weight code w of -L..L is held by ``slices`` cells of fewer levels, each a digit of it, most in one of two ways:

- ``pair``: the digits of |w| in a cell of the positive or of the negative plane, the other cell at g_min;
- ``offset``: the digits of w + L in one cell; a reference column, one for the whole array, holds the digits of L
  in every row, and its sum is taken away from each column's.

Slices of one weight are added before the converter, by current mirrors of ratio base^k. Cells lie in planes of
shape (rows, width): width is the number of columns, with the reference column as the last one for ``offset``.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..model.design import Layer, check_choice
from ..model.formats import DesignError, check_integer, full_scale
from .devices import Device
from .noise import BOLTZMANN, ELECTRON, check_number
from .programming import ProgramReport, WriteVerify, write_verify

SCHEMES = ("pair", "offset")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells of an array: device, mapping, age, faults, and the timing of reads, which decides the noise they pass."""

    device: Device
    scheme: str = "pair"
    slices: int = 0  #: cells that share a weight; 0: as few as the device's levels allow
    seconds: float = 0.0  #: since programming
    kelvin: float = 300.0
    stuck_on: float = 0.0  #: share of cells that are stuck at g_max
    stuck_off: float = 0.0  #: share of cells that are stuck at g_min
    thermal: bool = False  #: Johnson-Nyquist noise of the cells
    shot: bool = False
    bandwidth: float = 5e6  #: Hz, of a conversion: 1 / (2 * 100 ns), the paper's time per column
    step_seconds: float = 1.6e-6  #: from one time step to the next: 16 conversions of 100 ns
    writer: WriteVerify | None = None  #: closed-loop programming; the device's programming error comes on top

    def __post_init__(self) -> None:
        check_choice("cell scheme", self.scheme, SCHEMES)
        check_integer("slices", self.slices, 0, 16)
        check_number("seconds since programming", self.seconds, 0.0, 1e12)
        check_number("temperature in kelvin", self.kelvin, 1.0, 1000.0)
        check_number("stuck-on share", self.stuck_on, 0.0, 1.0)
        check_number("stuck-off share", self.stuck_off, 0.0, 1.0 - self.stuck_on)
        check_number("bandwidth", self.bandwidth, 1.0, 1e12)
        check_number("seconds of a step", self.step_seconds, 1e-12, 1e6)


class Mapping:
    """Digits and conductances of a layer's weight codes. Raises :class:`DesignError` if they do not fit the cells."""

    def __init__(self, layer: Layer, cells: Cells) -> None:
        self.layer, self.cells = layer, cells
        self.top = full_scale(layer.weight_bits)
        self.largest = self.top if cells.scheme == "pair" else 2 * self.top  #: largest number in the digits
        levels = cells.device.levels
        fewest = next(s for s in range(1, 65) if levels**s > self.largest)
        self.slices = cells.slices or fewest
        if self.slices < fewest:
            raise DesignError(
                f"{self.slices} {cells.device.name} cells of {levels} levels cannot hold a weight of "
                f"{layer.weight_bits} bits; slices must be at least {fewest}"
            )
        self.base = next(b for b in range(2, self.largest + 2) if b**self.slices > self.largest)
        paired = cells.scheme == "pair"
        self.width = layer.columns + (0 if paired else 1)
        self.shape = (self.slices * (2 if paired else 1), layer.rows, self.width)  #: planes, rows, width

    @cached_property
    def unit(self) -> float:
        """Conductance (S) of one level of a digit."""
        return (self.cells.device.g_max - self.cells.device.g_min) / (self.base - 1)

    @cached_property
    def factors(self) -> np.ndarray:
        """Weight codes for each siemens of each plane: (planes,)."""
        slices = self.base ** np.arange(self.slices, dtype=np.float64)
        signs = (1.0, -1.0) if self.cells.scheme == "pair" else (1.0,)
        return np.array([sign * slice_ for slice_ in slices for sign in signs]) / self.unit

    @property
    def unit_current(self) -> float:
        """Current (A) that stands for 1 in the column sum: one DAC code over one weight code."""
        return self.cells.device.read_voltage / full_scale(self.layer.dac_bits) * self.unit

    def digits(self, levels: np.ndarray) -> np.ndarray:
        """Digits of weight codes (rows, columns): (planes, rows, width)."""
        if self.cells.scheme == "pair":
            numbers = [np.maximum(levels, 0), np.maximum(-levels, 0)]
        else:
            numbers = [np.concatenate([levels + self.top, np.full((len(levels), 1), self.top)], axis=1)]
        return np.array([number // self.base**k % self.base for k in range(self.slices) for number in numbers])

    def targets(self, levels: np.ndarray) -> np.ndarray:
        """Conductances (S) that hold weight codes (rows, columns): (planes, rows, width)."""
        return self.cells.device.g_min + self.unit * self.digits(levels)

    def join(self, planes: np.ndarray) -> np.ndarray:
        """Weight codes (..., rows, columns) of conductances (..., planes, rows, width)."""
        return self.subtract(self.weigh(planes))

    def weigh(self, planes: np.ndarray) -> np.ndarray:
        """(..., rows, width) in weight codes of conductances (..., planes, rows, width): slices and pairs joined."""
        return np.tensordot(planes, self.factors, axes=(-3, 0))

    def join_squares(self, planes: np.ndarray) -> np.ndarray:
        """Variances of independent conductances (planes, rows, width) as variances of weights (rows, width)."""
        return np.tensordot(planes, self.factors**2, axes=(0, 0))

    def subtract(self, wide: np.ndarray) -> np.ndarray:
        """(..., columns) from (..., width): take the reference column away, if there is one."""
        return wide if self.cells.scheme == "pair" else wide[..., :-1] - wide[..., -1:]


class Chip:
    """The cells of one array of one chip: everything random that stays, from one seed."""

    def __init__(self, layer: Layer, cells: Cells, seed: np.random.SeedSequence) -> None:
        self.mapping = Mapping(layer, cells)
        self.cells = cells
        self._seed = seed
        shape = self.mapping.shape
        self.device_factor = 1 + cells.device.device_sigma * self._normal(0)  #: device to device
        self._drift = self._normal(1)
        position = self.stream(2).random(shape)
        self.stuck = np.where(
            position < cells.stuck_on, 1, np.where(position < cells.stuck_on + cells.stuck_off, -1, 0)
        )
        """(planes, rows, width): 1 stuck on, -1 stuck off, 0 healthy."""
        law = cells.device.telegraph
        self.traps = self.stream(3).random(shape) < (law.fraction if law else 0.0)
        self._generations: dict[int, np.ndarray] = {}

    def stream(self, key: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that no draw depends on another's size."""
        seed = np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, key))
        return np.random.Generator(np.random.SFC64(seed))

    def _normal(self, key: int) -> np.ndarray:
        return self.stream(key).standard_normal(self.mapping.shape)

    def conductances(self, levels: np.ndarray, writes: np.ndarray) -> np.ndarray:
        """Conductances (S) of the cells as they are now: (planes, rows, width).

        ``writes`` (rows, columns) counts how often each weight was programmed: 0 leaves out the error of
        programming. A reference column is as often programmed as the column that was programmed most.
        """
        device, mapping = self.cells.device, self.mapping
        target = mapping.targets(levels)
        if mapping.cells.scheme == "offset":
            writes = np.concatenate([writes, writes.max(axis=1, keepdims=True)], axis=1)
        programmed = self._written(target, levels, writes)
        programmed = programmed + device.programming_sigma(target) * self._programming_deviates(writes)
        programmed = np.maximum(programmed * self.device_factor, 0.0)
        aged = device.aged(programmed, self._drift, self.cells.seconds, self.cells.kelvin)
        return self.with_faults(aged)

    def program_report(self, levels: np.ndarray, write: int = 1) -> ProgramReport:
        """Program all cells by write and verify for the ``write``-th time, from a random start."""
        device = self.cells.device
        target = self.mapping.targets(levels)
        rng = self.stream(1_000_000 + write)
        start = self.with_faults(device.g_min + (device.g_max - device.g_min) * rng.random(target.shape))
        limits = device.g_min, device.g_max
        return write_verify(target, start, limits, self.mapping.unit, self.cells.writer, rng, self.stuck != 0)

    def _written(self, target: np.ndarray, levels: np.ndarray, writes: np.ndarray) -> np.ndarray:
        """Conductances after programming: those of the write that each cell saw last."""
        if self.cells.writer is None:
            return target
        for write in np.unique(writes[writes > 0]).tolist():
            report = self.program_report(levels, write)
            target = np.where(writes == write, report.conductances, target)
        return target

    def with_faults(self, conductances: np.ndarray) -> np.ndarray:
        """The same with stuck cells at their rail."""
        device = self.cells.device
        return np.select([self.stuck > 0, self.stuck < 0], [device.g_max, device.g_min], conductances)

    def _programming_deviates(self, writes: np.ndarray) -> np.ndarray:
        deviates = np.zeros(self.mapping.shape)
        for write in np.unique(writes[writes > 0]).tolist():
            if write not in self._generations:
                self._generations[write] = self._normal(100 + write)
            deviates = np.where(writes == write, self._generations[write], deviates)
        return deviates

    def read_variances(self, conductances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of a column's sum by noise that is new in every step, (width,), (rows, width), (rows, width).

        The three parts are to be multiplied by 1, by |d| and by d^2 of the rows and added: thermal noise, shot
        noise, read noise of the cells.
        """
        cells, mapping = self.cells, self.mapping
        square_unit = mapping.unit_current**2
        weighted = mapping.join_squares(conductances) * mapping.unit**2  # S, mirrors squared
        none = np.zeros_like(weighted)
        thermal = 4 * BOLTZMANN * cells.kelvin * cells.bandwidth / square_unit * weighted.sum(axis=0)
        code_voltage = cells.device.read_voltage / full_scale(mapping.layer.dac_bits)
        shot = 2 * ELECTRON * cells.bandwidth * code_voltage / square_unit * weighted
        read = mapping.join_squares(cells.device.read_noise(conductances) ** 2)
        return (thermal if cells.thermal else none[0]), (shot if cells.shot else none), read

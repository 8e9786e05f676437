"""The data sheet of one layer's array: cells, wires, noise budget, cures. What ``ohmgate array`` tells."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...model.design import Design
from ...model.formats import DesignError, check_integer, symmetric_codes
from ...model.layers import Layer
from ...model.layout import row_drive, row_top
from ...model.network import LayerData, Network
from ..array import Array
from ..circuit.power import row_currents
from ..circuit.tiles import tiled_ir_drop
from ..circuit.wires import WireConfig, column_loss
from ..config import PRESETS, ArrayConfig
from ..inference import build_arrays
from .budget import Budget, noise_budget, random_drives
from .cures import TILE, Outcome, outcomes, sensed_matrix

CELL_PRESETS = tuple(name for name, config in PRESETS.items() if config.cells)  #: presets with cells
INPUTS = 500  #: random inputs on which readings are compared


@dataclass(frozen=True, eq=False)
class Datasheet:
    """A programmed array with cells, its gains (gates, 2) as mult and shift, the seed of its chip and of inputs."""

    array: Array
    gains: np.ndarray
    seed: int

    @property
    def layer(self) -> Layer:
        return self.array.layer

    @property
    def wires(self) -> WireConfig:
        """Those of the configuration; none are wires of 0 ohm."""
        return self.array.cell_array.cells.wires or WireConfig()

    @property
    def conductances(self) -> np.ndarray:
        """Conductances (S) of this chip's cells, with all errors of programming: (planes, rows, width)."""
        return self.array.conductances

    @cached_property
    def effective(self) -> np.ndarray:
        """:attr:`conductances` as sensed through the wires, (planes, rows, width) in siemens."""
        tile = self.array.cell_array.cells.tile
        return np.array([sensed_matrix(plane, self.wires, tile) for plane in self.conductances])

    @cached_property
    def losses(self) -> np.ndarray:
        """Share of each column's current that the wires take with every row on: (planes, width)."""
        return np.array([column_loss(g, e) for g, e in zip(self.conductances, self.effective)])

    @cached_property
    def lost_volts(self) -> np.ndarray:
        """Voltage that each cell of the first plane misses with every row at full scale: (rows, width)."""
        volts, tile = self.volts(self.drive("full")), self.array.cell_array.cells.tile
        drop = tiled_ir_drop(self.conductances[0], self.wires, volts, tile)
        return volts[:, None] - (drop.row - drop.column)

    @cached_property
    def driver_currents(self) -> np.ndarray:
        """Current (A) of each row's drivers with every row at full scale: (planes, rows)."""
        volts, tile = self.volts(self.drive("full")), self.array.cell_array.cells.tile
        return np.array([row_currents(plane, self.wires, volts, tile) for plane in self.conductances])

    @cached_property
    def power(self) -> tuple[float, float]:
        """Power (W) of a read, all planes: with every row at full scale, and on random inputs.

        On random inputs the wires save the share that they save at full scale.
        """
        full = self.volts(self.drive("full"))
        drives = random_drives(self.layer, INPUTS, np.random.default_rng(self.seed))
        squares = self.array.cell_array.mapping.volts(drives) ** 2
        most, plain = self.driver_currents.sum(axis=0) @ full, self.conductances.sum(axis=(0, 2))
        return float(most), float(most * (squares @ plain).mean() / (full**2 @ plain))

    @property
    def conversion_seconds(self) -> float:
        return self.array.cell_array.cells.conversion_seconds

    @cached_property
    def budget(self) -> Budget:
        """Noise budget with the array's own weights on random inputs."""
        return noise_budget(self.layer, self.array.config, self.gains, self.array.levels, seed=self.seed)

    @cached_property
    def cures(self) -> list[Outcome]:
        """The nominal array behind its wires, without and with each cure."""
        return outcomes(self.array, self.wires, TILE)

    def reading_error(self, outcome: Outcome) -> float:
        """Error that the wires bring to a reading, LSB rms, on random inputs.

        It is taken from what the cells would give without wires: what stuck cells do to weights is no error of the
        wires. The converters' reference voltage makes good for the common factor of the weights, except where there
        is no cure.
        """
        rng = np.random.default_rng(self.seed)
        drives = random_drives(self.layer, INPUTS, rng)
        factor = outcome.factor if outcome is not self.cures[0] else 1.0
        rows = drives * row_drive(self.layer)
        error = rows @ (outcome.weights / factor - outcome.wanted) * self.array.scale
        return float(np.sqrt((error**2).mean()))

    def plane_names(self) -> list[str]:
        """What each plane of cells holds."""
        mapping = self.array.cell_array.mapping
        if not mapping.paired:
            names = ["the weights, moved up to be positive; the last column is the reference"]
        else:
            names = ["the positive cell of each pair", "the negative cell of each pair"]
        if mapping.slices == 1:
            return names
        return [f"{name}, digit {digit} of base {mapping.base}" for digit in range(mapping.slices) for name in names]

    def drive(self, kind: str) -> np.ndarray:
        """DAC codes (rows,): "full" is full scale on every row, "random" drawn from the seed but for bias rows."""
        if kind == "full":
            return row_top(self.layer)
        return random_drives(self.layer, 1, np.random.default_rng(self.seed))[0]

    def volts(self, codes: np.ndarray) -> np.ndarray:
        """Voltages (rows,) on the rows for DAC codes; raises :class:`DesignError` for codes that do not fit."""
        rows, codes = self.layer.rows, np.asarray(codes)
        if codes.shape != (rows,):
            raise DesignError(f"an input must have {rows} DAC codes, one a row, not shape {codes.shape}")
        beyond = np.abs(codes) - row_top(self.layer)
        if beyond.max() > 0:
            row = int(beyond.argmax())
            top = int(row_top(self.layer)[row])
            raise DesignError(f"DAC codes must be from {-top} to {top}, not {int(codes[row])}")
        return self.array.cell_array.mapping.volts(codes)


def datasheet(array: Array, data: LayerData, seed: int) -> Datasheet:
    """That of an array that holds ``data``."""
    return Datasheet(array, np.stack([data.mult, data.shift], axis=1).astype(np.int64), seed)


def characterise(
    design: Design, network: Network | None, layer: int, config: ArrayConfig, seed: int = 0
) -> Datasheet:
    """Program the array of ``design``'s layer number ``layer``; with random weights if ``network`` is None.

    Raises :class:`DesignError` for a layer that is not there or a configuration without cells.
    """
    check_integer("layer", layer, 0, len(design.layers) - 1)
    if config.cells is None:
        raise DesignError("the array must have cells, not ideal weights")
    if network is not None:
        return datasheet(build_arrays(network, config, seed)[layer], network.layers[layer], seed)
    shape = design.layers[layer]
    rng = np.random.default_rng(seed)
    array = Array(shape, config, seed)
    array.program(rng.choice(symmetric_codes(shape.weight_bits), (shape.rows, shape.columns)))
    gains = np.tile([1, fitting_shift(shape)], (shape.gates, 1))
    for gate, (mult, shift) in enumerate(gains.tolist()):
        array.set_gain(gate, mult, shift)
    return Datasheet(array, gains, seed)


def fitting_shift(layer: Layer, power: float | None = None) -> int:
    """Shift with which column sums of random codes and weights, at three deviations, just fit the converter.

    ``power`` is the mean square of codes and of weights as a share of full scale's; None: all codes alike.
    """

    def mean_square(bits: int) -> float:
        codes = symmetric_codes(bits).astype(float)
        return (codes**2).mean() if power is None else power * codes.max() ** 2

    squares = row_drive(layer) ** 2.0
    squares[: layer.inputs] *= mean_square(layer.input_bits) / mean_square(layer.dac_bits)
    spread = 3 * math.sqrt(squares.sum())
    for bits in (layer.dac_bits, layer.weight_bits):
        spread *= math.sqrt(mean_square(bits))
    return max(0, math.ceil(math.log2(spread / 2 ** (layer.adc_bits - 1))))

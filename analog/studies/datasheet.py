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
from ..circuit.nonlinear import current
from ..circuit.power import row_currents
from ..circuit.selection import floating_power, selections
from ..circuit.settling import settling_time
from ..circuit.tiles import tiled_ir_drop
from ..circuit.wires import WireConfig, column_loss
from ..config import PRESETS, ArrayConfig
from ..inference import build_arrays
from ..tiled_array import TiledArray, make_array
from .budget import Budget, noise_budget, random_drives
from .cures import TILE, Outcome, outcomes, sensed_matrix
from .fit import one_ohm_loss, without_wires

CELL_PRESETS = tuple(name for name, config in PRESETS.items() if config.cells)  #: presets with cells
FLOATING_INPUTS = 20  #: of them for the power of columns that float
INPUTS = 500  #: random inputs on which readings are compared


@dataclass(frozen=True, eq=False)
class Datasheet:
    """A programmed array with cells, its gains (gates, 2) as mult and shift, the seed of its chip and of inputs.

    ``coarser``: ADC steps are 2^coarser times what the gains say, as those of a row tile with inputs may be.
    """

    array: Array
    gains: np.ndarray
    seed: int
    coarser: int = 0

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
        cells, conversions = self.array.cell_array.cells, self.layer.conversions
        return np.array(
            [
                sensed_matrix(plane, self.wires, cells.tile, cells.unselected, conversions)
                for plane in self.conductances
            ]
        )

    @cached_property
    def losses(self) -> np.ndarray:
        """Share of each column's current that the wires take with every row on: (planes, width)."""
        return np.array([column_loss(g, e) for g, e in zip(self.conductances, self.effective)])

    @cached_property
    def lost_volts(self) -> np.ndarray:
        """Voltage that each cell of the first plane misses with every row at full scale: (rows, width)."""
        volts, tile = self.most_volts, self.array.cell_array.cells.tile
        lost = []
        for piece in self.array.cell_array.column_pieces(self.conductances[0]):
            drop = tiled_ir_drop(piece, self.wires, volts, tile, self.law)
            lost.append(volts[:, None] - (drop.row - drop.column))
        return np.concatenate(lost, axis=1)

    @property
    def law(self) -> tuple[float, float] | None:
        """Read voltage and sinh voltage of nonlinear cells; None for linear ones."""
        device = self.array.cell_array.cells.device
        return (device.read_voltage, device.sinh_voltage) if math.isfinite(device.sinh_voltage) else None

    @property
    def pulsed(self) -> bool:
        return self.array.cell_array.cells.dacs == "pulse_width"

    @cached_property
    def most_volts(self) -> np.ndarray:
        """The highest voltage on each row, (rows,): full scale, and the read voltage where codes are pulses."""
        full = self.volts(self.drive("full"))
        return np.full_like(full, self.array.cell_array.cells.device.read_voltage) if self.pulsed else full

    @cached_property
    def driver_currents(self) -> np.ndarray:
        """Current (A) of each row's drivers with every row at its highest voltage: (planes, rows).

        Of the conversion that takes most, where only the selected columns conduct.
        """
        tile = self.array.cell_array.cells.tile
        masks: list[np.ndarray] = [np.ones(self.conductances.shape[2], dtype=bool)]
        if self.unselected != "grounded":
            masks = list(selections(self.layer.columns, self.layer.conversions))
        found = [
            [row_currents(plane * mask, self.wires, self.most_volts, tile, self.law) for mask in masks]
            for plane in self.conductances
        ]
        return np.max(found, axis=1)

    @cached_property
    def power(self) -> tuple[float, float]:
        """Power (W) of a read, all planes: with every row at full scale, and on random inputs.

        On random inputs the wires save the share that they save at full scale.
        """
        drives = random_drives(self.layer, INPUTS, np.random.default_rng(self.seed))
        siemens, volts = self.conductances.sum(axis=(0, 2)), self.most_volts
        plain = (volts * self.cell_volts(volts)) @ siemens
        tile = self.array.cell_array.cells.tile
        taken = [row_currents(plane, self.wires, volts, tile, self.law) for plane in self.conductances]
        left = float(np.sum(taken, axis=0) @ volts / plain)
        share = (
            1 / self.layer.conversions if self.unselected != "grounded" else 1.0
        )  # of the time that a cell conducts
        mapping = self.array.cell_array.mapping
        found = []
        for codes in (self.drive("full")[None], drives):
            held = mapping.volts(codes)
            power = share * left * float((self.heat(held) @ siemens).mean())
            if self.unselected == "floating":
                sneak = [floating_power(plane, row) for plane in self.conductances for row in held[:FLOATING_INPUTS]]
                power += (1 - share) * sum(sneak) / len(held[:FLOATING_INPUTS])
            found.append(power)
        return found[0], found[1]

    @property
    def unselected(self) -> str:
        """What columns do that wait for their conversion."""
        return self.array.cell_array.cells.unselected

    def cell_volts(self, volts: np.ndarray) -> np.ndarray:
        """Voltage at which a linear cell would take the current that these cells take at ``volts``."""
        return current(1.0, volts, *self.law) if self.law else volts

    def heat(self, volts: np.ndarray) -> np.ndarray:
        """Power (W) of a cell of 1 S over a conversion, for the rows' voltages, or pulses of that mean voltage."""
        if self.pulsed:
            return np.abs(volts) * self.array.cell_array.cells.device.read_voltage
        return volts * self.cell_volts(volts)

    @property
    def conversion_seconds(self) -> float:
        """Of one conversion, with the pulses of pulse-width DACs."""
        return self.array.cell_array.cells.conversion_time(self.layer)

    @cached_property
    def settling(self) -> float:
        """Seconds until every column is within half a code of its end, after rows step by all of the ADC's range.

        0 where the wires have no capacitance.
        """
        share, tile = 2.0 ** -(self.layer.adc_bits + 1), self.array.cell_array.cells.tile
        return max(settling_time(plane, self.wires, share, tile) for plane in self.conductances)

    @cached_property
    def one_ohm_loss(self) -> float | None:
        """Share of a column's current that 1 ohm a segment would take; None where there are wires."""
        return one_ohm_loss(self.layer, self.array.config, self.array.levels) if without_wires(self.wires) else None

    @cached_property
    def budget(self) -> Budget:
        """Noise budget with the array's own weights on random inputs."""
        return noise_budget(
            self.layer, self.array.config, self.gains, self.array.levels, seed=self.seed, coarser=self.coarser
        )

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

    def column_current(self, plane: int, volts: np.ndarray) -> np.ndarray:
        """Currents (A) of a plane's columns for voltages (rows,): (width,)."""
        if self.law is None:
            return volts @ self.effective[plane]
        tile = self.array.cell_array.cells.tile
        return tiled_ir_drop(self.conductances[plane], self.wires, volts, tile, self.law).column_current

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


def datasheets(array: Array | TiledArray, data: LayerData, seed: int) -> list[Datasheet]:
    """Those of each row tile of an array that holds ``data``; mostly one."""
    gains = np.stack([data.mult, data.shift], axis=1).astype(np.int64)
    tiles = array.tiles if isinstance(array, TiledArray) else [array]
    return [Datasheet(tile, gains, seed, coarser) for tile, coarser in zip(tiles, array.layer.tile_shifts)]


def characterise(
    design: Design, network: Network | None, layer: int, config: ArrayConfig, seed: int = 0, row_tile: int = 0
) -> Datasheet:
    """Program the array of ``design``'s layer number ``layer``; with random weights if ``network`` is None.

    The sheet is of one of its row tiles. Raises :class:`DesignError` for a layer or a tile that is not there, for
    columns in several tiles, whose wires the sheet does not know, and for a configuration without cells.
    """
    check_integer("layer", layer, 0, len(design.layers) - 1)
    if config.cells is None:
        raise DesignError("the array must have cells, not ideal weights")
    shape = design.layers[layer]
    check_integer("row tile", row_tile, 0, shape.row_tiles - 1)
    if shape.column_tiles > 1:
        raise DesignError(
            f"the sheet of an array is of columns that share their rows' wires, and those of layer {layer} are in "
            f"{shape.column_tiles} tiles"
        )
    if network is not None:
        return datasheets(build_arrays(network, config, seed)[layer], network.layers[layer], seed)[row_tile]
    rng = np.random.default_rng(seed)
    array = make_array(shape, config, seed)
    array.program(rng.choice(symmetric_codes(shape.weight_bits), (shape.rows, shape.columns)))
    mult, shift = np.ones(shape.gates, dtype=np.int64), np.full(shape.gates, fitting_shift(shape))
    sheet = datasheets(array, LayerData(array.levels, mult, shift, None), seed)[row_tile]
    for gate, gain in enumerate(sheet.gains.tolist()):
        array.set_gain(gate, *gain)
    return sheet


def fitting_shift(layer: Layer, power: float | None = None) -> int:
    """Shift with which column sums of random codes and weights, at three deviations, just fit the converter.

    ``power`` is the mean square of codes and of weights as a share of full scale's; None: all codes alike. Of row
    tiles it is for the sums of a tile on average, in the layer's steps.
    """

    def mean_square(bits: int) -> float:
        codes = symmetric_codes(bits).astype(float)
        return (codes**2).mean() if power is None else power * codes.max() ** 2

    squares = row_drive(layer) ** 2.0 / layer.row_tiles  # of a tile's share of the rows
    squares[: layer.inputs] *= mean_square(layer.input_bits) / mean_square(layer.dac_bits)
    spread = 3 * math.sqrt(squares.sum())
    for bits in (layer.dac_bits, layer.weight_bits):
        spread *= math.sqrt(mean_square(bits))
    return max(0, math.ceil(math.log2(spread / 2 ** (layer.adc_bits - 1))))

"""An array of several row tiles: each is an :class:`.array.Array` of its own, with its drivers, wires and converters.

Column tiles share nothing but their codes' order: they are cut where the wires are
(:class:`.memory.cell_array.CellArray`).
"""

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from ..model.formats import DesignError, check_integer
from ..model.layers import Layer, LstmLayer, RecurrentLayer, RnnLayer
from ..model.layout import row_top
from ..model.seeds import Seed, child
from .array import Array
from .config import ArrayConfig
from .row_codes import check_drive

TILE_SEED = 16  #: first of the paths of the tiles' seeds, which no part of a single array has


class _Tile:
    """Some rows of a layer with feedback, with all of its columns."""

    all_hidden: int  # pyright: ignore[reportUninitializedInstanceVariable]
    gates: int  # pyright: ignore[reportUninitializedInstanceVariable]

    @property
    def columns(self) -> int:
        return self.gates * self.all_hidden


@dataclass(frozen=True, kw_only=True)
class _LstmTile(_Tile, LstmLayer):
    all_hidden: int


@dataclass(frozen=True, kw_only=True)
class _RnnTile(_Tile, RnnLayer):
    all_hidden: int


def tile_layer(layer: Layer, rows: slice) -> Layer:
    """The layer that has these rows of ``layer`` alone."""
    ends = np.cumsum([0, layer.inputs, layer.hidden, layer.bias_rows])
    inputs, hidden, bias = np.diff(np.clip(ends, rows.start, rows.stop)).tolist()
    if isinstance(layer, RecurrentLayer):
        fields: dict[str, Any] = {
            **vars(layer),
            "inputs": inputs,
            "hidden": hidden,
            "bias_rows": bias,
            "tile_rows": 0,
            "input_tile_shift": 0,
        }
        return (_LstmTile if isinstance(layer, LstmLayer) else _RnnTile)(**fields, all_hidden=layer.hidden)
    return replace(layer, inputs=inputs, bias_rows=bias, tile_rows=0)


class TiledArray:
    """One array for each row tile; used as :class:`.array.Array` is, with R times the codes.

    Tile r has the seed ``child(seed, 16 + r)``, so that all that is random differs from tile to tile.
    """

    spares = None  #: none, as row tiles have no diagnostics

    def __init__(self, layer: Layer, config: ArrayConfig | None = None, seed: Seed = 0, share: int = 1) -> None:
        self.layer, self.config = layer, config or ArrayConfig()
        self.tiles = [
            Array(tile_layer(layer, rows), config, child(seed, TILE_SEED + number), share)
            for number, rows in enumerate(layer.row_slices)
        ]

    def program(self, levels) -> None:
        """Program every cell: ``levels`` (rows, columns) weight codes in physical column order."""
        levels = np.asarray(levels)
        if levels.shape != (self.layer.rows, self.layer.columns):
            shape = self.layer.rows, self.layer.columns
            raise DesignError(f"levels must be integers of shape {shape}, not {levels.dtype} of {levels.shape}")
        for tile, rows in zip(self.tiles, self.layer.row_slices):
            tile.program(levels[rows])

    def program_cell(self, row: int, column: int, level: int) -> None:
        """Program one weight, as the programming port does."""
        check_integer("row", row, 0, self.layer.rows - 1)
        height = self.layer.row_slices[0].stop
        self.tiles[row // height].program_cell(row % height, column, level)

    def set_gain(self, gate: int, mult: int, shift: int) -> None:
        """Set the converters of one gate, in all tiles, to the gain ``mult / 2^shift``, in each tile's own steps."""
        for tile, coarser in zip(self.tiles, self.layer.tile_shifts):
            tile.set_gain(gate, mult, shift, coarser)

    def new_sequence(self, begins: bool | np.ndarray = True) -> None:
        """Say that sequences begin: noise that lasts is drawn afresh."""
        for tile in self.tiles:
            tile.new_sequence(begins)

    def begin_reads(self, number: int) -> None:
        """Draw from now on what changes from read to read from streams that ``number`` tells apart."""
        for tile in self.tiles:
            tile.begin_reads(number)

    def pass_time(self, seconds: float) -> None:
        """Let all cells grow older by ``seconds``."""
        for tile in self.tiles:
            tile.pass_time(seconds)

    def reset_adjustments(self) -> None:
        """Nothing: there are none."""

    def convert_all(self, drive) -> np.ndarray:
        """ADC codes int64 of each tile's columns in physical order: (B, R * columns) for ``drive`` (B, rows)."""
        drive = check_drive(drive, row_top(self.layer))
        return np.concatenate([tile.convert_all(part) for tile, part in self.parts(drive)], axis=-1)

    def analog(self, drive: np.ndarray) -> np.ndarray:
        """What the converters see, in LSB: (B, R * columns) float64 for ``drive`` (B, rows). One reading."""
        return np.concatenate([tile.analog(part) for tile, part in self.parts(drive)], axis=-1)

    def parts(self, drive: np.ndarray) -> list[tuple[Array, np.ndarray]]:
        """Each tile, and its rows of ``drive`` (..., rows)."""
        return [(tile, drive[..., rows]) for tile, rows in zip(self.tiles, self.layer.row_slices)]

    def effective(self) -> np.ndarray:
        """Weights as the tiles hold them now, in codes: (rows, columns) float64."""
        return np.concatenate([tile.effective() for tile in self.tiles])

    @property
    def levels(self) -> np.ndarray:
        """Programmed weight codes (rows, columns)."""
        return np.concatenate([tile.levels for tile in self.tiles])

    @property
    def writes(self) -> np.ndarray:
        """Times each cell was programmed: (rows, columns)."""
        return np.concatenate([tile.writes for tile in self.tiles])

    @property
    def changes(self) -> int:
        """Of cells, gains, age and sequences, after which a reading differs."""
        return sum(tile.changes for tile in self.tiles)

    @property
    def numbers_per_sequence(self) -> int:
        """As :attr:`.slow_noise.SlowNoise.numbers_per_sequence`, of all tiles."""
        return sum(tile.slow_noise.numbers_per_sequence for tile in self.tiles)

    @property
    def has_cells(self) -> bool:
        """Are the tiles made of cells, not of ideal weights?"""
        return self.tiles[0].has_cells

    @property
    def cell_array(self) -> NoReturn:
        """Refused: each tile has one."""
        raise DesignError(
            f"the cells of {self.layer.macro_name} are those of {self.layer.row_tiles} row tiles, each to be looked "
            "at by itself (ohmgate array --row-tile)"
        )

    conductances = cell_array

    def convert_step(self, drive, step: int) -> NoReturn:
        """Refused: row tiles have no diagnostics."""
        raise DesignError(f"{self.layer.macro_name} has row tiles, and so no diagnostics that read single columns")

    def adjust(self, adc: int, what: int, value: int) -> NoReturn:
        """Refused: row tiles have no diagnostics."""
        raise DesignError("trims and spare columns need a layer with diagnostics = true")


def make_array(layer: Layer, config: ArrayConfig | None = None, seed: Seed = 0, share: int = 1) -> Any:
    """The array of a layer, of one row tile or of several; the arguments are those of :class:`.array.Array`."""
    return (Array if layer.row_tiles == 1 else TiledArray)(layer, config, seed, share)

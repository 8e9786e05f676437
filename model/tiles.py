"""A layer on several arrays: its rows and columns are cut into tiles, each an array with wires of its own.

Row tiles have converters of their own, whose codes are added up: the sum takes the place of the one code of a column.
Column tiles stand side by side and change no number. A layer that is not cut is one tile.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .formats import DesignError, check_integer, signed_range

MAX_ROW_TILES = 16  #: R fits into the formats' four bits
MAX_TILE_SHIFT = 4  #: of codes of row tiles with inputs


def row_slices(rows: int, tile_rows: int) -> tuple[slice, ...]:
    """Rows of each row tile: as few tiles of at most ``tile_rows`` as can be; the last one may have fewer rows."""
    count = -(-rows // tile_rows) if tile_rows else 1
    height = -(-rows // count)
    return tuple(slice(top, min(top + height, rows)) for top in range(0, rows, height))


def tile_shifts(tiles: tuple[slice, ...], inputs: int, shift: int) -> tuple[int, ...]:
    """Of each row tile, by how much its codes are shifted: ``shift`` where any of the first ``inputs`` rows is in it.

    Raises :class:`DesignError` for a shift unless there are tiles of both sorts.
    """
    with_inputs = sum(tile.start < inputs for tile in tiles)
    if shift and with_inputs in (0, len(tiles)):
        raise DesignError(
            f"an input tile shift of {shift} needs row tiles with inputs and row tiles without, not {with_inputs} "
            f"and {len(tiles) - with_inputs}"
        )
    return (shift,) * with_inputs + (0,) * (len(tiles) - with_inputs)


class Tiles(ABC):
    """What follows from ``tile_rows`` and ``tile_columns`` of a layer; tiles are of as equal sizes as can be."""

    adcs: int  # pyright: ignore[reportUninitializedInstanceVariable]
    adc_bits: int  # pyright: ignore[reportUninitializedInstanceVariable]
    inputs: int  # pyright: ignore[reportUninitializedInstanceVariable]
    input_tile_shift: int  # pyright: ignore[reportUninitializedInstanceVariable]
    tile_rows: int  # pyright: ignore[reportUninitializedInstanceVariable]
    tile_columns: int  # pyright: ignore[reportUninitializedInstanceVariable]
    diagnostics: bool  # pyright: ignore[reportUninitializedInstanceVariable]

    @property
    @abstractmethod
    def rows(self) -> int:
        """Of the array: [x, h, bias]."""

    @property
    @abstractmethod
    def columns(self) -> int:
        """Of the array, in either order of :mod:`.layout`."""

    @property
    @abstractmethod
    def conversions(self) -> int:
        """M: conversions of one time step, the columns that share an ADC."""

    def check_tiles(self, where: str) -> None:
        """Raise :class:`DesignError` for tiles that cannot be, or that do not go with the layer's other fields."""
        check_integer(f"{where}: tile rows", self.tile_rows, 0, 65536)
        check_integer(f"{where}: tile columns", self.tile_columns, 0, 65536)
        if self.row_tiles > MAX_ROW_TILES:
            raise DesignError(
                f"{where}: tile rows must be at least {-(-self.rows // MAX_ROW_TILES)}, so that {self.rows} rows are "
                f"at most {MAX_ROW_TILES} tiles, not {self.tile_rows}"
            )
        check_integer(f"{where}: input tile shift", self.input_tile_shift, 0, MAX_TILE_SHIFT)
        try:
            tile_shifts(self.row_slices, self.inputs, self.input_tile_shift)
        except DesignError as error:
            raise DesignError(f"{where}: {error}") from None
        if self.tile_columns % self.conversions:
            raise DesignError(
                f"{where}: tile columns must be a multiple of the {self.conversions} columns behind an ADC, "
                f"not {self.tile_columns}"
            )
        if self.row_tiles > 1 and self.diagnostics:
            raise DesignError(
                f"{where}: diagnostics need a layer whose rows are in one tile, as they read single columns, "
                f"not in {self.row_tiles}"
            )

    @property
    def row_tiles(self) -> int:
        """R: tiles that share the rows."""
        return -(-self.rows // self.tile_rows) if self.tile_rows else 1

    @property
    def column_tiles(self) -> int:
        """Tiles that share the columns."""
        return -(-self.columns // self.tile_columns) if self.tile_columns else 1

    @property
    def tiled(self) -> bool:
        """Is it more than one tile?"""
        return self.row_tiles > 1 or self.column_tiles > 1

    @property
    def row_slices(self) -> tuple[slice, ...]:
        """Rows of each row tile, in the order [x, h, bias]."""
        return row_slices(self.rows, self.tile_rows)

    @property
    def column_slices(self) -> tuple[slice, ...]:
        """Physical columns of each column tile: whole ADCs."""
        width = -(-self.adcs // self.column_tiles) * self.conversions
        return tuple(slice(left, min(left + width, self.columns)) for left in range(0, self.columns, width))

    @property
    def all_codes(self) -> int:
        """ADC codes of a time step: of all columns of the first row tile, then of the next."""
        return self.row_tiles * self.columns

    @property
    def codes_at_once(self) -> int:
        """ADC codes of a conversion: K of each row tile, one tile after the other."""
        return self.row_tiles * self.adcs

    @property
    def tile_shifts(self) -> tuple[int, ...]:
        """Of each row tile: its codes count 2^shift in a column's code."""
        return tile_shifts(self.row_slices, self.inputs, self.input_tile_shift)

    @property
    def code_units(self) -> int:
        """U: what one code of all row tiles adds up to; R where no tile's codes are shifted."""
        return sum(2**shift for shift in self.tile_shifts)

    def summed(self, codes: np.ndarray) -> np.ndarray:
        """Codes (..., K) of columns, of the ADC codes (..., R, K) of their row tiles."""
        return (codes * 2 ** np.array(self.tile_shifts)[:, None]).sum(-2)

    @property
    def sum_bits(self) -> int:
        """Bits of a column's code: the sum of its R ADC codes, shifted."""
        return self.adc_bits + (self.code_units - 1).bit_length()

    @property
    def sum_range(self) -> tuple[int, int]:
        """Lowest and highest code of a column."""
        low, high = signed_range(self.adc_bits)
        return self.code_units * low, self.code_units * high

    @property
    def table_entries(self) -> int:
        """Codes that a column can have: U * 2^N - U + 1."""
        low, high = self.sum_range
        return high - low + 1

    @property
    def code_middle(self) -> float:
        """What is added to a column's code before its step: half a step of each converter."""
        return 0.5 * self.code_units


def largest_tile(entry: dict[str, Any], macro: dict[str, int], layer: Tiles, where: str) -> dict[str, int]:
    """The ``tile_rows`` and ``tile_columns`` that a design's ``macro`` table gives a layer whose ``entry`` says none.

    ``layer`` is the layer without them. Where it fits into one macro it is not cut.
    """
    found = {}
    if "tile_rows" not in entry and layer.rows > macro["rows"]:
        found["tile_rows"] = macro["rows"]
    if "tile_columns" not in entry and layer.columns > macro["columns"]:
        if macro["columns"] < layer.conversions:
            raise DesignError(
                f"{where}: a macro must have at least the {layer.conversions} columns behind an ADC, "
                f"not {macro['columns']}"
            )
        found["tile_columns"] = macro["columns"] // layer.conversions * layer.conversions
    return found

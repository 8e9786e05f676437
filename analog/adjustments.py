"""What a host sets in a macro: trims of its converters, and the steps in which its spare columns are read."""

from dataclasses import dataclass, replace

import numpy as np

from ..model.diagnostic_registers import ADJUST_GAIN, ADJUST_OFFSET, ADJUST_SPARE, NO_STEP
from ..model.formats import DesignError, check_integer
from ..model.layers import DenseLayer, Layer, LstmLayer, RnnLayer
from .config import ArrayConfig


class Adjustments:
    """Registers of a macro with diagnostics, as :class:`~ohmgate.hdl.array_port.SetupSignature` has them.

    ``offset`` and ``gain`` (K,) are steps of the trims, ``spare`` (K, S) the step in which each spare is read.
    ``replaced`` are the physical columns that are not read, and the numbers of the spares in their place, from 0.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self.reset()

    def reset(self) -> None:
        """Trims of 0, and no spares: what the macro's ``rst`` does."""
        layer = self._layer
        self.offset, self.gain = np.zeros(layer.adcs, np.int64), np.zeros(layer.adcs, np.int64)
        self.spare = np.full((layer.adcs, layer.spares), NO_STEP)
        self.replaced = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def set(self, adc: int, what: int, value: int) -> None:
        """Take a value of ``adjust_value``; of a trim its low 8 bits count, two's complement."""
        layer = self._layer
        if not layer.diagnostics:
            raise DesignError("trims and spare columns need a layer with diagnostics = true")
        check_integer("ADC to adjust", adc, 0, layer.adcs - 1)
        check_integer("what to adjust", what, 0, ADJUST_SPARE + layer.spares - 1)
        check_integer("value of an adjustment", value, -128, 0xFFFF)
        if what in (ADJUST_OFFSET, ADJUST_GAIN):
            trim = self.offset if what == ADJUST_OFFSET else self.gain
            trim[adc] = (value + 128) % 256 - 128
        else:
            self.spare[adc, what - ADJUST_SPARE] = value
            self._replace()

    @property
    def trimmed(self) -> bool:
        """Is any trim set?"""
        return bool(self.offset.any() or self.gain.any())

    def _replace(self) -> None:
        steps, place = self._layer.conversions, {}
        for number, step in enumerate(self.spare.reshape(-1).tolist()):  # the highest number of an ADC wins
            if 0 <= step < steps:
                place[number // self._layer.spares * steps + step] = number
        self.replaced = np.array(list(place), np.int64), np.array(list(place.values()), np.int64)


class _Spares:
    """A layer's spare columns in place of its own ones: S conversions, and no spares behind them."""

    @property
    def columns(self) -> int:
        return self.adcs * self.spares  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def all_columns(self) -> int:
        return self.columns


@dataclass(frozen=True, kw_only=True)
class _LstmSpares(_Spares, LstmLayer):
    pass


@dataclass(frozen=True, kw_only=True)
class _RnnSpares(_Spares, RnnLayer):
    pass


@dataclass(frozen=True, kw_only=True)
class _DenseSpares(_Spares, DenseLayer):
    pass


SPARES = {LstmLayer: _LstmSpares, RnnLayer: _RnnSpares, DenseLayer: _DenseSpares}


def spare_columns(layer: Layer) -> Layer:
    """The layer whose columns are the spares of ``layer``, under the same rows and before the same ADCs."""
    return next(spares for kind, spares in SPARES.items() if isinstance(layer, kind))(**vars(layer))


def spare_config(layer: Layer, config: ArrayConfig) -> ArrayConfig:
    """What the spares of ``layer`` are made of: the same, at the pace of its steps, without ADCs of their own."""
    cells = config.cells
    if cells:
        repair = replace(cells.repair, spares=0) if cells.repair else None
        cells = replace(cells, repair=repair, step_seconds=cells.step_time(layer))
    return replace(config, cells=cells, adc=None)

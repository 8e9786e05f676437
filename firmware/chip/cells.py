"""Programs the cells of an array over the register bus, and reads back what they hold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model.diagnostic_registers import ADJUST_OFFSET
from ...model.formats import full_scale, to_wire
from ...model.gain import nearest_gain
from ...model.layers import Layer
from ...model.layout import row_drive, row_top
from ...model.registers import BY_NAME
from ..transactions import Steps, Write
from .diagnosis import TRIM_LIMITS, Diagnosis, top_codes

BIAS_DITHER = 8  #: readings of a bias row at least, in which the trim moves by an LSB


@dataclass(frozen=True)
class Reading:
    """How cells are read: a row alone, at its largest code and at its negative, ``dither`` times.

    From time to time the offset trim moves by 1 / ``dither`` LSB, over one LSB in all. So an ideal chip's reading is
    within 1 / (2 ``dither``) LSB, that of a bias row within 1 / ``dither``. ``dither`` is even, and of no use where
    it asks for less than a step of the trim. A weight at full scale takes ``share`` of the converter's range.
    """

    dither: int = 2
    share: float = 1.0


def reading(chip: Diagnosis, parts: int | None = None, share: float = 1.0) -> Reading:
    """The least dither that tells ``parts`` of full scale apart, or all that the offset trim's step allows.

    ``parts`` None: two for each weight code, so that an ideal chip is read to half a code.
    """
    layer, dither, most = chip.layer, 2, max(round(1 / chip.trim_steps.offset), 2)
    while dither < most and 2 * dither * share * _top_code(layer) < (parts or 2 * full_scale(layer.weight_bits)):
        dither *= 2
    return Reading(dither, share)


def program_row(layer: Layer, row: int, levels: np.ndarray, start: int = 0) -> list[Write]:
    """Writes that program weight codes ``levels`` of a row, from physical column ``start`` on."""
    patterns = to_wire(levels, layer.weight_bits).tolist()
    at = [Write(BY_NAME["ROW"], row), Write(BY_NAME["COLUMN"], start)]
    return at + [Write(BY_NAME["LEVEL"], pattern) for pattern in patterns]


def program(layer: Layer, levels: np.ndarray) -> list[list[Write]]:
    """Writes that program ``levels`` (rows, all_columns or columns) of the selected layer, a list for each row."""
    return [
        program_row(layer, row, values[: layer.columns])
        + (program_row(layer, row, spares, layer.columns) if len(spares := values[layer.columns :]) else [])
        for row, values in enumerate(levels)
    ]


def read_levels(
    chip: Diagnosis,
    how: Reading,
    trims: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda settings: None,
) -> Steps[np.ndarray]:
    """What the cells of each weight hold, in weight codes: (rows, all_columns) float64.

    ``trims`` (K,) are the offset trims about which the dither moves; they are set in the end. Of several bias rows
    only the sum could be read: theirs are NaN. ``progress`` is told of row settings (:func:`readings`). Leaves no
    spare in use, and the gains as it needs them.
    """
    layer = chip.layer
    trims = np.zeros(layer.adcs, dtype=np.int64) if trims is None else trims
    held = np.full((layer.rows, layer.all_columns), np.nan)
    own, spare = slice(0, layer.columns), np.arange(layer.columns, layer.all_columns).reshape(layer.adcs, -1)
    unused = np.full((layer.adcs, layer.spares), -1)
    yield from chip.put_spares(unused)
    held[:, own] = yield from _read_all(chip, how, trims, chip.columns, progress)
    for number in range(layer.spares):
        steps = unused.copy()
        steps[:, number] = 0
        yield from chip.put_spares(steps)
        held[:, spare[:, number]] = yield from _read_all(chip, how, trims, lambda: chip.step(0), progress)
    yield from chip.put_spares(unused)
    yield from chip.adjust(ADJUST_OFFSET, trims)
    return held


def _read_all(
    chip: Diagnosis,
    how: Reading,
    trims: np.ndarray,
    convert: Callable[[], Steps[np.ndarray]],
    progress: Callable[[int], None],
) -> Steps[np.ndarray]:
    """(rows, n) of what ``convert`` reads, n codes."""
    layer = chip.layer
    reach = row_drive(layer) * row_top(layer)  # of a row at its largest code
    driven, top = layer.inputs + layer.hidden, top_codes(layer)
    held: dict[int, np.ndarray] = {}
    for strength in np.unique(reach).tolist():
        rows = np.flatnonzero(reach == strength)
        mult, shift = nearest_gain(how.share * _top_code(layer) / (full_scale(layer.weight_bits) * strength))
        scale = mult * 2.0**-shift * strength  # LSB for a weight code
        yield from chip.set_gain(mult, shift)
        for part in range(how.dither):
            yield from chip.adjust(ADJUST_OFFSET, _moved(chip, trims, part / how.dither - 0.5))
            for row in rows[rows < driven].tolist():
                codes = np.zeros(driven, dtype=np.int64)
                for sign in (1, -1):
                    codes[row] = sign * top[row]
                    yield from chip.drive(codes)
                    code = yield from convert()
                    held[row] = held.get(row, 0.0) + sign * code / (2 * how.dither * scale)
                progress(2)
        if layer.bias_rows == 1 and driven in rows:
            codes, parts = np.zeros(driven, dtype=np.int64), max(how.dither, BIAS_DITHER)
            for part in range(parts):
                yield from chip.adjust(ADJUST_OFFSET, _moved(chip, trims, part / parts - 0.5))
                for sign in (1, 0):
                    yield from chip.drive(codes, bias=bool(sign))
                    code = yield from convert()
                    held[driven] = held.get(driven, 0.0) + (2 * sign - 1) * code / (parts * scale)
            progress(2 * parts)
            yield from chip.drive(codes)
    unread = np.full(next(iter(held.values())).shape, np.nan)
    return np.stack([held.get(row, unread) for row in range(layer.rows)])


def readings(layer: Layer, how: Reading) -> int:
    """Row settings that :func:`read_levels` converts, of which each takes M conversions, or 1 of a spare."""
    bias = 2 * max(how.dither, BIAS_DITHER) if layer.bias_rows == 1 else 0
    return (2 * how.dither * (layer.inputs + layer.hidden) + bias) * (1 + layer.spares)


def _top_code(layer: Layer) -> float:
    """LSB that a weight at full scale may make: the largest code, and half of one for a converter of one bit."""
    return max(2.0 ** (layer.adc_bits - 1) - 1, 0.5)


def _moved(chip: Diagnosis, trims: np.ndarray, lsb: float) -> np.ndarray:
    """About trims near the end of their range, a little further from it: an offset that stays does no harm."""
    (low, high), step = TRIM_LIMITS, chip.trim_steps.offset
    room = round(0.5 / step)
    return np.clip(trims, low + room, high - room) + round(lsb / step)

"""Finds the stuck cells of an array: what every weight reads after three programmings."""

from collections.abc import Callable

import numpy as np

from ...model.formats import DesignError, full_scale
from ...model.layers import Layer
from ..transactions import Steps
from .calibration import Trims, set_trims
from .cells import program, read_levels, reading
from .diagnosis import Diagnosis

#: What a weight's pair of cells does, by what it reads of full scale: programmed to that, to its negative, and to 0.
#: A cell that is stuck on conducts as at full scale, one that is stuck off as at 0.
KINDS = {
    "healthy": (1, -1, 0),
    "positive cell on": (1, 0, 1),
    "positive cell off": (0, -1, 0),
    "negative cell on": (0, -1, -1),
    "negative cell off": (1, 0, 0),
    "both alike": (0, 0, 0),
    "always high": (1, 1, 1),
    "always low": (-1, -1, -1),
}
NAMES = (*KINDS, "unclear")
HEALTHY, POSITIVE_ON, POSITIVE_OFF, NEGATIVE_ON, NEGATIVE_OFF, ALIKE, HIGH, LOW, UNCLEAR = range(len(NAMES))
STUCK = {  #: of (positive, negative) cell: 1 stuck on, -1 stuck off; both alike may be both on as well
    HEALTHY: (0, 0),
    POSITIVE_ON: (1, 0),
    POSITIVE_OFF: (-1, 0),
    NEGATIVE_ON: (0, 1),
    NEGATIVE_OFF: (0, -1),
    ALIKE: (-1, -1),
    HIGH: (1, -1),
    LOW: (-1, 1),
}
SURE = 0.5  #: of full scale, how far a reading may be from what it stands for
SHARE = 0.6  #: of the converter's range, which leaves room for offsets and gains that are not trimmed yet
PARTS = 8  #: of full scale that a reading tells apart


def find_faults(
    chip: Diagnosis, progress: Callable[[int, int], None] = lambda done, total: None
) -> Steps[np.ndarray]:
    """Kind of every weight, an index of :data:`NAMES`: (rows, all_columns) int8. Its cells lose what they hold.

    Trims are 0 in the end: those of a chip whose stuck cells were not known may be far off. Gains are its own.
    Bias rows that cannot be read alone, where there are several, are taken for healthy. A weight must be one pair of
    cells, not several slices. Raises :class:`DesignError` for weights of one bit, which have no 0.
    """
    layer = chip.layer
    if layer.weight_bits == 1:
        raise DesignError("stuck cells are found in weights of at least 2 bits, as those of 1 bit are never 0")
    top, read = full_scale(layer.weight_bits), []
    total = 3 * layer.rows
    yield from set_trims(chip, Trims.none(layer))
    for number, level in enumerate((top, -top, 0)):
        levels = np.full((layer.rows, layer.all_columns), level)
        for row, writes in enumerate(program(layer, levels)):
            yield from writes
            progress(number * layer.rows + row, total)
        read.append((yield from read_levels(chip, reading(chip, parts=PARTS, share=SHARE))) / top)
    progress(total, total)
    return classify(np.stack(read))


def classify(read: np.ndarray) -> np.ndarray:
    """Kinds (...) of what was ``read`` (3, ...), as shares of full scale: programmed to it, to its negative, to 0.

    Not read (NaN): healthy.
    """
    expected = np.array(list(KINDS.values()), dtype=np.float64).reshape(-1, 3, *[1] * (read.ndim - 1))
    away = np.abs(read - expected).max(axis=1)  # (kinds, ...)
    kinds = np.where(away.min(axis=0) < SURE, away.argmin(axis=0), UNCLEAR).astype(np.int8)
    kinds[np.isnan(read).any(axis=0)] = HEALTHY
    return kinds


def held(layer: Layer, levels: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Weight codes that pairs of these ``kinds`` hold when they are programmed to ``levels``, of equal shapes."""
    top = full_scale(layer.weight_bits)
    positive, negative = np.maximum(levels, 0), np.maximum(-levels, 0)
    positive = np.select([np.isin(kinds, [POSITIVE_ON, HIGH]), np.isin(kinds, [POSITIVE_OFF, ALIKE, LOW])],
                         [top, 0], positive)  # fmt: skip
    negative = np.select([np.isin(kinds, [NEGATIVE_ON, LOW]), np.isin(kinds, [NEGATIVE_OFF, ALIKE, HIGH])],
                         [top, 0], negative)  # fmt: skip
    return positive - negative


def around(layer: Layer, wanted: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Levels to program, so that pairs of these ``kinds`` hold what is nearest to ``wanted``, of equal shapes.

    A cell that is stuck on halves a weight's range: what it adds is taken away by the other cell.
    """
    top = full_scale(layer.weight_bits)
    levels = np.array(wanted)
    on = kinds == POSITIVE_ON
    levels[on] = np.minimum(wanted[on] - top, 0).clip(-top)
    on = kinds == NEGATIVE_ON
    levels[on] = np.maximum(wanted[on] + top, 0).clip(max=top)
    return levels

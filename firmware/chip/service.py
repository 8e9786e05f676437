"""What is done to a whole chip, as steps over any bus: its stuck cells, its trims, what its cells hold, a refresh."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...model.formats import check_integer, check_number, full_scale
from ...model.network import Network
from ...model.registers import BY_NAME
from ...model.seeds import Seed, stream
from ..loader import load, placement, programmed, seal, stop
from ..transactions import Steps, Write
from .calibration import AdcReport, calibrate, set_trims
from .cells import Reading, program_row, read_levels, reading, readings
from .diagnosis import Diagnosis
from .faults import HEALTHY, find_faults, held
from .record import ChipRecord

Told = Callable[[str, int, int], None]  #: (what is done, how much of it, of how much)
Found = Callable[[ChipRecord], None]  #: is given the record with each layer's news
REFRESH = 1.0  #: weight codes, how far a cell may be before it is written again


def _silent(what: str, done: int, total: int) -> None:
    pass


def _unheard(record: ChipRecord) -> None:
    pass


def find_stuck(
    network: Network, record: ChipRecord, tell: Told = _silent, found: Found = _unheard, missing: bool = False
) -> Steps[ChipRecord]:
    """Find the stuck cells of every layer: the record with them. The chip's cells lose what they hold.

    ``missing``: only of the layers whose stuck cells the record does not have; the others keep what they hold.
    """
    yield from stop(network.design)
    for index, layer in enumerate(network.design.layers):
        if missing and record.layers[index].kinds is not None:
            continue
        chip = Diagnosis(layer, index, record.trim_steps)
        yield from chip.begin()
        kinds = yield from find_faults(chip, partial(tell, f"layer {index}: stuck cells"))
        yield from chip.end()
        record = record.with_layer(index, kinds=kinds)
        found(record)
    return record


def find_trims(
    network: Network,
    record: ChipRecord,
    seed: Seed = 0,
    patterns: int = 64,
    rounds: int = 2,
    weights: bool = True,
    tell: Told = _silent,
    found: Found = _unheard,
    missing: bool = False,
) -> Steps[tuple[ChipRecord, dict[int, tuple[AdcReport, AdcReport]]]]:
    """Load the network and trim the ADCs of every layer: the record with the trims, and reports before and after.

    The weights serve as the reference. So stuck cells should be known. The chip is loaded with its trims in the end,
    and enabled. ``seed`` is that of the random codes. ``weights=False`` leaves the cells of a loaded chip as they
    are, so that the trims take up what they have drifted. ``missing``: only the layers whose trims the record does
    not have. The reports are by the layer's number.
    """
    check_calibration(patterns, rounds)
    reports = {}
    yield from load(network, weights=weights, record=record)
    yield from stop(network.design)
    for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
        if missing and record.layers[index].trims is not None:
            continue
        chip, placed = Diagnosis(layer, index, record.trim_steps), placement(layer, data, record.layers[index])
        yield from chip.begin()
        yield from chip.put_spares(placed.spares)
        trims, before, after = yield from calibrate(
            chip,
            placed.holds,
            stream(seed, index),
            patterns,
            rounds,
            progress=partial(tell, f"layer {index}: trims"),
        )
        yield from chip.end()
        record = record.with_layer(index, trims=trims)
        reports[index] = before, after
        found(record)
    yield from load(network, weights=False, record=record)
    return record, reports


def check_calibration(patterns: int, rounds: int) -> None:
    """Raise :class:`DesignError` for numbers with which :func:`find_trims` finds nothing."""
    check_integer("settings of the rows", patterns, 2, 1_000_000)
    check_integer("rounds", rounds, 1, 100)


def serviced(network: Network, service: str, tell: Told = _silent) -> Steps[ChipRecord]:
    """Trim a chip of which nothing is known ("trims"), or find its stuck cells first ("all"): its record, loaded."""
    record = ChipRecord.new("new", network.design)
    if service == "all":
        record = yield from find_stuck(network, record, tell)
    record, _ = yield from find_trims(network, record, tell=tell)
    return record


@dataclass(frozen=True)
class Check:
    """What the cells of a layer should hold and what they were read to hold, in weight codes: (rows, all_columns).

    Of a weight with stuck cells that is what they allow.
    """

    expected: np.ndarray
    read: np.ndarray
    used: np.ndarray  #: boolean: not of spares that are not in use, nor of several bias rows

    @property
    def error(self) -> np.ndarray:
        """Of every weight, 0 of those that are not used."""
        return np.where(self.used, self.read - self.expected, 0.0)

    @property
    def rms(self) -> float:
        return float(np.sqrt((self.error[self.used] ** 2).mean()))

    def beyond(self, codes: float) -> np.ndarray:
        """Rows and columns (n, 2) of the weights that are further away than this."""
        return np.argwhere(np.abs(self.error) > codes)


def read_back(
    network: Network, record: ChipRecord, how: Reading | None = None, tell: Told = _silent
) -> Steps[list[Check]]:
    """Read what every weight of a loaded chip holds; ``how`` None: as :func:`.cells.reading` says.

    The chip is enabled again in the end.
    """
    checks = []
    yield from stop(network.design)
    for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
        known, chip = record.layers[index], Diagnosis(layer, index, record.trim_steps)
        placed = placement(layer, data, known)
        kinds = np.full(placed.levels.shape, HEALTHY) if known.kinds is None else known.kinds
        mine = how or reading(chip)
        yield from chip.begin()
        if known.trims is not None:
            yield from set_trims(chip, known.trims)
        count = _Count(partial(tell, f"layer {index}: cells"), readings(layer, mine))
        read = yield from read_levels(chip, mine, known.trims and known.trims.offset, count)
        yield from chip.end()
        used = np.isfinite(read)
        used[:, layer.columns :] &= (placed.spares >= 0).reshape(-1)
        checks.append(Check(held(layer, placed.levels, kinds), np.where(used, read, 0.0), used))
    yield from load(network, weights=False, record=record)
    return checks


class _Count:
    """Adds up what it is told."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, more: int) -> None:
        self._done += more
        self._progress(self._done, self._total)


def check_beyond(beyond: float) -> None:
    """Raise :class:`DesignError` for a limit that :func:`refresh` cannot have."""
    check_number("codes beyond which weights are refreshed", beyond, 0.0, 2.0 * full_scale(16))


def refresh(
    network: Network,
    record: ChipRecord,
    beyond: float = REFRESH,
    how: Reading | None = None,
    tell: Told = _silent,
) -> Steps[tuple[list[Check], int]]:
    """Write weights again that are ``beyond`` weight codes from what they should hold, of a loaded chip.

    Returns what was read before, and how many were written. Weights with stuck cells stay as they are. The chip is
    enabled again in the end. One that is cut off while it is written has no seal and refuses ENABLE until all its
    cells are loaded.
    """
    check_beyond(beyond)
    checks = yield from read_back(network, record, how, tell)
    yield from stop(network.design)
    written = 0
    for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
        kinds, check = record.layers[index].kinds, checks[index]
        cells = np.abs(check.error) > beyond
        if kinds is not None:
            cells &= kinds == HEALTHY
        levels = placement(layer, data, record.layers[index]).levels
        places = np.argwhere(cells)
        yield Write(BY_NAME["LAYER"], index)
        for number, (row, column) in enumerate(places.tolist()):
            yield from program_row(layer, row, levels[row, column : column + 1], column)
            tell(f"layer {index}: refresh", number + 1, len(places))
        written += len(places)
    yield from programmed()
    if written:
        yield from seal(network.design)
    yield from load(network, weights=False, record=record)
    return checks, written

"""Fault-aware mapping: weights placed around cells that are known to be stuck.

Three cures, all inside the array macro, so that nothing outside sees them:

- **partner**: the healthy cells of a weight take up what its stuck cells do, as far as their range goes;
- **flip**: a column of pairs whose two planes change roles, where that fits its faults better;
- **spares**: additional columns in the array, which the column multiplexer puts in place of the worst ones.

A fault map comes from a test that writes and reads every cell; here the model's own map is taken.
"""

from dataclasses import dataclass

import numpy as np

from ...model.formats import DesignError, check_boolean, check_integer


@dataclass(frozen=True, kw_only=True)
class Repair:
    """Which cures a chip uses."""

    partner: bool = True
    flip: bool = True
    spares: int = 0  #: additional columns

    def __post_init__(self) -> None:
        for name in ("partner", "flip"):
            check_boolean(f"repair by {name}", getattr(self, name))
        check_integer("spare columns", self.spares, 0, 4096)


@dataclass(frozen=True)
class Plan:
    """Where the weights of an array go.

    ``digits`` (planes, rows, width) are what the cells are programmed to, ``place`` (columns,) is the position of
    each column among the columns and spares, ``gain`` (columns,) brings its current back to weight codes: -1 for a
    flipped one, below 1 in size for one that is scaled up. ``error`` (rows, columns) is what each weight lacks by its
    faults, in weight codes.
    """

    digits: np.ndarray
    place: np.ndarray
    gain: np.ndarray
    error: np.ndarray


def plan(mapping, levels: np.ndarray, stuck: np.ndarray, repair: Repair) -> Plan:
    """Place weight codes ``levels`` (rows, columns) around ``stuck`` (planes, rows, width) of 1, -1 or 0."""
    columns = levels.shape[1]
    frozen = np.where(stuck > 0, mapping.base - 1, np.where(stuck < 0, 0, -1))  # -1: healthy
    reference = _reference(mapping, frozen)
    scale = mapping.column_scale(levels)
    levels = levels * scale

    def attempt(sign: int, numbers: np.ndarray, positions: np.ndarray) -> list[np.ndarray]:
        wanted = sign * levels[:, numbers]
        digits, error = fit(mapping, wanted, frozen[:, :, positions], reference, repair.partner)
        cost = ((error / scale[numbers]) ** 2).sum(axis=0)
        return [digits, error, cost, np.full(len(cost), sign)]

    def solve(numbers: np.ndarray, positions: np.ndarray) -> list[np.ndarray]:
        """Digits, errors, costs and signs of the columns ``numbers`` at ``positions``, with the better sign."""
        plain = attempt(1, numbers, positions)
        if not (repair.flip and mapping.paired):
            return plain
        flipped = attempt(-1, numbers, positions)
        better = flipped[2] < plain[2]
        return [np.where(better, new, old) for new, old in zip(flipped, plain)]

    every = np.arange(columns)
    place = every.copy()
    cost = solve(every, every)[2]
    for spare in range(columns, columns + repair.spares):  # each spare to the column that gains most by it
        gain = cost - solve(every, np.full(columns, spare))[2]
        worst = int(gain.argmax())
        if gain[worst] > 0:
            cost[worst] -= gain[worst]
            place[worst] = spare
    digits, error, _, sign = solve(every, place)
    wide = np.zeros(mapping.shape, dtype=digits.dtype)
    wide[:, :, place] = digits
    if not mapping.paired:
        wide[:, :, -1] = mapping.split(np.full(len(levels), mapping.top))
    return Plan(wide, place, sign / scale, error * sign / scale)


def fit(mapping, wanted: np.ndarray, frozen: np.ndarray, reference: np.ndarray, partner: bool):
    """Digits (planes, rows, n) that come nearest to ``wanted`` (rows, n), and what is missing (rows, n).

    ``frozen`` (planes, rows, n) is the digit of a stuck cell, -1 for a healthy one; ``reference`` (rows,) what the
    reference column takes away. From the heaviest cell down, each takes the digit nearest to its nominal one that
    leaves a rest within reach of the cells after it: exact for one cell a weight and polarity. Digits are whole
    numbers if ``wanted`` are.
    """
    whole = wanted.dtype.kind in "iu"
    nominal = mapping.nominal(wanted)
    weight = mapping.digit_weights
    healthy = frozen < 0
    if not partner:
        held = np.where(healthy, nominal, frozen)
        return nominal, wanted + reference[:, None] - np.tensordot(weight, held, axes=1)
    digits = np.where(healthy, nominal, frozen)
    rest = wanted + reference[:, None] - np.tensordot(weight, np.where(healthy, 0, frozen), axes=1)
    reach = healthy * (mapping.base - 1) * weight[:, None, None]
    above, below = np.maximum(reach, 0).sum(axis=0), np.minimum(reach, 0).sum(axis=0)
    for cell in np.argsort(-np.abs(weight), kind="stable"):
        above, below = above - np.maximum(reach[cell], 0), below - np.minimum(reach[cell], 0)
        bounds = np.sort([(rest - above) / weight[cell], (rest - below) / weight[cell]], axis=0)
        low, high = bounds
        if whole:
            low, high = np.ceil(low - 1e-9), np.floor(high + 1e-9)
        within = np.clip(nominal[cell], low, np.maximum(low, high))
        middle = bounds.mean(axis=0)
        nearest = np.where(low <= high, within, np.round(middle) if whole else middle)
        chosen = np.clip(nearest, 0, mapping.base - 1).astype(digits.dtype)
        digits[cell] = np.where(healthy[cell], chosen, digits[cell])
        rest = rest - np.where(healthy[cell], weight[cell] * chosen, 0)
    return digits, rest


def reach(mapping, made: Plan, stuck: np.ndarray, repair: Repair | None) -> np.ndarray:
    """Lowest and highest code that each weight can have in its place: (2, rows, columns) integers.

    For pairs of one cell a polarity, G+ - G- with one of them stuck is a range: -L..0 or 0..L. Both stuck, it is one
    code. With slices it would have gaps, and with spares the place depends on the weights. Raises
    :class:`DesignError` there, and where healthy cells do not take up what stuck ones do.
    """
    cells = mapping.cells
    pairs = mapping.paired and mapping.slices == 1 and not cells.column_scaling and mapping.layer.weight_bits > 1
    if not pairs or repair is None or not repair.partner or repair.spares:
        raise DesignError(
            "weights have a range each only in pairs of one cell a polarity and above 1 bit, without column scaling, "
            "repaired by partner and without spare columns"
        )
    lowest = np.where(stuck > 0, mapping.base - 1, 0)[:, :, made.place]
    highest = np.where(stuck < 0, 0, mapping.base - 1)[:, :, made.place]
    low, high = lowest[0] - highest[1], highest[0] - lowest[1]
    return np.where(made.gain > 0, [low, high], [-high, -low])


def _reference(mapping, frozen: np.ndarray) -> np.ndarray:
    """What the reference column takes away in each row, its stuck cells included: (rows,)."""
    if mapping.paired:
        return np.zeros(frozen.shape[1], dtype=np.int64)
    digits = mapping.split(np.full(frozen.shape[1], mapping.top))
    digits = np.where(frozen[:, :, -1] < 0, digits, frozen[:, :, -1])
    return np.tensordot(mapping.digit_weights, digits, axes=1)

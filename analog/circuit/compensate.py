"""Conductances that make an array with wires compute what it would without them, up to one factor.

The factor is the loss of the worst cell, so an ADC's reference voltage (the gain of docs/numerics.md) makes good for
it. Compare "uncompensated", where cells near the drivers count more than those far away.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model.formats import DesignError, check_integer, check_number
from .wires import WireConfig, check_conductance, effective_matrix


@dataclass(frozen=True)
class Compensation:
    """A compensated pair of arrays; matrices (rows, columns) in siemens."""

    positive: np.ndarray  #: conductances to program
    negative: np.ndarray
    scale: float  #: the pair senses ``scale`` times the difference that was asked for
    error: float  #: largest deviation from that, as a share of ``scale`` times the largest difference


def pair_error(difference, sensed) -> tuple[float, float]:
    """Best common factor (least squares) from ``difference`` to ``sensed``, and the largest deviation from it.

    Both (rows, columns) in siemens; the deviation is a share of the factor times the largest difference.
    """
    difference, sensed = np.asarray(difference, dtype=np.float64), np.asarray(sensed, dtype=np.float64)
    power = np.sum(difference**2)
    if power == 0:
        raise DesignError("differences of a pair must not all be zero, or no factor can be fitted")
    scale = float(np.sum(difference * sensed) / power)
    return scale, _deviation(difference, sensed, scale)


def compensate_pair(
    positive,
    negative,
    wires: WireConfig,
    low: float,
    high: float,
    *,
    steps: int = 5,
    solve: Callable[[np.ndarray, WireConfig], np.ndarray] = effective_matrix,
) -> Compensation:
    """Conductances within ``low..high`` whose solved difference is a multiple of ``positive - negative``.

    ``positive`` and ``negative`` (rows, columns) in siemens lie in two arrays with the wires ``wires`` each. Of the
    two cells of a weight one stays at ``low``. Each of the ``steps`` solves both arrays and divides by the losses
    found, which takes a digit off the error; the factor is the largest for which no cell needs more than ``high``.
    ``solve`` is the matrix to compensate: :func:`.wires.effective_matrix` or an approximation of it.
    Raises :class:`DesignError` unless 0 < low < high and all differences are within high - low.
    """
    positive, negative = check_conductance(positive), check_conductance(negative)
    check_number("lowest conductance in siemens", low, 1e-15, 1e3)
    check_number("highest conductance in siemens", high, 1e-15, 1e3)
    check_integer("compensation steps", steps, 1, 100)
    if positive.shape != negative.shape:
        raise DesignError(f"both arrays of a pair must have one shape, not {positive.shape} and {negative.shape}")
    if not low < high:
        raise DesignError(f"lowest conductance must be below the highest, {high!r} S, not {low!r}")
    wanted = positive - negative
    span = high - low
    largest = float(np.abs(wanted).max())
    if largest > span * (1 + 1e-9):
        raise DesignError(f"differences of a pair must be within {span!r} S, the range of a cell, not {largest!r}")
    positive, negative = low + np.maximum(wanted, 0), low + np.maximum(-wanted, 0)
    weighed = wanted != 0
    sensed = solve(positive, wires), solve(negative, wires)
    scale = 1.0
    for _ in range(steps):
        gain = sensed[0] / positive, sensed[1] / negative
        floor = (gain[0] - gain[1]) * low  # difference sensed with both cells at ``low``
        reach = np.where(wanted > 0, span * gain[0] + floor, span * gain[1] - floor)
        scale = float(np.min(reach[weighed] / np.abs(wanted[weighed]), initial=1.0))
        needed = scale * wanted - floor
        positive = np.clip(low + np.maximum(needed, 0) / gain[0], low, high)
        negative = np.clip(low + np.maximum(-needed, 0) / gain[1], low, high)
        sensed = solve(positive, wires), solve(negative, wires)
    return Compensation(positive, negative, scale, _deviation(wanted, sensed[0] - sensed[1], scale))


def _deviation(wanted: np.ndarray, sensed: np.ndarray, scale: float) -> float:
    """Largest ``|sensed - scale * wanted|`` as a share of the largest ``scale * wanted``."""
    largest = np.abs(scale * wanted).max()
    return float(np.abs(sensed - scale * wanted).max() / largest) if largest else 0.0

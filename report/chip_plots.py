"""Pictures of one chip: maps of its cells, and its converters before and after their trims."""

import numpy as np
from matplotlib.figure import Figure

from ..firmware.chip.calibration import AdcReport
from ..firmware.chip.faults import NAMES
from ..firmware.chip.service import Check
from .style import ABOVE, BLUE, RED

SHOWN = 3.0  #: weight codes, end of the colours of errors


def levels(check: Check) -> Figure:
    """What every weight was read to hold; grey where nothing is read."""
    top = float(np.abs(check.expected).max()) or 1.0
    return _map(np.where(check.used, check.read, np.nan), "RdBu", (-top, top), "read, weight codes")


def errors(check: Check) -> Figure:
    """How far every weight is from what it should hold."""
    return _map(np.where(check.used, check.error, np.nan), "PuOr", (-SHOWN, SHOWN), "error, weight codes")


def faults(kinds: np.ndarray) -> Figure:
    """Kinds of all weights, by colour; white: healthy."""
    figure, axes = _axes(kinds.shape)
    for kind, name in enumerate(NAMES[1:], start=1):
        row, column = np.nonzero(kinds == kind)
        if len(row):
            axes.plot(column, row, "s", markersize=4, color=f"C{kind}", label=f"{name}: {len(row)}")
    axes.set_xlim(-0.5, kinds.shape[1] - 0.5)
    axes.set_ylim(kinds.shape[0] - 0.5, -0.5)
    if (kinds > 0).any():
        axes.legend(**ABOVE)
    return figure


def trims(before: AdcReport, after: AdcReport) -> Figure:
    """Offset and gain of every ADC, untrimmed and trimmed."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    parts = figure.subplots(1, 2)
    pairs = ((before.offset, after.offset, "offset, LSB"), (before.gain, after.gain, "gain"))
    for axes, (was, now, name) in zip(parts, pairs):
        axes.plot(was, "o", color=RED, label="before")
        axes.plot(now, "o", color=BLUE, label="after")
        axes.set_xlabel("ADC")
        axes.set_ylabel(name)
        axes.legend(**ABOVE)
    return figure


def _map(values: np.ndarray, colours: str, limits: tuple[float, float], label: str) -> Figure:
    figure, axes = _axes(values.shape)
    axes.set_facecolor("#c8ced6")
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="auto")
    figure.colorbar(image, ax=axes, label=label)
    return figure


def _axes(shape: tuple[int, ...]):
    figure = Figure(figsize=(8, float(np.clip(8 * shape[0] / shape[1], 2.0, 6.0))), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel("physical column")
    axes.set_ylabel("row")
    return figure, axes

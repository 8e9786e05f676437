"""Figures of the analog studies."""

import numpy as np
from matplotlib.figure import Figure

from ..analog.array import Array
from ..analog.config import QUANTISATION_SIGMA
from ..analog.studies.budget import Budget
from ..analog.studies.effects import SourceEffect
from ..model.metrics import ACCURACY, Metric
from .style import ABOVE, BLUE, GREY, RED


def noise_budget(budget: Budget) -> Figure:
    """Bars of a budget's rms errors, the largest on top, beside that of the converter's own rounding."""
    names, values = [s.source for s in budget.shares], [s.lsb for s in budget.shares]
    figure = Figure(figsize=(7, 0.9 + 0.35 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(names[::-1], values[::-1], color=BLUE)
    axes.set_xscale("log")
    axes.set_xlim(left=10 ** np.floor(np.log10(min(values)) - 0.1))
    axes.set_xlabel(f"error before the {budget.bits}-bit converter, LSB rms")
    axes.axvline(QUANTISATION_SIGMA, color=RED, linewidth=1, label="quantisation, 1/sqrt(12)")
    axes.legend(**ABOVE)
    return figure


def score_histogram(
    scores: np.ndarray, interval: tuple[float, float], ideal: float | None = None, metric: Metric = ACCURACY
) -> Figure:
    """Distribution of the chips' scores, their mean's interval, and the noiseless network."""
    factor, name = _axis(metric)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(factor * scores, bins=min(30, max(5, len(scores) // 4)), color=BLUE)
    axes.axvspan(*(factor * edge for edge in interval), color=RED, alpha=0.25, label="mean, 95 % interval")
    if ideal is not None:
        axes.axvline(factor * ideal, color=GREY, linestyle="--", label="without noise")
    axes.set_xlabel(name)
    axes.set_ylabel(f"chips of {len(scores)}")
    axes.legend(**ABOVE)
    return figure


def tornado(effects: list[SourceEffect], ideal: float, all_on: float, metric: Metric = ACCURACY) -> Figure:
    """Score with each source alone (from the ideal down) and with it taken out (from all sources up).

    Error bars are the effects' intervals; a single chip has none.
    """
    factor, name = _axis(metric)
    effects = sorted(effects, key=lambda e: e.alone.mean, reverse=metric.less_is_better)  # the worst on top
    figure = Figure(figsize=(7, 1.4 + 0.4 * len(effects)), layout="constrained")
    axes = figure.subplots()
    sides = (
        ("this source alone", BLUE, -0.2, ideal, [e.alone for e in effects]),
        ("all but this source", RED, 0.2, all_on, [e.without for e in effects]),
    )
    for label, colour, shift, origin, bars in sides:
        means, low, high = factor * np.array([(e.mean, e.low, e.high) for e in bars]).T
        errors = np.where(np.isinf(low), np.nan, [means - low, high - means])
        places = np.arange(len(effects)) + shift
        axes.barh(places, means, 0.38, left=factor * origin, xerr=errors, capsize=3, color=colour, label=label)
    axes.axvline(factor * ideal, color=GREY, linestyle="--", linewidth=1, label="no noise")
    axes.axvline(factor * all_on, color=GREY, linestyle=":", linewidth=1, label="all sources")
    axes.set_yticks(range(len(effects)), [e.source for e in effects])
    axes.invert_yaxis()
    axes.set_xlabel(name)
    figure.legend(loc="outside upper center", ncols=4, fontsize="small")
    return figure


def _axis(metric: Metric) -> tuple[float, str]:
    """What a score is multiplied with, and the axis's name."""
    return (1.0, f"{metric.name}, in units of the values") if metric.less_is_better else (100.0, f"{metric.name}, %")


def conductance_histogram(array: Array) -> Figure:
    """Conductances of an array with cells, one colour for the level that each was meant to have or be nearest to."""
    digits = np.rint(array.cell_array.plan(array.levels).digits)
    conductances = 1e6 * array.conductances
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(conductances.min(), max(conductances.max(), conductances.min() + 1e-9), 101)
    for digit in range(array.cell_array.mapping.base):
        axes.hist(conductances[digits == digit], bins=edges, histtype="stepfilled", alpha=0.7, label=str(digit))
    axes.set_yscale("log")
    axes.set_xlabel("conductance, uS")
    axes.set_ylabel(f"cells of {conductances.size}")
    figure.legend(title="level", loc="outside right upper", fontsize="small")
    return figure


def ir_drop_map(lost_volts: np.ndarray) -> Figure:
    """Voltage that each cell (rows, width) misses."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(1e3 * lost_volts, aspect="auto", cmap="viridis", interpolation="nearest")
    figure.colorbar(image, label="voltage lost at the cell, mV")
    axes.set_xlabel("column (drivers at the left)")
    axes.set_ylabel("row (sensed at the bottom)")
    return figure

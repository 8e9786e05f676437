"""Figures of a trained network: accuracies, confusion, an utterance, codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..model.formats import DesignError, full_scale
from ..model.layers import GATES, LstmLayer
from ..model.metrics import confusion_counts
from ..model.network import Network
from ..model.reference import Result
from .style import BLUE, GREEN, GREY, ORANGE

if TYPE_CHECKING:  # a command that trains nothing need not load torch
    from ..train.usage import CodeUsage

BINS = 64  #: of a histogram of codes
GATE_NAMES = {"f": "forget gate f", "i": "input gate i", "o": "output gate o", "g": "candidate g"}


def accuracy_by_level(rows: list[tuple[str, np.ndarray, str]]) -> Figure:
    """Accuracies (0..1) of each named row as points, and their mean as a bar."""
    figure = Figure(figsize=(9.2, 0.46 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots()
    rng = np.random.default_rng(0)  # spreads points that would hide each other
    for y, (_, values, colour) in enumerate(rows):
        spread = rng.uniform(-0.22, 0.22, len(values)) if len(values) > 1 else [0.0]
        axes.plot(100 * values, y + np.array(spread), "o", color=colour, alpha=0.6, markersize=6, markeredgewidth=0)
        axes.plot([100 * values.mean()] * 2, [y - 0.34, y + 0.34], color=colour, linewidth=2.5)
        axes.annotate(
            f"{100 * values.mean():.2f} %", (1.01, y), xycoords=("axes fraction", "data"), va="center", color=colour
        )
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy in %; a stroke is the mean, printed at the right")
    axes.grid(axis="x", alpha=0.3)
    return figure


def confusion(classes: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Figure:
    """How often each true class (row) was given each label (column)."""
    counts = confusion_counts(classes, labels, len(names))
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            colour = "white" if row == column else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    short = [name.split()[-1] for name in names]
    axes.set_xticks(range(len(names)), short)
    axes.set_yticks(range(len(names)), short)
    axes.set_xlabel(f"{names[0].split()[0]} that the network names")
    axes.set_ylabel(f"true {names[0].split()[0]}")
    return figure


def utterance(network: Network, result: Result, sequence: int, length: int) -> Figure:
    """Inputs, gates, cell state and hidden state of one sequence over its time steps, every unit a row."""
    layer, trace, head = network.design.layers[0], result.layers[0], result.layers[-1]
    if not isinstance(layer, LstmLayer) or trace.gates is None or trace.cell is None or trace.hidden is None:
        raise DesignError("the picture of an utterance needs an LSTM as the first layer")
    drive, gates, cell, hidden = (
        part[sequence, :length] for part in (trace.drive, trace.gates, trace.cell, trace.hidden)
    )
    top, input_top, a = full_scale(layer.dac_bits), full_scale(layer.input_bits), layer.activation_bits
    panels: list[tuple[str, np.ndarray, str, tuple[float, float]]]
    panels = [("input DAC codes", drive[:, : layer.inputs].T, "RdBu_r", (-input_top, input_top))]
    for gate, name in enumerate(GATES):
        values = gates[:, gate].T / 2 ** (a - (name == "g"))
        panels.append((GATE_NAMES[name], values, "RdBu_r" if name == "g" else "viridis", (-(name == "g"), 1)))
    real = cell.T / 2**layer.cell_fraction
    bound = max(1.0, float(np.abs(real).max()))
    panels.append(("cell state c", real, "RdBu_r", (-bound, bound)))
    panels.append(("hidden DAC codes", hidden.T, "RdBu_r", (-top, top)))
    codes = head.adc[sequence, length - 1]
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.subplots(2, 4).reshape(-1)
    for axes, (title, values, colours, (low, high)) in zip(grid, panels):
        picture = axes.imshow(
            values,
            aspect="auto",
            cmap=colours,
            vmin=low,
            vmax=high,
            interpolation="nearest",
            extent=(0.5, length + 0.5, len(values) - 0.5, -0.5),
        )
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("time step")
        axes.set_ylabel("input" if title.startswith("input D") else "unit")
        figure.colorbar(picture, ax=axes)
    axes = grid[len(panels)]
    best = codes.argmax()
    axes.bar(range(1, len(codes) + 1), codes, color=[ORANGE if k == best else BLUE for k in range(len(codes))])
    axes.set_title("head's ADC codes after the last step", fontsize=11)
    axes.set_xlabel("class")
    axes.set_ylabel("ADC code")
    axes.set_xticks(range(1, len(codes) + 1))
    return figure


def code_histograms(usages: Sequence["CodeUsage"]) -> Figure:
    """Of every array in a row: weight codes, DAC codes, ADC codes with the share that clips, in % of all."""
    figure = Figure(figsize=(12, 2.6 * len(usages)), layout="constrained")
    for row, usage in zip(figure.subplots(len(usages), 3, squeeze=False), usages):
        weights, dac, adc = row
        _histogram(weights, usage.weights, -(len(usage.weights) // 2), color=BLUE)
        weights.set_title(f"{usage.name}: weight codes", fontsize=11)
        low = -(len(usage.inputs) // 2)
        _histogram(dac, usage.inputs, low, color=BLUE, label=f"inputs, {100 * usage.inputs_clipped:.2f} % clip")
        if usage.hidden is not None:
            _histogram(dac, usage.hidden, low, color=ORANGE, label="hidden")
        dac.set_title("DAC codes", fontsize=11)
        names = [f"{gate}, " for gate in GATES] if len(usage.adc) > 1 else [""]
        for name, counts, clipped, colour in zip(names, usage.adc, usage.adc_clipped, (BLUE, ORANGE, GREY, GREEN)):
            _histogram(adc, counts, -(len(counts) // 2), color=colour, label=f"{name}{100 * clipped:.2f} % clip")
        adc.set_title("ADC codes", fontsize=11)
        weights.set_ylabel("% of all")
        for axes in (dac, adc):
            axes.legend(fontsize="small")
    return figure


def _histogram(axes, counts: np.ndarray, low: int, **style) -> None:
    """Steps of shares in %, ``low`` being the first code; at most BINS, so that fine codes share one."""
    width = -(-len(counts) // BINS)
    starts = np.arange(0, len(counts), width)
    edges = np.append(starts, len(counts)) + low - 0.5
    shares = 100 * np.add.reduceat(counts, starts) / max(counts.sum(), 1)
    axes.stairs(shares, edges, linewidth=1.5, **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))

"""Plots of Ma et al.: the paper's layouts, and a learning curve of every trial. What is missing is marked so."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..train.experiments.paper import HAR_BITS, Trial
from ..train.layers.config import FLOAT
from .style import ABOVE, BLUE, GREY, ORANGE
from .sweep_numbers import METRICS, PAPER_NAMES, float_trial, mean_of, noise_text
from .sweep_results import MISSING, Record, Results, finals

CURVES = {
    "har": ("train_loss", "training loss"),
    "ptb": ("valid_perplexity", METRICS["ptb"][2]),
    "names": ("train_perplexity", METRICS["names"][2]),
}
PANEL_TRIALS = 8  #: more learning curves than this have a panel for each width of the weights


def plots(experiment: str, results: Results) -> dict[str, Figure]:
    """Figures by the name of their file."""
    figures = {experiment: _PAPER[experiment](results)}
    if experiment != "fig5":  # which is of learning curves
        figures[f"{experiment}_curves"] = learning_curves(results)
    return figures


def learning_curves(results: Results) -> Figure:
    """Metric by epoch, a line for each trial: means over seeds, bands of a standard deviation.

    Trials quantised after training have no curve of their own.
    """
    baseline = float_trial(results)
    trials = [trial for trial in results if not trial.post_training and trial != baseline]
    widths = sorted({trial.weight_bits for trial in trials}) if len(trials) > PANEL_TRIALS else [None]
    figure = Figure(figsize=(6 if len(widths) == 1 else 4.2 * len(widths), 4), layout="constrained")
    for axes, width in zip(figure.subplots(1, len(widths), squeeze=False, sharey=True)[0], widths):
        members = [trial for trial in trials if width in (None, trial.weight_bits)]
        colours = colormaps["viridis"](np.linspace(0, 0.9, len(members)))
        if baseline is not None:
            _curve(axes, baseline, results[baseline], color=GREY, linestyle="--")
        for trial, colour in zip(members, colours):
            _curve(axes, trial, results[trial], color=colour)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize="small")
    figure.axes[0].set_ylabel(CURVES[next(iter(results)).task][1])
    return figure


def _curve(axes: Axes, trial: Trial, records: list[Record], **style) -> None:
    label = ", ".join(filter(None, (trial.label, noise_text(trial))))
    if not records:
        axes.plot([], [], label=f"{label}: {MISSING}", **style)
        return
    curves = np.array([[epoch[CURVES[trial.task][0]] for epoch in record["epochs"]] for record in records])
    epochs, mean = np.arange(1, curves.shape[1] + 1), curves.mean(axis=0)
    axes.plot(epochs, mean, marker=".", label=label, **style)
    if len(curves) > 1:
        deviation = curves.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=style["color"], alpha=0.2, linewidth=0)


def _points(axes: Axes, xs: Sequence[float], groups: Sequence[list[float]], label: str, **style) -> None:
    """A line of means with error bars over seeds; where nothing has run, a gap and a cross on the axis."""
    means = np.array([np.mean(values) if values else np.nan for values in groups])
    errors = np.array([np.std(values, ddof=1) if len(values) > 1 else np.nan for values in groups])
    axes.errorbar(xs, means, yerr=errors, marker="o", capsize=3, label=label, **style)
    gaps = [x for x, values in zip(xs, groups) if not values]
    if gaps:
        axes.plot(
            gaps,
            [0] * len(gaps),
            "x",
            color=style["color"],
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label=f"{label}: {MISSING}",
        )


def _names(results: Results) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    x = np.arange(len(results))
    labels = ["float" if c.weight_bits == FLOAT else f"{c.weight_bits}/{c.converter_bits} bits" for c in results]
    panels = (("accuracy", 100, "training accuracy in %"), ("perplexity", 1, METRICS["names"][2]))
    for column, (axes, (metric, scale, title)) in enumerate(zip(figure.subplots(1, 2), panels)):
        groups = [finals(records, metric, scale) for records in results.values()]
        heights = [np.mean(values) if values else 0 for values in groups]
        errors = [np.std(values, ddof=1) if len(values) > 1 else np.nan for values in groups]
        paper = [PAPER_NAMES[c.weight_bits, c.converter_bits][column] for c in results]
        axes.bar(x - 0.2, heights, 0.4, yerr=errors, capsize=3, color=BLUE, label="here")
        axes.bar(x + 0.2, paper, 0.4, color=GREY, label="paper")
        axes.set_xticks(x, labels)
        axes.set_ylabel(title)
        axes.set_ylim(min([h for h in heights if h] + paper) * 0.9, max(heights + paper) * 1.05)
        _mark_missing(axes, x[[not values for values in groups]] - 0.2)
        axes.legend()
    return figure


def _mark_missing(axes: Axes, xs: np.ndarray) -> None:
    """Say so where a bar is missing."""
    for x in xs:
        axes.text(x, 0.02, MISSING, rotation=90, ha="center", va="bottom", transform=axes.get_xaxis_transform())


def _har(results: Results) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    by_key = {(c.weight_bits, c.post_training): finals(r, "accuracy", 100) for c, r in results.items()}
    for post, colour, label in ((False, BLUE, "quantisation-aware"), (True, ORANGE, "quantised after training")):
        _points(axes, HAR_BITS, [by_key[bits, post] for bits in HAR_BITS], label, color=colour)
    _float_line(axes, results)
    axes.set_xlabel("bits of weights, DACs and ADCs")
    axes.set_ylabel(METRICS["har"][2])
    axes.legend()
    return figure


def _float_line(axes: Axes, results: Results) -> None:
    value = mean_of(results, float_trial(results))
    if np.isnan(value):
        axes.plot([], [], color=GREY, linestyle="--", label=f"float: {MISSING}")
    else:
        axes.axhline(value, color=GREY, linestyle="--", label="float")


def _grid(results: Results) -> Figure:
    """The paper's bars, and the same as a heat map with the ratio to float; hatched where a trial is missing."""
    values = np.full((4, 4), np.nan)
    for trial in results:
        if trial.weight_bits != FLOAT:
            values[trial.weight_bits - 1, trial.converter_bits - 1] = mean_of(results, trial)
    baseline = mean_of(results, float_trial(results))
    figure = Figure(figsize=(11, 4), layout="constrained")
    bars, heat = figure.subplots(1, 2)
    for weight in range(4):
        x = np.arange(4) + 0.2 * weight - 0.3
        bars.bar(x, np.nan_to_num(values[weight]), 0.2, label=f"{weight + 1}-bit weight")
        _mark_missing(bars, x[np.isnan(values[weight])])
    _float_line(bars, results)
    bars.set_xticks(range(4), range(1, 5))
    bars.set_xlabel("ADC/DAC bits")
    bars.set_ylabel(METRICS["ptb"][2])
    bars.legend(**ABOVE)
    picture = heat.imshow(np.ma.masked_invalid(values), cmap="viridis_r", origin="lower")
    figure.colorbar(picture, ax=heat, label=METRICS["ptb"][2])
    for (weight, converter), value in np.ndenumerate(values):
        if np.isnan(value):
            heat.fill_between(
                [converter - 0.5, converter + 0.5],
                weight - 0.5,
                weight + 0.5,
                facecolor="none",
                edgecolor=GREY,
                hatch="//",
                linewidth=0,
            )
        ratio = "" if np.isnan(value / baseline) else f"\n{value / baseline:.2f} x"
        heat.text(
            converter,
            weight,
            MISSING if np.isnan(value) else f"{value:.0f}{ratio}",
            ha="center",
            va="center",
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
        )
    heat.set_xticks(range(4), range(1, 5))
    heat.set_yticks(range(4), range(1, 5))
    heat.set_xlabel("ADC/DAC bits")
    heat.set_ylabel("weight bits")
    if not np.isnan(baseline):
        heat.set_title("perplexity, and how many times float's", fontsize="medium")
    return figure


def _adc_noise(results: Results) -> Figure:
    return _lines(results, "converter_bits", "ADC/DAC bits", lambda c: (c.weight_bits, bool(c.adc_noise)))


def _weight_noise(results: Results) -> Figure:
    return _lines(results, "weight_noise", "weight noise beta", lambda c: (c.weight_bits, False))


def _lines(results: Results, field: str, axis: str, key) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for weight, noisy in sorted({key(trial) for trial in results}):
        members = [
            (getattr(c, field), finals(r, "perplexity")) for c, r in results.items() if key(c) == (weight, noisy)
        ]
        style = {"color": BLUE if weight == 4 else ORANGE, "linestyle": "--" if noisy else "-"}
        label = f"{weight}-bit weight{', ADC noise' * noisy}"
        _points(axes, [x for x, _ in members], [y for _, y in members], label, **style)
    axes.set_xlabel(axis)
    axes.set_xticks(sorted({getattr(trial, field) for trial in results}))
    axes.set_ylabel(METRICS["ptb"][2])
    axes.legend(**ABOVE)
    return figure


_PAPER = {
    "fig4": _har,
    "fig5": learning_curves,
    "fig6": _grid,
    "table1": _names,
    "fig7": _adc_noise,
    "fig8": _weight_noise,
}

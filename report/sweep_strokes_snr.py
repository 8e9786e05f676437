"""``strokes-snr``: noise-injected training and votes, beside the abstract of Qin and Vucinic."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..train.experiments.strokes_snr import NETWORKS, TRIALS, VOTES, SnrTrial
from ..train.layers.noise import SITES
from .style import BLUE, GREY, ORANGE
from .sweep_results import MISSING, Results, Sweep, finals, spread

PAPER_NAIVE, PAPER_VOTED = 15.5, 89.6  #: % of stroke sequences at 0 dB, before and after, of the abstract
SHOWN = (1, 9, 49)  #: votes in the table, by the mean of the outputs
STATES = ("naive", "trained")
METRICS = (
    "clean",
    "trained_clean",
    "snr_layer",
    "snr_head",
    *(f"{state}_{rule}_{votes}" for state in STATES for rule in ("majority", "mean") for votes in VOTES),
)


def network_of(name: str) -> str:
    """``lstm64`` as text."""
    kind = name.rstrip("0123456789")
    return f"{kind.upper()} {name[len(kind) :]}"


def _bits(trial: SnrTrial) -> str:
    return "float" if trial.floating else "4/4/4"


def _table(results: Results, seeds: int) -> list[str]:
    lines = [
        "| network | bits | noise on | power | clean | trained, without noise | naive: 1 read | 9 | 49 "
        "| trained: 1 read | 9 | 49 | 49 by majority | SNR of layer, head |",
        "| --- | --- | --- | --- |" + " ---: |" * 10,
    ]
    metrics = ["clean", "trained_clean", *(f"{state}_mean_{votes}" for state in STATES for votes in SHOWN)]
    for trial, records in results.items():
        cells = [network_of(trial.network), _bits(trial), trial.site, trial.power]
        cells += [spread(finals(records, metric, 100), seeds, 1) for metric in (*metrics, "trained_majority_49")]
        snr = [np.mean(finals(records, metric)) for metric in ("snr_layer", "snr_head")] if records else []
        cells.append(", ".join(f"{value:.1f} dB" for value in snr) or MISSING)
        lines.append(f"| {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "In %, of all test digits; votes are by the mean of the outputs, but for one column.",
        f"The abstract has {PAPER_NAIVE} % before, and {PAPER_VOTED} % trained with noise and voted, at 0 dB.",
        "It does not give network, votes or site of the noise.",
    ]


def _plots(results: Results) -> dict[str, Figure]:
    figure = Figure(figsize=(4.4 * len(NETWORKS), 7.6), layout="constrained")
    panels = figure.subplots(len(SITES), len(NETWORKS), sharex=True, sharey=True, squeeze=False)
    for row, site in zip(panels, ("sums", "rows")):
        for axes, network in zip(row, NETWORKS):
            _panel(axes, {t: r for t, r in results.items() if (t.site, t.network) == (site, network)})
            axes.set_title(f"{network_of(network)}, noise on {site}", fontsize="medium")
            axes.set_xscale("log")
            axes.set_xticks(VOTES, [str(votes) for votes in VOTES], minor=False)
            axes.set_xticks([], minor=True)
            axes.set_ylim(0, 100)
            axes.legend(fontsize="x-small")
    for axes in panels[-1]:
        axes.set_xlabel("votes")
    for axes in panels[:, 0]:
        axes.set_ylabel("test accuracy in %")
    return {"strokes-snr": figure}


def _panel(axes: Axes, results: dict[SnrTrial, list[dict[str, Any]]]) -> None:
    for value, label in ((PAPER_VOTED, "abstract: trained, voted"), (PAPER_NAIVE, "abstract: naive")):
        axes.axhline(value, color=GREY, linewidth=0.8, linestyle="-" if value == PAPER_VOTED else ":", label=label)
    for trial, records in results.items():
        colour = BLUE if trial.floating else ORANGE
        if trial.power == "fixed":
            _line(axes, records, "naive", f"{_bits(trial)}, naive", color=colour, linestyle=":")
        style = {"color": colour, "linestyle": "-" if trial.power == "fixed" else "--"}
        _line(axes, records, "trained", f"{_bits(trial)}, trained, {trial.power} power", **style)


def _line(axes: Axes, records: list[dict[str, Any]], state: str, label: str, **style: Any) -> None:
    """Accuracy over votes, means of the seeds; where none has run, a label alone."""
    if records:
        values = np.array([finals(records, f"{state}_mean_{votes}", 100) for votes in VOTES])
        deviation = values.std(axis=1, ddof=1) if len(records) > 1 else None
        axes.errorbar(VOTES, values.mean(axis=1), yerr=deviation, marker=".", capsize=3, label=label, **style)
    else:
        axes.plot([], [], label=f"{label}: {MISSING}", **style)


STROKES_SNR = Sweep(
    "strokes-snr",
    "Pen strokes in noise of 0 dB: trained with noise, and votes (after Qin and Vucinic)",
    TRIALS,
    lambda trial: METRICS,
    _table,
    _plots,
)

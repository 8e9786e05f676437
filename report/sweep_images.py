"""Images in noise as strong as the signals: the table beside the abstract's figures, and accuracy over votes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from ..train.experiments.cifar import CIFAR, CifarTrial
from ..train.experiments.mnist import MNIST, MnistTrial
from .style import BLUE, GREEN, GREY, ORANGE
from .sweep_results import Record, Results, Sweep, finals, spread

ImageTrial = MnistTrial | CifarTrial
ABSTRACT = {"mnist": {"naive": 21.1, "trained": 99.5}, "cifar": {"naive": 29.9, "trained": 89.1}}
#: percent, of Qin and Vucinic's abstract
NEAR = {"mnist": (96, 100), "cifar": (40, 90)}  #: percent that the second panel shows
COLOURS = {"conv": BLUE, "dense": ORANGE, "lstm": GREEN, "photo": BLUE}
NAMES = {"conv": "convolutions", "dense": "dense", "lstm": "LSTM over rows", "photo": "convolutions"}


def image_sweeps() -> list[Sweep]:
    """Digits and photographs."""
    return [
        _sweep("mnist-snr", "MNIST at 0 dB: training with noise, and votes", MNIST),
        _sweep("cifar", "CIFAR-10 at 0 dB: training with noise, and votes", CIFAR),
    ]


def _sweep(name: str, title: str, trials: Sequence[ImageTrial]) -> Sweep:
    return Sweep(name, title, trials, _metrics, _table, partial(_plots, name))


def _metrics(trial: ImageTrial) -> list[str]:
    protocol = trial.protocol()
    counts = {"naive": protocol.naive_reads, "trained": protocol.reads}
    votes = [f"{who}_{how}_{k}" for who, ks in counts.items() for how in ("majority", "mean") for k in ks]
    return ["clean", "trained_clean", "snr_least", "snr_most", "snr_head", *votes]


def _table(results: Results, seeds: int) -> list[str]:
    first = next(iter(results))
    naive, reads, abstract = first.protocol().naive_reads, first.protocol().reads, ABSTRACT[first.task]
    heads = [
        "network",
        "bits",
        "without noise",
        *(f"naive, {_reads(k)}" for k in naive),
        *(f"trained, {_reads(k)}" for k in reads),
        "trained, without noise",
        "SNR at the end, dB",
    ]
    columns = ["clean", *(f"naive_mean_{k}" for k in naive), *(f"trained_mean_{k}" for k in reads), "trained_clean"]
    lines = [f"| {' | '.join(heads)} |", f"| --- | --- |{' ---: |' * (len(heads) - 2)}"]
    for trial, records in results.items():
        cells = [spread(finals(records, column, 100), seeds) for column in columns]
        ends = [spread(finals(records, f"snr_{which}"), seeds, 1) for which in ("least", "most")]
        snr = f"{ends[0]} to {ends[1]}" if records else ends[0]
        lines.append(f"| {' | '.join([NAMES[trial.network], trial.label, *cells, snr])} |")
    return [
        *lines,
        "",
        f"Test accuracy in %; votes are by the mean of the outputs. The abstract has {abstract['naive']} % without "
        f"and {abstract['trained']} % with training in noise and a vote.",
    ]


def _reads(count: int) -> str:
    return f"{count} read" + "s" * (count > 1)


def _plots(name: str, results: Results) -> dict[str, Figure]:
    first = next(iter(results))
    abstract = ABSTRACT[first.task]
    figure = Figure(figsize=(8.4, 4), layout="constrained")
    wide, near = figure.subplots(1, 2)
    for trial, records in results.items():
        for axes in (wide, near):
            _lines(axes, trial, records)
    for axes in (wide, near):
        axes.axhline(abstract["trained"], color=GREY, linestyle=":", label="abstract, trained and voted")
        axes.set_xscale("log")
        axes.set_xticks(first.protocol().reads)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("reads that vote")
    wide.axhline(abstract["naive"], color=GREY, linestyle="-.", label="abstract, trained without noise")
    wide.set_ylim(0, 102)
    near.set_ylim(*NEAR[first.task])
    wide.set_ylabel("test accuracy in %")
    figure.legend(*wide.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    return {name: figure}


def _lines(axes: Axes, trial: ImageTrial, records: list[Record]) -> None:
    """Means over seeds: of the network that knows the noise, and paler of the one that does not."""
    label = f"{NAMES[trial.network]}, {trial.label}"
    style: dict[str, Any] = {"color": COLOURS[trial.network], "marker": "o" if trial.label == "float" else "s"}
    style["linestyle"] = "-" if trial.label == "float" else "--"
    if not records:
        axes.plot([], [], label=f"{label}: missing", **style)
        return
    protocol = trial.protocol()
    for who, counts, alpha in (("trained", protocol.reads, 1.0), ("naive", protocol.naive_reads, 0.4)):
        means = [sum(finals(records, f"{who}_mean_{k}", 100)) / len(records) for k in counts]
        shown = label if who == "trained" else f"{label}, without noise in training"
        axes.plot(counts, means, alpha=alpha, label=shown, **style)

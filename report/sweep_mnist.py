"""MNIST in noise as strong as the signals: the table beside the abstract's figures, and accuracy over votes."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from ..train.experiments.mnist import MNIST, MnistTrial
from .style import BLUE, GREEN, GREY, ORANGE
from .sweep_results import Record, Results, Sweep, finals, spread

ABSTRACT = {"naive": 21.1, "trained": 99.5}  #: percent, of Qin and Vucinic's abstract
COLOURS = {"conv": BLUE, "dense": ORANGE, "lstm": GREEN}
NAMES = {"conv": "convolutions", "dense": "dense", "lstm": "LSTM over rows"}


def mnist_sweep() -> Sweep:
    return Sweep("mnist-snr", "MNIST at 0 dB: training with noise, and votes", MNIST, _metrics, _table, _plots)


def _metrics(trial: MnistTrial) -> list[str]:
    protocol = trial.protocol()
    counts = {"naive": protocol.naive_reads, "trained": protocol.reads}
    votes = [f"{who}_{how}_{k}" for who, ks in counts.items() for how in ("majority", "mean") for k in ks]
    return ["clean", "trained_clean", "snr_least", "snr_most", "snr_head", *votes]


def _table(results: Results, seeds: int) -> list[str]:
    naive, reads = MNIST[0].protocol().naive_reads, MNIST[0].protocol().reads
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
        f"Test accuracy in %; votes are by the mean of the outputs. The abstract has {ABSTRACT['naive']} % without "
        f"and {ABSTRACT['trained']} % with training in noise and a vote.",
    ]


def _reads(count: int) -> str:
    return f"{count} read" + "s" * (count > 1)


def _plots(results: Results) -> dict[str, Figure]:
    figure = Figure(figsize=(8.4, 4), layout="constrained")
    wide, near = figure.subplots(1, 2)
    for trial, records in results.items():
        for axes in (wide, near):
            _lines(axes, trial, records)
    for axes in (wide, near):
        axes.axhline(ABSTRACT["trained"], color=GREY, linestyle=":", label="abstract, trained and voted")
        axes.set_xscale("log")
        axes.set_xticks(MNIST[0].protocol().reads)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("reads that vote")
    wide.axhline(ABSTRACT["naive"], color=GREY, linestyle="-.", label="abstract, trained without noise")
    wide.set_ylim(0, 102)
    near.set_ylim(96, 100)
    wide.set_ylabel("test accuracy in %")
    figure.legend(*wide.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    return {"mnist-snr": figure}


def _lines(axes: Axes, trial: MnistTrial, records: list[Record]) -> None:
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

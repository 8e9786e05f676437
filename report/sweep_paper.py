"""The experiments of Ma et al.: tables beside the paper's numbers; plots are in :mod:`.sweep_plots`."""

from dataclasses import replace
from functools import partial

import numpy as np

from ..train.experiments.paper import EXPERIMENTS, Trial
from ..train.layers.config import FLOAT
from .sweep_numbers import METRICS, PAPER_NAMES, PAPER_PTB, float_trial, noise_text
from .sweep_plots import plots
from .sweep_results import MISSING, Results, Sweep, finals, of_the_same_seeds, spread


def paper_sweeps() -> list[Sweep]:
    """One for each of the paper's figures."""
    return [
        Sweep(
            name,
            f"{name} of Ma et al.",
            trials,
            lambda trial: (METRICS[trial.task][0],),
            _names_table if name == "table1" else _table,
            partial(plots, name),
        )
        for name, trials in EXPERIMENTS.items()
    ]


def _names_table(results: Results, seeds: int) -> list[str]:
    lines = [
        "| LSTM | accuracy % | paper | perplexity | of float | paper | paper of float | name perplexity |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    baseline = float_trial(results)
    floats = results[baseline] if baseline else []
    for trial, records in results.items():
        accuracy, perplexity = PAPER_NAMES[trial.weight_bits, trial.converter_bits]
        ratio = _ratio(*(finals(each, "perplexity") for each in of_the_same_seeds(records, floats)))
        lines.append(
            f"| {trial.label} | {spread(finals(records, 'accuracy', 100), seeds)} | {accuracy} "
            f"| {spread(finals(records, 'perplexity'), seeds, 3)} | {ratio} | {perplexity} "
            f"| {perplexity / PAPER_NAMES[32, 32][1]:.3f} | {spread(finals(records, 'name_perplexity'), seeds)} |"
        )
    return [
        *lines,
        "",
        "Accuracy and perplexity are of the training set after 8,000 iterations, over all 32 positions of a name's",
        "window, END's included; name perplexity is over a name's characters and one END alone.",
    ]


def _ratio(values: list[float], floats: list[float]) -> str:
    return f"{np.mean(values) / np.mean(floats):.3f}" if values and floats else MISSING


def _table(results: Results, seeds: int) -> list[str]:
    har = all(trial.task == "har" for trial in results)
    measure = "test accuracy %" if har else METRICS["ptb"][2]
    against = "points over float" if har else "of float" if float_trial(results) else "of noiseless"
    lines = [f"| LSTM | noise | {measure} | {against} | paper's text |", "| --- | --- | ---: | ---: | ---: |"]
    for trial, records in results.items():
        metric, scale, _ = METRICS[trial.task]
        values = finals(records, metric, scale)
        clean = not noise_text(trial)
        paper = PAPER_PTB.get((trial.weight_bits, trial.converter_bits), "") if clean and not har else ""
        label = trial.label + ", quantised after training" * trial.post_training
        lines.append(
            f"| {label} | {noise_text(trial)} | {spread(values, seeds)} | {_change(results, trial)} | {paper} |"
        )
    return lines


def _change(results: Results, trial: Trial) -> str:
    """Against the float baseline, or without one against the same bits without noise; empty where one is missing."""
    baseline = float_trial(results) or replace(trial, adc_noise=0.0, weight_noise=0.0)
    pair = of_the_same_seeds(results[trial], results.get(baseline, []))
    metric, scale, _ = METRICS[trial.task]
    if trial == baseline or trial.weight_bits == FLOAT or not pair[0]:
        return ""
    value, reference = (np.mean(finals(each, metric, scale)) for each in pair)
    return f"{value - reference:+.2f}" if trial.task == "har" else f"{value / reference:.3f}"

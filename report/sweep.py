"""Tables beside the paper's numbers and plots in its layout, from the JSON files of a sweep alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..model.files import write_text
from ..train.experiments.paper import Trial
from ..train.layers.config import FLOAT
from .style import save
from .sweep_plots import plots
from .sweep_results import (
    METRICS,
    MISSING,
    PAPER_NAMES,
    PAPER_PTB,
    Results,
    finals,
    float_trial,
    gather,
    noise_text,
    of_the_same_seeds,
)


def write_report(experiment: str, trials: Sequence[Trial], out: Path) -> str:
    """Write ``out``/<experiment>.md, .png and _curves.png, and return the table's text.

    Trials without a result are said to be missing; where none has run there are no plots.
    """
    results = gather(trials, out)
    have = sum(map(len, results.values()))
    lines = [f"# {experiment} of Ma et al.", "", f"{have} of {len(trials)} trials have run, at full protocol.", ""]
    lines += (_names_table if experiment == "table1" else _table)(results, len(trials) // len(results))
    minutes = [r["cpu_minutes"] for records in results.values() for r in records]
    if minutes:
        records = [r for found in results.values() for r in found]
        sums = sorted({r["data_sha256"] for r in records})
        lines += ["", f"Processor time: {sum(minutes):.1f} minutes. Data: SHA-256 {', '.join(sums)}."]
        for name, figure in plots(experiment, results).items():
            save(figure, out / f"{name}.png")
    text = "\n".join(lines) + "\n"
    write_text(out / f"{experiment}.md", text)
    return text.rstrip("\n")


def _spread(values: Sequence[float], seeds: int, digits: int = 2) -> str:
    """Mean and deviation of the seeds that have run, of all ``seeds`` that were asked for."""
    if not values:
        return MISSING
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.{digits}f}"
    if len(values) < seeds:
        return f"{text} ({len(values)} of {seeds} seeds)"
    return text if seeds == 1 else f"{text} ({seeds} seeds)"


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
            f"| {trial.label} | {_spread(finals(records, 'accuracy', 100), seeds)} | {accuracy} "
            f"| {_spread(finals(records, 'perplexity'), seeds, 3)} | {ratio} | {perplexity} "
            f"| {perplexity / PAPER_NAMES[32, 32][1]:.3f} | {_spread(finals(records, 'name_perplexity'), seeds)} |"
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
            f"| {label} | {noise_text(trial)} | {_spread(values, seeds)} | {_change(results, trial)} | {paper} |"
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

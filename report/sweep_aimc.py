"""Networks on chips of analog in-memory computing: what is left of their accuracy, and which source takes most."""

import math
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from ..sim.aimc import BY_NAME, TIMES
from ..sim.aimc_language import LANGUAGE, LanguageAimcTrial
from ..sim.aimc_trials import AIMC, ENOUGH, SENSITIVITY, AimcTrial, SensitivityTrial
from .aimc_verdicts import (
    NAMES,
    a_interval,
    a_of,
    feedback_of_sources,
    feedback_over_time,
    mean_of,
    ranked,
    tolerated,
    verdict,
)
from .style import BLUE, GREEN, GREY, ORANGE
from .sweep_results import MISSING, Record, Results, Sweep, finals, spread

KINDS = {"input": ORANGE, "output": GREEN, "weight": BLUE}
AIMS = {"1 h": 0.99, "1 year": 0.98}  #: of A, with training for the chips


def aimc_sweeps() -> list[Sweep]:
    """Accuracy over time, and sensitivity."""
    over_time = [*AIMC, *LANGUAGE]
    return [
        Sweep("aimc", "Networks on chips of the preset aimc", over_time, _measured, _over_time, _time_plots),
        Sweep(
            "aimc-sensitivity",
            "How large each source may grow alone",
            SENSITIVITY,
            lambda trial: ("scale", "low", "high", "error", "quiet", "chance"),
            _sensitivity,
            partial(_sensitivity_plots, "aimc-sensitivity"),
        ),
    ]


def _measured(trial: AimcTrial | LanguageAimcTrial) -> tuple[str, ...]:
    names = ("float", "chance", "quiet", *TIMES)
    if isinstance(trial, LanguageAimcTrial):
        names += tuple(f"{name}_perplexity" for name in ("float", "quiet", *TIMES))
    return names


def _over_time(results: Results, seeds: int) -> list[str]:
    lines = [
        "| network | | float | 8 bits, no noise | " + " | ".join(f"A, {when}" for when in TIMES) + " |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(TIMES),
    ]
    for trial, records in results.items():
        told = [spread(finals(records, name, 100), seeds) for name in ("float", "quiet")]
        told += [_percent(records, when, seeds) for when in TIMES]
        lines.append(f"| {trial.data} | {NAMES[trial.mapping]} | " + " | ".join(told) + " |")
    lines += ["", "Accuracies and A are in %, of the test set. In brackets: 95 % of the mean over chips."]
    return lines + _perplexities(results, seeds) + ["", *_aims(results), "", *feedback_over_time(results, "1 year")]


def _perplexities(results: Results, seeds: int) -> list[str]:
    lines = ["", "| perplexity | | float | 8 bits, no noise | " + " | ".join(TIMES) + " |"]
    lines.append("| --- | --- | ---: | ---: |" + " ---: |" * len(TIMES))
    names = [f"{name}_perplexity" for name in ("float", "quiet", *TIMES)]
    found = [
        f"| {trial.data} | {NAMES[trial.mapping]} | "
        + " | ".join(spread(finals(records, name), seeds) for name in names)
        + " |"
        for trial, records in results.items()
        if isinstance(trial, LanguageAimcTrial)
    ]
    return lines + found if found else []


def _percent(records: list[Record], when: str, seeds: int) -> str:
    told = spread([100 * a_of(record, when) for record in records], seeds, 1)
    if not records:
        return told
    low, high = 100 * np.mean([a_interval(record, when) for record in records], axis=0)
    return f"{told} ({low:.1f} to {high:.1f})"


def _aims(results: Results) -> list[str]:
    lines = []
    for trial, records in results.items():
        if trial.mapping != "hwa":
            continue
        for when, aim in AIMS.items():
            if not records:
                lines.append(f"- {trial.data}, {when}: {MISSING}.")
                continue
            value = float(np.mean([a_of(record, when) for record in records]))
            said = "reached" if value >= aim else "not reached"
            lines.append(f"- {trial.data}, {when}: A is {100 * value:.1f} %, the aim of {100 * aim:.0f} % is {said}.")
    return lines


def _time_plots(results: Results) -> dict[str, Figure]:
    tasks = list(dict.fromkeys(trial.data for trial in results))
    figure = Figure(figsize=(4.2 * len(tasks), 3.6), layout="constrained")
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0], tasks):
        for trial, records in results.items():
            if trial.data == task and records:
                _line(axes, trial, records)
        axes.axhline(100, color=GREY, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(list(TIMES.values()), list(TIMES))
        axes.set_title(task)
        axes.set_xlabel("after programming")
        if axes.lines[1:]:  # beside the line at 100 %
            axes.legend(fontsize="small", loc="lower left")
    figure.axes[0].set_ylabel("A in %")
    return {"aimc": figure}


def _line(axes, trial: AimcTrial | LanguageAimcTrial, records: list[Record]) -> None:
    mean = [100 * np.mean([a_of(record, when) for record in records]) for when in TIMES]
    ends = np.array([np.mean([a_interval(record, when) for record in records], axis=0) for when in TIMES]) * 100
    colour = {"direct": ORANGE, "hwa": BLUE}[trial.mapping]
    axes.plot(list(TIMES.values()), mean, "o-", color=colour, label=NAMES[trial.mapping])
    axes.fill_between(list(TIMES.values()), ends[:, 0], ends[:, 1], color=colour, alpha=0.2, linewidth=0)


# -- sensitivity ----------------------------------------------------------------------------------------------------


def _sensitivity(results: Results, seeds: int) -> list[str]:
    lines = [
        f"Each source grows alone until A falls to {100 * ENOUGH:.0f} %, against the same network without noise.",
        "The error is the rms error of the column sums over their rms there, the mean of all arrays.",
        "",
        "| network | source | acts on | largest scale | of | error of the sums |",
        "| --- | --- | --- | ---: | --- | ---: |",
    ]
    tasks = list(dict.fromkeys(trial.data for trial in results))
    for task in tasks:
        for trial in ranked(results, task):
            lines.append(_source_line(trial, results[trial]))
        for trial, records in results.items():
            if trial.data == task and not records:
                lines.append(f"| {task} | {trial.source} | {BY_NAME[trial.source].kind} | {MISSING} | | |")
    lines += ["", "In brackets: 95 % over chips, drawn anew.", ""]
    return lines + [line for task in tasks for line in verdict(results, task)] + ["", *feedback_of_sources(results)]


def _source_line(trial: SensitivityTrial, records: list[Record]) -> str:
    source = BY_NAME[trial.source]
    scale, low, high = (mean_of(records, name) for name in ("scale", "low", "high"))
    if math.isinf(scale):
        reached = max(point["scale"] for record in records for point in record["epochs"])
        size = f"over {reached:.3g}"
    else:
        size = f"{scale:.3g} ({low:.3g} to {_size(high)})"
    error = 100 * tolerated(records)[0]
    return f"| {trial.data} | {trial.source} | {source.kind} | {size} | {source.unit} | {error:.1f} % |"


def _size(number: float) -> str:
    return "more" if math.isinf(number) else f"{number:.3g}"


def _sensitivity_plots(name: str, results: Results) -> dict[str, Figure]:
    tasks = list(dict.fromkeys(trial.data for trial in results))
    figure = Figure(figsize=(5.6 * len(tasks), 4.2), layout="constrained")
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks):
        there = ranked(results, task)
        for place, trial in enumerate(there):
            error, low, high = (100 * each for each in tolerated(results[trial]))
            axes.barh(place, error, color=KINDS[BY_NAME[trial.source].kind])
            axes.plot([low, min(high, 3 * error)], [place, place], color="black", linewidth=1)
        axes.set_yticks(range(len(there)), [trial.source for trial in there], fontsize="small")
        axes.invert_yaxis()
        axes.set_title(task)
        axes.set_xlabel(f"error of the sums in % at A = {100 * ENOUGH:.0f} %")
    for kind, colour in KINDS.items():
        figure.axes[0].bar(0, 0, color=colour, label=kind)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
    return {name: figure}

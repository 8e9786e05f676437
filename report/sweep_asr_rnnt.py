"""``asr-rnnt``: error rates of AN4 by transducers in float and at 4 bits, by each search, and how they differ."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..train.experiments.asr_rnnt import SEARCHES, SYSTEMS, TRIALS, AsrRnntTrial
from .style import BLUE, GREEN
from .sweep_results import MISSING, Results, Sweep, finals, spread
from .word_errors import counts_of, difference, metrics_of

LABELS = {
    "greedy": "greedy",
    "beam4": "beam of 4",
    "beam16": "beam of 16",
    "fused4": "beam of 4, language models",
    "fused16": "beam of 16, language models",
}
FUSED = {"fused4": "beam4", "fused16": "beam16"}  #: by each search with language models, the same without
COLOURS: dict[str, str] = dict(zip(SYSTEMS, (BLUE, GREEN), strict=True))
READINGS = [(system, search) for system in SYSTEMS for search in SEARCHES]
METRICS = metrics_of(f"{system}_{search}" for system, search in READINGS)


def _system(trial: AsrRnntTrial, system: str) -> str:
    return "float" if system == "float" else f"{trial.bits}/{trial.bits}/{trial.bits}"


def _table(results: Results, seeds: int) -> list[str]:
    lines = [
        "| network | search | WER | CER | WER less that of float | WER less that without language models |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    for trial, records in results.items():
        for system, search in READINGS:
            cells = [spread(finals(records, f"{system}_{search}_{name}", 100), seeds) for name in ("wer", "cer")]
            others = (
                f"float_{search}" if system != "float" else "",
                f"{system}_{FUSED[search]}" if search in FUSED else "",
            )
            cells += [_difference(records, other, f"{system}_{search}") if other else "" for other in others]
            lines.append(f"| {' | '.join([_system(trial, system), LABELS[search], *cells])} |")
    return [
        *lines,
        "",
        "Error rates in % of the ten test speakers, without a lexicon. Language models come in by density ratio, in",
        "float for the float network, at 4 bits for the one at 4 bits. Intervals (95 %) are by a paired bootstrap of",
        "the speakers, all seeds together.",
    ]


def _difference(records: list[dict[str, Any]], first: str, second: str) -> str:
    if not records:
        return MISSING
    found, low, high = difference(*(counts_of(records, name) for name in (first, second)))
    return f"{found:+.2f} ({low:+.2f} to {high:+.2f})"


def _plots(results: Results) -> dict[str, Figure]:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("wer", "cer")):
        for trial, records in results.items():
            for place, (system, search) in enumerate(READINGS):
                at, values = SEARCHES.index(search), finals(records, f"{system}_{search}_{name}", 100)
                at += 0.2 * SYSTEMS.index(system) - 0.1
                axes.plot([at] * len(values), values, ".", color=COLOURS[system], alpha=0.6)
                label = _system(trial, system) if not place % len(SEARCHES) else None
                mean = [np.mean(values)] if values else []
                axes.plot([at] * len(mean), mean, "_", color=COLOURS[system], markersize=18, label=label)
        axes.set_xticks(
            range(len(SEARCHES)),
            [LABELS[each].replace(", ", ",\n") for each in SEARCHES],
            rotation=30,
            fontsize="small",
        )
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.set_ylabel(f"{name.upper()} in %")
        axes.legend(fontsize="small", loc="lower left")
    return {"asr-rnnt": figure}


ASR_RNNT = Sweep(
    "asr-rnnt",
    "AN4 by RNN transducers: float and 4 bits, with and without language models",
    TRIALS,
    lambda trial: METRICS,
    _table,
    _plots,
)

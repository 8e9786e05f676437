"""``asr-ctc``: error rates of AN4 in float, at 4 bits naively and trained, and how sure the differences are."""

import numpy as np
from matplotlib.figure import Figure

from ..train.experiments.asr_ctc import SYSTEMS, TRIALS, AsrCtcTrial
from ..train.experiments.asr_hybrid import AsrHybridTrial
from .style import BLUE, GREEN, GREY, ORANGE
from .sweep_results import MISSING, Results, Sweep, finals, spread
from .word_errors import counts_of, difference, metrics_of

Trial = AsrCtcTrial | AsrHybridTrial
AIMS = {"wer": 12.0, "cer": 5.5}  #: % of the float network, mean of 5 seeds
COLOURS = dict(zip(SYSTEMS, (BLUE, ORANGE, GREEN), strict=True))
METRICS = metrics_of(SYSTEMS)


def _network(trial: Trial) -> str:
    return trial.network.replace("_", " ")


def _label(trial: Trial, system: str) -> str:
    if system == "float":
        return "float"
    return f"{trial.bits}/{trial.bits}/{trial.bits}, {'naively' if system == 'naive' else 'trained'}"


def rows(results: Results, seeds: int) -> list[str]:
    """The table's lines, one for each network and system."""
    lines = [
        "| network | system | WER | CER | WER less that of float | 95 % interval |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for trial, records in results.items():
        for system in SYSTEMS:
            cells = [spread(finals(records, f"{system}_{name}", 100), seeds) for name in ("wer", "cer")]
            less, interval = MISSING if not records else "", ""
            if records and system != "float":
                found, low, high = difference(*(counts_of(records, name) for name in ("float", system)))
                less, interval = f"{found:+.2f}", f"{low:+.2f} to {high:+.2f}"
            lines.append(f"| {' | '.join([_network(trial), _label(trial, system), *cells, less, interval])} |")
    return lines


def _table(results: Results, seeds: int) -> list[str]:
    return [
        *rows(results, seeds),
        "",
        "The streaming network has one direction, and takes no utterance's mean off. It hears while someone speaks.",
        "Error rates in % of the ten test speakers, by greedy decoding, without a lexicon or a language model.",
        "Intervals are by a paired bootstrap of the speakers, all seeds together.",
        f"The aim for float is a WER of {AIMS['wer']:g} % and a CER of {AIMS['cer']:g} %, as the mean of 5 seeds.",
    ]


def plot(results: Results) -> Figure:
    """Both rates of every seed, and their means."""
    figure = Figure(figsize=(8.4, 6.8), layout="constrained")
    for axes, (name, aim) in zip(figure.subplots(2, 1), AIMS.items()):
        places = {}
        for trial, records in results.items():
            for system in SYSTEMS:
                place = len(places)
                label = "\n".join([*trial.network.split("_"), *_label(trial, system).split(", ")])
                places[label] = place
                values = finals(records, f"{system}_{name}", 100)
                axes.plot([place] * len(values), values, ".", color=COLOURS[system], alpha=0.6)
                if values:
                    axes.plot([place], [np.mean(values)], "_", color=COLOURS[system], markersize=22)
                else:
                    axes.text(place, aim, MISSING, rotation=90, ha="center", va="bottom", fontsize="small")
        axes.axhline(aim, color=GREY, linewidth=0.8, linestyle=":", label=f"aim for float, {aim:g} %")
        axes.set_xticks(list(places.values()), list(places), fontsize="x-small")
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.set_ylabel(f"{name.upper()} in %")
        axes.legend(fontsize="small")
    return figure


ASR_CTC = Sweep(
    "asr-ctc",
    "AN4 by CTC: float, 4 bits naively, 4 bits trained",
    TRIALS,
    lambda trial: METRICS,
    _table,
    lambda results: {"asr-ctc": plot(results)},
)

"""``deep-noise``: networks trained in noise of one power, read in noise of many, and the abstract's two claims."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ..train.experiments.deep_noise import NETWORKS, OFF, READ, TRAINED, TRIALS, DeepNoiseTrial
from .sweep_results import MISSING, Record, Results, Sweep, finals, of_the_same_seeds, spread
from .sweep_strokes_snr import network_of

POWERS = {"fixed": "signals before the noisy stage", "own": "the network's own signals"}
METRICS = ("clean", "gained_layer", "gained_head", *(f"{power}_{decibels}" for power in POWERS for decibels in READ))
LOUD = 10  #: dB: up to here training with noise is claimed to help
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
#: by the number of seeds, what of a standard error holds 95 % of Student's distribution; more seeds: 1.96


def _level(trial: DeepNoiseTrial) -> str:
    return "without noise" if trial.trained == OFF else f"{trial.trained} dB"


def _table(results: Results, seeds: int) -> list[str]:
    lines: list[str] = []
    for power, meaning in POWERS.items():
        lines += [f"Accuracy in % in noise whose SNR is by {meaning}:", ""]
        lines += ["| network | trained at | without noise | " + " | ".join(f"{each} dB" for each in READ) + " |"]
        lines += ["| --- | --- |" + " ---: |" * (1 + len(READ))]
        for trial, records in results.items():
            values = [spread(finals(records, f"{power}_{each}", 100), seeds, 1) for each in READ]
            cells = [network_of(trial.network), _level(trial), spread(finals(records, "clean", 100), seeds, 1)]
            lines.append(f"| {' | '.join([*cells, *values])} |")
        lines.append("")
    lines += ["Against the network that was trained without noise, of the same seeds, in points of accuracy:", ""]
    lines += [
        "| network | trained at | least gain up to 10 dB | by own signals | without noise, mean and 95 % interval "
        "| signals of layer, head |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    return lines + [_claims(results, trial) for trial in results if trial.trained != OFF]


def _claims(results: Results, trial: DeepNoiseTrial) -> str:
    """A row: is the trial above the naive one everywhere in loud noise, and is it without noise?"""
    naive = results.get(replace(trial, trained=OFF), [])
    mine, others = of_the_same_seeds(results[trial], naive)
    cells = [network_of(trial.network), _level(trial)]
    if not mine:
        return f"| {' | '.join([*cells, *[MISSING] * 4])} |"
    for power in POWERS:
        gains = [np.mean(gains_of(mine, others, f"{power}_{each}")) for each in READ if each <= LOUD]
        cells.append(f"{min(gains):+.1f}")
    cells.append(interval_text(gains_of(mine, others, "clean")))
    cells.append(", ".join(f"{np.mean(finals(mine, f'gained_{part}')):+.1f} dB" for part in ("layer", "head")))
    return f"| {' | '.join(cells)} |"


def gains_of(records: Sequence[Record], others: Sequence[Record], metric: str) -> list[float]:
    """Points of accuracy, seed by seed."""
    theirs = {record["trial"]["seed"]: record["final"][metric] for record in others}
    return [100 * (record["final"][metric] - theirs[record["trial"]["seed"]]) for record in records]


def interval_text(gains: Sequence[float]) -> str:
    """Mean of paired differences, with the 95 % interval of Student's distribution where there are several."""
    text = f"{np.mean(gains):+.2f}"
    if len(gains) < 2:
        return text
    half = STUDENT.get(len(gains), 1.96) * np.std(gains, ddof=1) / len(gains) ** 0.5
    return f"{text} ({np.mean(gains) - half:+.2f} to {np.mean(gains) + half:+.2f})"


def _plots(results: Results) -> dict[str, Figure]:
    figure = Figure(figsize=(5.2 * len(NETWORKS), 7.4), layout="constrained")
    panels = figure.subplots(len(POWERS), len(NETWORKS), sharex=True, sharey=True, squeeze=False)
    colours = dict(zip(TRAINED, ["black", *colormaps["viridis"](np.linspace(0.95, 0, len(TRAINED) - 1))]))
    for row, (power, meaning) in zip(panels, POWERS.items()):
        for axes, network in zip(row, NETWORKS):
            for trial, records in results.items():
                if trial.network == network:
                    _curve(axes, trial, records, power, colours[trial.trained])
            axes.legend(fontsize="x-small", loc="lower right")
            axes.set_title(f"{network_of(network)}, SNR by {meaning}", fontsize="medium")
            axes.set_xlabel("SNR in dB while reading")
            axes.set_ylabel("test accuracy in %")
    return {"deep-noise": figure}


def _curve(axes, trial: DeepNoiseTrial, records: list[Record], power: str, colour) -> None:
    """Means over the seeds, and a band of one standard deviation."""
    label = "trained " + ("without noise" if trial.trained == OFF else f"at {trial.trained} dB")
    style = {"color": colour, "linestyle": "--" if trial.trained == OFF else "-"}
    if not records:
        axes.plot([], [], label=f"{label}: {MISSING}", **style)
        return
    values = np.array([finals(records, f"{power}_{each}", 100) for each in READ])
    mean = values.mean(axis=1)
    axes.plot(READ, mean, marker=".", label=label, **style)
    if len(records) > 1:
        deviation = values.std(axis=1, ddof=1)
        axes.fill_between(READ, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0)


DEEP_NOISE = Sweep(
    "deep-noise",
    "Deep noise injection on pen strokes (after Qin and Vucinic)",
    TRIALS,
    lambda trial: METRICS,
    _table,
    _plots,
)

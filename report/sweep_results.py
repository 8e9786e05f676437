"""A sweep's results as reports read them, from its JSON files alone, and the paper's numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..model.formats import DesignError
from ..train.experiments.paper import Trial
from ..train.experiments.results import read_results
from ..train.layers.config import FLOAT

Record = dict[str, Any]  #: of one run, as its JSON file holds it
Results = dict[Trial, list[Record]]  #: by the trial of seed 0: the records of its seeds, none where it is missing

PAPER_NAMES = {(32, 32): (85.09, 1.52), (4, 4): (85.0, 1.55), (2, 2): (83.6, 1.58), (1, 1): (72.82, 2.27)}
PAPER_PTB = {(4, 2): 172, (2, 4): 182, (2, 1): 282, (1, 2): 327}  #: the numbers that the paper's text states
MISSING = "missing"
FIELDS = ("final", "epochs", "cpu_minutes", "data_sha256")  #: of a record, that reports read
METRICS = {
    "har": ("accuracy", 100, "test accuracy in %"),
    "ptb": ("perplexity", 1, "validation perplexity per word"),
    "names": ("perplexity", 1, "training perplexity per character"),
}  #: of a task: final metric, scale and name


def gather(trials: Sequence[Trial], out: Path) -> Results:
    """Records of all seeds by the trial of the first seed."""
    results: Results = {}
    first: dict[str, Trial] = {}
    found = read_results(out, trials)
    for trial in trials:
        key = first.setdefault(trial.name.rpartition("_seed")[0], trial)
        records = results.setdefault(key, [])
        if trial in found:
            lacking = [name for name in FIELDS if name not in found[trial]]
            if lacking:
                raise DesignError(f"result {trial.name!r} must hold {lacking[0]}, but does not")
            _check_numbers(trial, found[trial])
            records.append(found[trial])
    return results


def _check_numbers(trial: Trial, record: Record) -> None:
    """Raise :class:`DesignError` where a report would meet something else than a number."""
    metric, final = METRICS[trial.task][0], record["final"]
    numbers = {"cpu_minutes": record["cpu_minutes"], metric: final.get(metric) if isinstance(final, dict) else None}
    for name, value in numbers.items():
        if type(value) not in (int, float):
            raise DesignError(f"result {trial.name!r} must hold a number as {name}, not {value!r}")


def finals(records: list[Record], metric: str, scale: float = 1.0) -> list[float]:
    """A final metric of every seed that has run."""
    return [scale * record["final"][metric] for record in records]


def of_the_same_seeds(records: list[Record], others: list[Record]) -> tuple[list[Record], list[Record]]:
    """Those of both whose seeds have run in both."""
    seeds = {record["trial"]["seed"] for record in records} & {record["trial"]["seed"] for record in others}
    ours, theirs = ([record for record in found if record["trial"]["seed"] in seeds] for found in (records, others))
    return ours, theirs


def mean_of(results: Results, trial: Trial | None) -> float:
    """Mean of the trial's metric over its seeds; NaN where none has run, or there is no such trial."""
    if trial is None:
        return np.nan
    metric, scale, _ = METRICS[trial.task]
    values = finals(results.get(trial, []), metric, scale)
    return float(np.mean(values)) if values else np.nan


def float_trial(results: Results) -> Trial | None:
    """The float baseline among the trials."""
    return next((trial for trial in results if trial.weight_bits == FLOAT), None)


def noise_text(trial: Trial) -> str:
    """The trial's noise in words; empty without any."""
    parts = [f"ADC {trial.adc_noise:.3f} steps"] if trial.adc_noise else []
    return ", ".join(parts + ([f"weights {100 * trial.weight_noise:.0f} %"] if trial.weight_noise else []))

"""A sweep as its report sees it, and its results, from its files alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.formats import DesignError
from ..train.experiments.results import read_results
from ..train.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = dict[str, Any]  #: of one run, as its JSON file holds it
Results = dict[Any, list[Record]]  #: by the trial of seed 0: the records of its seeds, none where it is missing

MISSING = "missing"
FIELDS = ("final", "epochs", "cpu_minutes", "data_sha256")  #: of a record, that reports read


@dataclass(frozen=True)
class Sweep:
    """An experiment: what ``ohmgate sweep NAME`` runs, and what it makes of the results."""

    name: str
    title: str  #: of the report
    trials: Sequence[Trial]  #: of seed 0
    metrics: Callable[[Any], Sequence[str]]  #: numbers that a trial's record must have as final
    table: Callable[[Results, int], list[str]]  #: lines of Markdown, for results of so many seeds
    plots: Callable[[Results], "dict[str, Figure]"]  #: by the name of their file, without ending


def gather(sweep: Sweep, trials: Sequence[Trial], out: Path) -> Results:
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
            _check_numbers(sweep, trial, found[trial])
            records.append(found[trial])
    return results


def _check_numbers(sweep: Sweep, trial: Trial, record: Record) -> None:
    """Raise :class:`DesignError` where a report would meet something else than a number."""
    final = record["final"] if isinstance(record["final"], dict) else {}
    numbers = {"cpu_minutes": record["cpu_minutes"]} | {name: final.get(name) for name in sweep.metrics(trial)}
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


def spread(values: Sequence[float], seeds: int, digits: int = 2) -> str:
    """Mean and deviation of the seeds that have run, of all ``seeds`` that were asked for."""
    if not values:
        return MISSING
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.{digits}f}"
    if len(values) < seeds:
        return f"{text} ({len(values)} of {seeds} seeds)"
    return text if seeds == 1 else f"{text} ({seeds} seeds)"

"""What the records of ``aimc`` and ``aimc-sensitivity`` say: A, the error that a network bears, and the claims."""

import numpy as np

from ..analog.studies.intervals import over_chips
from ..sim.aimc import BY_NAME, TIMES, left
from ..sim.aimc_trials import SensitivityTrial
from .sweep_results import MISSING, Record, Results, finals


def a_of(record: Record, when: str) -> float:
    """A at an age, the float network being the reference."""
    final = record["final"]
    return left(1 - final[when], 1 - final["float"], 1 - final["chance"])


def a_interval(record: Record, when: str) -> tuple[float, float]:
    """95 % of A over other chips."""
    final = record["final"]
    found = [point["accuracy"] for point in record["epochs"] if point["seconds"] == TIMES[when]]
    low, high = (left(1 - each, 1 - final["float"], 1 - final["chance"]) for each in over_chips(found))
    return low, high


def tolerated(records: list[Record]) -> tuple[float, float, float]:
    """Error of the column sums, over the sums, at which A is 99 %, and 95 % of it: it grows as the source does."""
    final = {name: float(np.mean(finals(records, name))) for name in ("scale", "low", "high", "error")}
    error, scale = final["error"], final["scale"]
    if not 0 < scale < 1e9:
        return error, error, error
    return error, error * final["low"] / scale, error * final["high"] / scale


def ranked(results: Results, task: str) -> list[SensitivityTrial]:
    """A task's trials that have run, the source first of which the network bears the least error."""
    there = [trial for trial, records in results.items() if records and trial.data == task]
    return sorted(there, key=lambda trial: tolerated(results[trial])[0])


def verdict(results: Results, task: str) -> list[str]:
    """On the claim that noise of inputs and outputs hurts more than that of weights, by the error that is borne."""
    there = ranked(results, task)
    borne = {trial.source: tolerated(results[trial]) for trial in there}
    noise = {name: borne[name] for name in ("input noise", "output noise") if name in borne}
    weights = {name: each for name, each in borne.items() if BY_NAME[name].kind == "weight"}
    if len(noise) < 2 or not weights:
        return [f"- {task}: whether noise of inputs and outputs hurts more than that of weights is {MISSING}."]
    most, least = max(each[2] for each in noise.values()), min(each[1] for each in weights.values())
    if most < least:
        said = "holds: less error is borne of both than of any source in the weights, intervals apart"
    elif min(each[1] for each in noise.values()) > max(each[2] for each in weights.values()):
        said = "does not hold: more error is borne of both than of any source in the weights, intervals apart"
    else:
        said = "is not decided: their errors overlap with those of sources in the weights"
    return [f"- {task}: that noise of inputs and outputs hurts more than that of weights {said}."]

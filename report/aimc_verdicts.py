"""What the records of ``aimc`` and ``aimc-sensitivity`` say: A, the error that a network bears, and the claims."""

import math

import numpy as np

from ..analog.studies.intervals import over_chips
from ..sim.aimc import BY_NAME, TIMES, left
from ..sim.aimc_tasks import FEED_FORWARD
from ..sim.aimc_trials import ENDLESS, MAPPINGS, AimcTrial, SensitivityTrial
from .sweep_results import MISSING, Record, Results, finals

NAMES = {"direct": "mapped directly", "hwa": "trained for the chips"}


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


def mean_of(records: list[Record], name: str) -> float:
    """Over seeds; infinite where a record's is, which its file has as a number that no scale reaches."""
    return float(np.mean([math.inf if each >= ENDLESS else each for each in finals(records, name)]))


def tolerated(records: list[Record]) -> tuple[float, float, float]:
    """Error of the column sums, over the sums, at which A is 99 %, and 95 % of it: it grows as the source does.

    Where A did not fall so far it is the largest error that was tried, and there is no upper end.
    """
    error, scale = (mean_of(records, name) for name in ("error", "scale"))
    if math.isinf(scale):
        return error, error, math.inf
    if not scale:
        return error, error, error
    return error, error * mean_of(records, "low") / scale, error * mean_of(records, "high") / scale


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
    low, high = min(each[1] for each in weights.values()), max(each[2] for each in weights.values())
    less = [name for name, each in noise.items() if each[2] < low]
    more = [name for name, each in noise.items() if each[1] > high]
    if len(less) == 2:
        said = "holds: less error is borne of both than of any source in the weights, intervals apart"
    elif len(more) == 2:
        said = "does not hold: more error is borne of both than of any source in the weights, intervals apart"
    elif less and more:
        said = (
            f"holds of {less[0]} alone: less error is borne of it than of any source in the weights, and more of "
            f"{more[0]}, intervals apart"
        )
    else:
        said = "is not decided: the error of one or both overlaps with those of sources in the weights"
    return [f"- {task}: that noise of inputs and outputs hurts more than that of weights {said}."]


def feedback_over_time(results: Results, when: str) -> list[str]:
    """On the claim that recurrent networks are robust: A at an age, beside one without feedback on the same data."""
    records = {(trial.data, trial.mapping): found for trial, found in results.items() if isinstance(trial, AimcTrial)}
    lines = []
    for forward, recurrent in FEED_FORWARD.items():
        for mapping in MAPPINGS:
            with_it, without = (records.get((data, mapping), []) for data in (recurrent, forward))
            begin = f"- {recurrent} beside {forward}, {NAMES[mapping]}, {when}: "
            if not with_it or not without:
                lines.append(f"{begin}whether the network with feedback keeps more of its accuracy is {MISSING}.")
                continue
            one, other = (np.mean([a_interval(each, when) for each in found], axis=0) for found in (with_it, without))
            a, b = (100 * np.mean([a_of(each, when) for each in found]) for found in (with_it, without))
            lines.append(
                f"{begin}A is {a:.1f} % with feedback and {b:.1f} % without; {_apart(tuple(one), tuple(other))}."
            )
    return lines


def feedback_of_sources(results: Results) -> list[str]:
    """On the same claim: which sources the network with feedback bears at a larger scale, intervals apart."""
    lines = []
    for forward, recurrent in FEED_FORWARD.items():
        scales = {data: {trial.source: _scale(results[trial]) for trial in ranked(results, data)}
                  for data in (recurrent, forward)}  # fmt: skip
        both = [name for name in BY_NAME if name in scales[recurrent] and name in scales[forward]]
        said = {name: _apart(scales[recurrent][name], scales[forward][name]) for name in both}
        lines += [f"- {recurrent} beside {forward}, {word}: {_listed([name for name in both if said[name] == word])}."
                  for word in (MORE, LESS, UNDECIDED)]  # fmt: skip
        if len(both) < len(BY_NAME):
            lines.append(f"- {recurrent} beside {forward}: {len(BY_NAME) - len(both)} sources are {MISSING}.")
    return lines


MORE = "better with feedback, intervals apart"
LESS = "worse with feedback, intervals apart"
UNDECIDED = "intervals overlap"


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> str:
    """Of the intervals of a network with feedback and of another."""
    if one[0] > other[1]:
        return MORE
    return LESS if one[1] < other[0] else UNDECIDED


def _scale(records: list[Record]) -> tuple[float, float]:
    """95 % of a source's largest scale."""
    return mean_of(records, "low"), mean_of(records, "high")


def _listed(names: list[str]) -> str:
    return "; ".join(names) or "none"

"""Finished trials as files: a line of JSON for each, one file for the trials of a task, which figures share.

A file is replaced whole, by one process at a time, so that sweeps may share a folder and be killed at any moment.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from ...model.files import whole
from ...model.formats import DesignError
from ...model.locks import sole_use_of
from .trial import T, Trial, belongs, with_seed

TRIALS = "trials"  #: folder of the files within the output folder
PATIENCE = 600.0  #: seconds to wait for another process that writes a file, which takes it far less than one


def results_path(out: str | Path, task: str) -> Path:
    """File of the task's finished trials."""
    return Path(out) / TRIALS / f"{task}.jsonl"


def read_results(out: str | Path, trials: Sequence[T]) -> dict[T, dict]:
    """Records of those trials that have run.

    Raises :class:`DesignError` for a file with a line that is no record, and for a record of another protocol.
    """
    found = {}
    for task, kind in {trial.task: type(trial) for trial in trials}.items():
        records = _read(results_path(out, task), kind)
        found |= {trial: records[trial] for trial in trials if trial in records}
    for trial, record in found.items():
        try:
            same = belongs(record, trial)
        except (ValueError, KeyError, TypeError):
            raise DesignError(f"result {trial.name!r} must hold its trial's protocol, but does not") from None
        if not same:
            raise DesignError(
                f"result {trial.name!r} must have its trial's protocol, but has another; "
                f"take its line out of {results_path(out, trial.task).name!r}"
            )
    return found


def missing_trials(trials: Sequence[T], out: str | Path) -> list[T]:
    """Those that have not run; raises as :func:`read_results`."""
    found = read_results(out, trials)
    return [trial for trial in trials if trial not in found]


def trials_of_report(first_seed: Sequence[T], out: str | Path, seeds: int = 0) -> list[T]:
    """An experiment's trials, which are given for seed 0: of all seeds that ``out`` has a result of, and of the first
    ``seeds`` in any case.

    Of seed 0 where this is none.
    """
    kinds = {trial.task: type(trial) for trial in first_seed}
    kept = [trial for task, kind in kinds.items() for trial in _read(results_path(out, task), kind)]
    there = {trial.seed for trial in kept if with_seed(trial, 0) in first_seed}.union(range(seeds))
    return [with_seed(trial, seed) for seed in sorted(there or {0}) for trial in first_seed]


def write_result(out: str | Path, trial: Trial, record: dict) -> None:
    """Add a trial's record to its task's file, or put it in place of the one there."""
    path = results_path(out, trial.task)
    path.parent.mkdir(parents=True, exist_ok=True)
    with sole_use_of(path.with_name(f".{path.name}.lock"), f"file {str(path)!r}", PATIENCE):
        records = _read(path, type(trial)) | {trial: record}
        lines = [json.dumps(records[each], separators=(",", ":")) for each in sorted(records, key=lambda t: t.name)]
        with whole(path) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read(path: Path, kind: type[T]) -> dict[T, dict]:
    if not path.exists():
        return {}
    records = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            records[kind(**record["trial"])] = record
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DesignError(f"line {number} of {path.name!r} must be a trial's JSON, but cannot be read") from None
    return records

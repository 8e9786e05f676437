"""Running a grid of trials: what has finished is kept (:mod:`.results`), so a sweep that is killed goes on.

The caller's process writes a trial's result as soon as the trial is done; workers only compute.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...model.locks import sole_use_of
from .results import TRIALS, missing_trials, write_result
from .trial import Trial, run_trial

Progress = Callable[[int, int, str], None]  #: finished trials, of all trials, name of the last one
Watch = Callable[[list[Any]], None]  #: trials that have not finished, some of which are running
WATCH_SECONDS = 1.0  #: between two looks at them


def run_sweep(
    trials: Sequence[Trial],
    out: str | Path,
    executor: Executor,
    *,
    data: str | Path | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    work: Callable[[Trial, str | Path | None], dict] = run_trial,
) -> int:
    """Run the trials that ``out`` has no result of, and return how many these were.

    ``data`` is the data folder as the workers see it. ``work`` does a trial, ``watch`` is called now and then. A
    trial that fails raises after the others have finished. Sweeps may share ``out``, but a trial runs once: raises
    :class:`DesignError` where another process runs one of these.
    """
    with ExitStack() as stack:
        missing = missing_trials(trials, out)
        for trial in trials:
            lock = Path(out, TRIALS, f".{trial.name}.lock")
            if trial in missing:
                lock.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(sole_use_of(lock, f"trial {trial.name!r}"))
            else:  # a sweep that was killed may have left it
                lock.unlink(missing_ok=True)
        return _run_missing(trials, out, executor, data, progress, watch, work)


def _run_missing(trials, out, executor: Executor, data, progress: Progress | None, watch: Watch | None, work) -> int:
    missing = missing_trials(trials, out)  # another sweep may have finished some before its locks went
    futures = {executor.submit(work, trial, data): trial for trial in missing}
    done, failure = len(trials) - len(missing), None
    try:
        for future in _finished(futures, watch):
            trial = futures[future]
            if future.exception() is not None:
                failure = failure or future.exception()
                continue
            write_result(out, trial, future.result())
            done += 1
            if progress is not None:
                progress(done, len(trials), trial.name)
    except BaseException:
        if not isinstance(executor, ProcessPoolExecutor):  # which :func:`process_pool` ends
            for future in futures:
                future.cancel()
        raise
    if failure is not None:
        raise failure
    return len(missing)


def _finished(futures: dict[Future[dict[str, Any]], Trial], watch: Watch | None) -> Iterator[Future[dict[str, Any]]]:
    """Each as soon as it has finished, with a look at the others now and then."""
    running = set(futures)
    while running:
        finished, running = wait(running, WATCH_SECONDS if watch else None, FIRST_COMPLETED)
        yield from finished
        if watch is not None:
            watch([trial for future, trial in futures.items() if future in running])

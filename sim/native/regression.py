"""Runs all parts of a regression, in several processes or on several machines, and keeps what is done."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ...model.executors import LOCAL, check_executor, prepared_workers
from ...model.files import whole
from ...model.formats import check_integer
from ...model.locks import sole_use
from .pieces import Result, Runner, Work

SCRATCH = "running"
PARTS = "parts.jsonl"  #: in a regression's folder: a line for the work, then one for each part, in order
Progress = Callable[[int, int], None]  #: time steps done, of all


@dataclass(frozen=True)
class Summary:
    """What all parts gave together."""

    parts: int
    sequences: int
    steps: int
    integers: int
    mismatches: int
    cycles: int
    busy: tuple[float, ...]  #: share of the clock cycles in which each layer's array converted; () of random designs
    right: int  #: sequences whose class was the label
    first: str  #: the integer that differed first, or nothing
    violations: tuple[str, ...]
    differing: dict[str, int]  #: integers that differ, by layer and stage

    @property
    def agrees(self) -> bool:
        """Did all integers agree, and were all rules kept?"""
        return self.integers > 0 and not self.mismatches and not self.violations

    @property
    def step_cycles(self) -> float:
        """Clock cycles of a time step."""
        return self.cycles / self.steps

    def __str__(self) -> str:
        text = f"{self.integers} integers compared, {self.mismatches} differ"
        if self.first:
            text += f"; first: {self.first}"
        return text + "".join(f"; rule broken: {sentence}" for sentence in self.violations)


def summary(results: list[Result]) -> Summary:
    """The parts' sums; the first difference is that of the first part with one."""
    cycles = sum(result.cycles for result in results)
    by_layer = zip(*(result.busy for result in results))
    broken = dict.fromkeys(sentence for result in results for sentence in result.violations)
    differing: Counter[str] = Counter()
    for result in results:
        differing.update(result.differing)
    return Summary(
        parts=len(results),
        sequences=sum(result.sequences for result in results),
        steps=sum(result.steps for result in results),
        integers=sum(result.integers for result in results),
        mismatches=sum(result.mismatches for result in results),
        cycles=cycles,
        busy=tuple(sum(layer) / cycles for layer in by_layer),
        right=sum(result.right for result in results),
        first=next((result.first for result in results if result.first), ""),
        violations=tuple(broken),
        differing=dict(differing),
    )


def kept(work: Work, folder: Path) -> list[Result]:
    """What ``folder`` has of this very work: results of its first parts. Others' are not taken."""
    try:
        lines = (folder / PARTS).read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    results: list[Result] = []
    if lines[0] != _header(work):
        return results
    sizes = work.sizes
    for line, size in zip(lines[1:-1], sizes):
        try:
            content = json.loads(line)
            tuples = {name: tuple(content[name]) for name in ("busy", "violations")}
            result = Result(**(content | tuples))
        except (ValueError, TypeError, KeyError, RecursionError):
            break
        if result.steps != size:
            break
        results.append(result)
    return results


def run(
    work: Work,
    folder: Path,
    workers: int = 1,
    progress: Progress | None = None,
    executor: str = LOCAL,
) -> list[Result]:
    """Results of all parts, in order. ``folder`` keeps each as it is there, and what it has is not run again.

    They are run by ``workers`` processes, or by a scheduler's (:func:`~ohmgate.model.executors.executor_for`). The
    results, and the file's bytes, do not depend on who runs the parts. Raises :class:`DesignError` where another run
    has the folder, or a tool is missing.
    """
    check_integer("workers", workers, 1, 1024)
    check_executor(executor)
    with sole_use(folder):
        done, sizes = kept(work, folder), work.sizes
        with whole(folder / PARTS) as part:  # without the half of a line that an interruption may have left
            part.write_text("".join(f"{line}\n" for line in [_header(work), *map(_line, done)]), encoding="utf-8")
        _tell(progress, sizes, len(done))
        numbers = range(len(done), len(sizes))
        with _scratch_of(folder) as scratch, closing(_make(work, numbers, workers, executor, scratch)) as rest:
            for result in rest:
                done.append(result)
                _append(folder / PARTS, _line(result))
                _tell(progress, sizes, len(done))
        return done


def _tell(progress: Progress | None, sizes: list[int], done: int) -> None:
    if progress is not None:
        progress(sum(sizes[:done]), sum(sizes))


def _header(work: Work) -> str:
    return json.dumps({"work": work.fingerprint(), "parts": len(work.sizes)})


def _line(result: Result) -> str:
    return json.dumps(asdict(result))


def _append(path: Path, line: str) -> None:
    """Write a line whole or not at all."""
    size = path.stat().st_size
    try:
        with open(path, "a", encoding="utf-8") as out:
            out.write(line + "\n")
    except OSError as error:
        os.truncate(path, size)
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def _scratch_of(folder: Path) -> Iterator[Path]:
    """A folder for what running parts write, removed afterwards, as is one of a run that was killed."""
    scratch = folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make(work: Work, numbers: range, workers: int, executor: str, scratch: Path) -> Generator[Result, None, None]:
    if not numbers:
        return
    if executor == LOCAL and (workers == 1 or len(numbers) == 1):
        with closing(Runner(work, scratch)) as runner:
            yield from map(runner.run, numbers)
        return
    place = scratch if executor == LOCAL else None
    with prepared_workers(executor, min(workers, len(numbers)), Runner, (work, place), Runner.run) as submit:
        for future in [submit(number) for number in numbers]:
            yield future.result()

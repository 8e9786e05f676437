"""Running a grid of cells: each finished cell is a JSON file, so a sweep that is killed goes on where it was.

The caller's process writes a cell's file, whole or not at all, as soon as the cell is done; workers only compute.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from ...model.files import whole
from ...model.formats import DesignError, check_integer
from ...model.locks import sole_use_of
from ...model.processes import process_pool
from ...model.programs import ProgramError
from . import grid
from .grid import Cell, belongs, run_cell

CELLS = "cells"  #: folder of the JSON files within the output folder
Progress = Callable[[int, int, str], None]  #: finished cells, of all cells, name of the last one


def result_path(out: str | Path, cell: Cell) -> Path:
    """File of a cell's result."""
    return Path(out) / CELLS / f"{cell.name}.json"


def cells_of_report(experiment: str, out: str | Path, seeds: int = 0) -> list[Cell]:
    """The experiment's cells of all seeds that ``out`` has a result of, and of the first ``seeds`` in any case.

    Of seed 0 where this is none.
    """
    first_seed = grid.experiment(experiment)
    names = {cell.name.removesuffix("0") for cell in first_seed}
    named = (re.fullmatch(r"(.+_seed)(0|[1-9]\d*)", path.stem) for path in Path(out, CELLS).glob("*.json"))
    there = {int(found[2]) for found in named if found and found[1] in names}.union(range(seeds))
    return [replace(cell, seed=seed) for seed in sorted(there or {0}) for cell in first_seed]


def read_result(out: str | Path, cell: Cell) -> dict | None:
    """A cell's record, or None where it has not run. Raises :class:`DesignError` for a file of another protocol."""
    path = result_path(out, cell)
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        same = belongs(found, cell)
    except (OSError, ValueError, KeyError, TypeError):
        raise DesignError(f"result {path.name!r} must be a cell's JSON, but cannot be read") from None
    if not same:
        raise DesignError(f"result {path.name!r} must have its cell's protocol, but has another; move it away")
    return found


def missing_cells(cells: Sequence[Cell], out: str | Path) -> list[Cell]:
    """Those that have not run; raises as :func:`read_result`."""
    return [cell for cell in cells if read_result(out, cell) is None]


def run_sweep(
    cells: Sequence[Cell],
    out: str | Path,
    executor: Executor,
    *,
    data: str | Path | None = None,
    progress: Progress | None = None,
    work: Callable[[Cell, str | Path | None], dict] = run_cell,
) -> int:
    """Run the cells that ``out`` has no result of, and return how many these were.

    ``data`` is the data folder as the workers see it; ``work`` does a cell. A cell that fails raises after the
    others have finished. Sweeps may share ``out``, but a cell runs once: raises :class:`DesignError` where another
    process runs one of these.
    """
    with ExitStack() as stack:
        for cell in cells:
            lock = result_path(out, cell).with_name(f".{cell.name}.lock")
            if read_result(out, cell) is None:
                lock.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(sole_use_of(lock, f"cell {cell.name!r}"))
            else:  # a sweep that was killed may have left it
                lock.unlink(missing_ok=True)
        return _run_missing(cells, out, executor, data, progress, work)


def _run_missing(cells, out, executor: Executor, data, progress: Progress | None, work) -> int:
    missing = missing_cells(cells, out)
    futures = {executor.submit(work, cell, data): cell for cell in missing}
    failure = None
    try:
        for future in as_completed(futures):
            cell = futures[future]
            if future.exception() is not None:
                failure = failure or future.exception()
                continue
            with whole(result_path(out, cell)) as part:
                part.write_text(json.dumps(future.result(), indent=1) + "\n", encoding="utf-8")
            if progress is not None:
                done = sum(result_path(out, other).exists() for other in cells)
                progress(done, len(cells), cell.name)
    except BaseException:
        if not isinstance(executor, ProcessPoolExecutor):  # which :func:`process_pool` ends
            for future in futures:
                future.cancel()
        raise
    if failure is not None:
        raise failure
    return len(missing)


@contextmanager
def executor_for(name: str, workers: int = 1) -> Iterator[Executor]:
    """``local``: ``workers`` processes of this machine; ``dask:ADDRESS``: the workers of that scheduler."""
    check_integer("workers", workers, 1, 1024)
    kind, _, address = name.partition(":")
    if name == "local":
        with process_pool(workers) as pool:
            yield pool
    elif kind == "dask" and address:
        try:
            from distributed import Client
            from distributed.comm import get_address_host_port
            from distributed.scheduler import KilledWorker
        except ImportError:
            raise DesignError("executor 'dask' must have dask.distributed: pip install 'ohmgate[cluster]'") from None
        try:
            get_address_host_port(address)  # a client of no address complains for long when it is forgotten
            client = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError):
            raise DesignError(f"executor must be a running scheduler's address, but {address!r} has none") from None
        try:
            with client, client.get_executor(pure=False, retries=2) as pool:
                yield pool
        except (CancelledError, KilledWorker) as error:
            raise ProgramError(f"the scheduler at {address!r} or its workers have gone") from error
    else:
        raise DesignError(f"executor must be local or dask:ADDRESS, not {name!r}")

"""Worker processes for long work, which neither outlive it nor keep it; here because several folders start some."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .files import whole
from .programs import ProgramError

ENDING = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def process_pool(
    workers: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """An executor of ``workers`` spawned processes (torch's threads do not survive a fork).

    Whatever is raised within the context, as by an interrupt, ends them at once; so does the end of this process.
    They leave a terminal's interrupt, which every process there gets, to this one. The caller cancels no futures: in
    Python 3.11 the executor's thread fails on cancelled futures of ended processes.
    What is large goes into ``initargs``: Python may hang where a process ends before it has read a large task.
    Raises :class:`~.programs.ProgramError` where a process was ended from outside.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with TemporaryDirectory(prefix="ohmgate_workers_") as folder:
        start = Path(folder) / "start.pickle"
        with whole(start) as part:
            part.write_bytes(pickle.dumps((initializer, initargs)))
        with _Pool(workers, context, _begin, (start,)) as pool:
            try:
                yield pool
            except BaseException as error:
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()
                if isinstance(error, BrokenProcessPool):
                    raise ProgramError("a worker process ended before its work, as where memory runs out") from error
                raise


class _Pool(ProcessPoolExecutor):
    """Starts its processes with the first task, undisturbed, and so that they hold signals back until :func:`_begin`.

    An interrupt from the keyboard comes to all: it would break off processes that are half begun, with tracebacks.
    All at once, as Python 3.11 to 3.13 may fail where one process ends while the next one starts.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._safe_to_dynamically_spawn_children = False

    def submit(self, *task, **options):  # which starts processes
        with _signals_held_back():
            return super().submit(*task, **options)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    came, handlers = [], {}
    if threading.current_thread() is threading.main_thread():  # which handles those that come to other threads, too
        handlers = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in ENDING}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # processes that begin here inherit this
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in came:
            signal.raise_signal(number)


def _begin(start: Path) -> None:
    """In a worker: what started it ends it, so it ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initializer, initargs = pickle.loads(start.read_bytes())
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)

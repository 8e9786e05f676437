"""Worker processes for long work, which neither outlive it nor keep it; here because several folders start some."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def process_pool(
    workers: int, initializer: Callable | None = None, initargs: tuple = ()
) -> Iterator[ProcessPoolExecutor]:
    """An executor of ``workers`` spawned processes (torch's threads do not survive a fork).

    Whatever is raised within the context, as by an interrupt, ends them at once; so does the end of this process.
    They leave a terminal's interrupt, which every process there gets, to this one. The caller cancels no futures: in
    Python 3.11 the executor's thread fails on cancelled futures of ended processes.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, _begin, (initializer, initargs)) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _begin(initializer: Callable | None, initargs: tuple) -> None:
    """In a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)

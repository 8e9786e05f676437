"""Who gets long work done: processes of this machine, or the workers of a Dask scheduler on many."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from .formats import DesignError, check_integer
from .processes import process_pool
from .programs import ProgramError

LOCAL = "local"  #: this machine's processes
_kept: dict[str, Any] = {}  #: in a worker: what its tasks share, by their keys

Submit = Callable[..., "Future[Any]"]


@contextmanager
def executor_for(name: str, workers: int = 1) -> Iterator[Executor]:
    """``local``: ``workers`` processes of this machine; ``dask:ADDRESS``: the workers of that scheduler.

    Whatever is raised within the context ends what is not done. Raises :class:`DesignError` where there is no such
    executor, :class:`~.programs.ProgramError` where its workers go.
    """
    check_executor(name)
    check_integer("workers", workers, 1, 1024)
    if name == LOCAL:
        with process_pool(workers) as pool:
            yield pool
    else:
        with _scheduler(name) as (_, pool):
            yield pool


@contextmanager
def prepared_workers(
    name: str, workers: int, prepare: Callable[..., Any], arguments: tuple[Any, ...], work: Callable[..., Any]
) -> Iterator[Submit]:
    """What submits ``work(shared, ...)``, where each worker makes ``shared = prepare(*arguments)`` once.

    ``name`` and ``workers`` as of :func:`executor_for`. Workers that join a scheduler later prepare themselves, too.
    """
    check_executor(name)
    check_integer("workers", workers, 1, 1024)
    key = str(uuid4())
    task = partial(_work, key, work)
    if name == LOCAL:
        with process_pool(workers, _keep, (key, prepare, arguments)) as pool:
            yield partial(pool.submit, task)
        return
    with _scheduler(name) as (client, pool):
        client.register_plugin(_plugin(key, prepare, arguments))
        try:
            yield partial(pool.submit, task)
        finally:
            client.unregister_worker_plugin(key)


def check_executor(name: str) -> None:
    """Raise :class:`DesignError` for what is no executor."""
    kind, _, address = name.partition(":")
    if name != LOCAL and not (kind == "dask" and address):
        raise DesignError(f"executor must be local or dask:ADDRESS, not {name!r}")


@contextmanager
def _scheduler(name: str) -> Iterator[tuple[Any, Executor]]:
    """A client of the scheduler and an executor of it, of which nothing goes on where the context is left early."""
    address = name.partition(":")[2]
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
            try:
                yield client, pool
            except BaseException:
                pool.shutdown(wait=False)
                raise
    except (CancelledError, KilledWorker) as error:
        raise ProgramError(f"the scheduler at {address!r} or its workers have gone") from error


def _plugin(key: str, prepare: Callable[..., Any], arguments: tuple[Any, ...]):
    """Of a scheduler's workers: each prepares itself when it gets this, and forgets when it loses it."""
    from distributed import WorkerPlugin

    class Preparation(WorkerPlugin):
        name = key

        def setup(self, worker) -> None:
            _keep(key, prepare, arguments)

        def teardown(self, worker) -> None:
            _forget(key)

    return Preparation()


def _keep(key: str, prepare: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _kept[key] = prepare(*arguments)


def _forget(key: str) -> None:
    _kept.pop(key, None)


def _work(key: str, work: Callable[..., Any], *arguments: Any) -> Any:
    return work(_kept[key], *arguments)

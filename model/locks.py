"""One run in a folder at a time. The lock is the operating system's: it ends with its process, however that ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from .formats import DesignError

NAME = ".ohmgate.lock"  #: within a folder that is in use


@contextmanager
def sole_use(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Within this context no other run has ``folder``, which is made if it is not there.

    A run is a process, or one thread of it; it may enter again what it has. Raises :class:`DesignError` where another
    run has the folder, OSError for a folder that cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with sole_use_of(folder / NAME, f"folder {str(folder)!r}"):
        yield


@contextmanager
def sole_use_of(file: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """As :func:`sole_use`, of anything: ``file`` is there as long as it is in use and has its process's number.

    ``patience``: seconds to wait for another run to end.
    """
    file = file.resolve()
    lock = FileLock(file, is_singleton=True)  # one for each file: a thread that has it may enter again
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise DesignError(
            f"{what} is in use by another ohmgate{_holder(file)}; wait for it or choose another --out"
        ) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file.parent)) from None
    # a file system without locks has a file instead, which filelock writes and removes
    entered = lock.lock_counter == 1 and not isinstance(lock, SoftFileLock)
    try:
        if entered:
            with suppress(OSError):  # on a full disk the lock holds without the number
                file.write_text(str(os.getpid()))
        yield
    finally:
        if entered:
            with suppress(OSError):
                file.unlink()  # while it is still held, so nobody has this file any more
        lock.release()


def _holder(file: Path) -> str:
    try:
        return f" (process {int(file.read_text().split()[0])})"
    except (OSError, ValueError, IndexError):
        return ""

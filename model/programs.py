"""External programs: what became of one that failed, in a sentence, and the end of those that are still running."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from .formats import DesignError
from .prerequisites import has_blank, require_no_blank

PLACES = ("/tmp", "/var/tmp", ".")  #: for temporary files
FULL = 64 * 1024  #: bytes: a disk with less than this is full


class ProgramError(DesignError):
    """An external program gave up, was ended or could not be started."""


def run_program(
    command: Sequence[str], folder: Path, text: str = "", name: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``folder`` with ``text`` as its input; its output has standard error in it.

    Its temporary files are in ``folder``, too, as a program that is ended leaves them. Its own statuses are the
    caller's to judge. Raises :class:`ProgramError` for a program that cannot be started or that a signal ended;
    ``name`` is what that says, by default the command's.
    """
    name = name or Path(command[0]).name
    environment = os.environ | {"TMPDIR": str(Path(folder).resolve())}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=text,
            text=True,
            errors="replace",
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        raise ProgramError(f"{name} cannot be started: {error.strerror}") from error
    if killed(done.returncode):
        raise ProgramError(f"{name} {ended(done.returncode, folder)}")
    return done


@contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder, removed afterwards, for programs that cannot work where a path has a blank in it.

    The system's own place for such folders where it has none. Raises :class:`DesignError` where no place will do.
    """
    usual = Path(tempfile.gettempdir())
    there = [place for place in (usual, *map(Path, PLACES)) if place.is_dir() and os.access(place, os.W_OK)]
    plain = [place for place in there if not has_blank(place)]
    if not plain:
        require_no_blank("a folder for temporary files", usual)
        raise DesignError(f"there must be a folder for temporary files, but {str(usual)!r} cannot be written")
    with tempfile.TemporaryDirectory(prefix=prefix, dir=plain[0]) as folder:
        yield Path(folder)


def killed(status: int) -> int:
    """The signal that ended a program of exit status ``status``, or one that it ran (as a shell tells it), else 0."""
    number = -status if status < 0 else status - 128
    return number if number in set(signal.Signals) else 0


def ended(status: int, *folders: Path) -> str:
    """How a program of exit status ``status``, which wrote into ``folders``, ended: the rest of a sentence."""
    number = killed(status)
    how = f"ended with status {status}"
    if number:
        how = f"was ended by the signal {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        how += ", as the system does where memory runs out"
    return how + full(*folders)


def full(*folders: Path) -> str:
    """The rest of a sentence: which of ``folders`` is on a full disk, or nothing."""
    for folder in folders:
        with suppress(OSError):
            if shutil.disk_usage(folder).free < FULL:
                return f"; the disk of {str(folder)!r} is full"
    return ""


def written(path: Path, program: str) -> str:
    """Text of a file that ``program`` has written. Raises :class:`ProgramError` where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise not_whole(path, program) from None


def not_whole(path: Path, program: str) -> ProgramError:
    """The error of a file that ``program`` did not write, or not to its end."""
    return ProgramError(f"{program} left no whole {path.name}{full(path.parent)}")


def end_programs() -> None:
    """End all programs that this process has started and those that they have started."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.terminate()


@contextmanager
def background() -> Iterator[ThreadPoolExecutor]:
    """A thread for work that waits for external programs, one piece after the other.

    Whatever is raised within the context ends the programs, and what has not begun does not begin.
    """
    with ThreadPoolExecutor(1) as thread:
        try:
            yield thread
        except BaseException:
            over = threading.Event()
            threading.Thread(target=_end_until, args=(over,), daemon=True).start()
            thread.shutdown(cancel_futures=True)
            over.set()
            raise


def _end_until(over: threading.Event) -> None:
    """End programs, the next ones that a piece of work starts among them."""
    while not over.is_set():
        end_programs()
        over.wait(0.1)

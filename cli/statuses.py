"""Exit statuses of ``ohmgate``: what a script can tell from them. Status 1 says that something differs, only that."""

import errno
import os
import select
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import typer

from ..firmware.format import ImageError
from ..firmware.transactions import LoadError
from ..model.formats import DesignError

ERROR, FAULT, INTERRUPTED, READER_GONE, TERMINATED = 2, 70, 130, 141, 143
EXPLAINED = (
    f"Exit status: 0 all is well, 1 integers (or images, or a chip's cells) differ, {ERROR} an error (one sentence "
    f"says which), {FAULT} a fault of ohmgate's own (a traceback says where), {INTERRUPTED} interrupted, "
    f"{READER_GONE} whoever read the output has gone, {TERMINATED} terminated."
)
SENTENCES = (DesignError, ImageError, LoadError)  #: their messages are one sentence for the user
KEPT = {
    "train": "finished epochs of a training run",
    "demo": "finished epochs of a training run",
    "sweep": "finished trials",
    "montecarlo": "finished draws",
    "regress": "finished parts",
}  #: by command
WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  #: of a file without a name: the output's


class Invocation(Protocol):
    """What click keeps of a call."""

    invoked_subcommand: str | None


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def statuses(invocation: Invocation | None = None) -> Iterator[None]:
    """Turns what a user can mend, and interrupts, into one line on standard error and an exit status.

    All else goes on to :func:`fault`.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        warnings.simplefilter("ignore")  # Amaranth's, of modules that are left unused now
        kept = KEPT.get(invocation.invoked_subcommand or "") if invocation else None
        what, status = ("terminated", TERMINATED) if isinstance(stop, Terminated) else ("interrupted", INTERRUPTED)
        _end(status, f"ohmgate: {what}{f'; {kept} are kept' if kept else ''}")
    except (EOFError, SystemExit) as error:  # a library's: typer would end with status 1
        if isinstance(error.__context__, BrokenPipeError):  # rich has met it
            _end(READER_GONE)
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_gone():
            _end(READER_GONE)
        sentence = sentence_of(error)
        if sentence is None:
            raise
        _end(ERROR, f"ohmgate: error: {sentence}")


def sentence_of(error: Exception) -> str | None:
    """What is wrong in one sentence, or None for an error that nobody but ohmgate's authors can mend."""
    text = str(error)
    if isinstance(error, SENTENCES):
        return text
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "OutOfMemory" in type(error).__name__:
        return f"there is not enough memory{': ' * bool(text)}{text}"
    if isinstance(error, ImportError) and not (error.name or "").startswith("ohmgate"):
        return f"a library that ohmgate needs cannot be loaded: {text}"
    if not isinstance(error, OSError):
        return None
    if error.filename is not None:
        return f"cannot use {str(error.filename)!r}: {error.strerror}"
    if error.errno is None:
        return f"a library that ohmgate needs cannot be loaded: {text}" if "shared object" in text else None
    return f"{'cannot write the output' if error.errno in WRITING else 'the system refuses'}: {error.strerror}"


def fault() -> None:
    """Say that the error being handled is ohmgate's own, and end."""
    traceback.print_exc()
    _end(FAULT, "ohmgate: this is a fault of ohmgate; please report it with the lines above", SystemExit)


def _end(status: int, line: str = "", how: type[BaseException] = typer.Exit) -> None:
    """End with ``status``, whatever has become of the output."""
    with suppress(OSError):
        if line:
            typer.echo(line, err=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # else Python tries again at its end, and ends with a status of its own
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise how(status) from None


def _reader_gone() -> bool:
    """Is standard output or error a pipe that nobody reads any more?"""
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))

"""Commands of ``ohmgate`` as processes of their own, forked from one that has imported everything: it saves seconds.

A command is at the head of a process group, as in a shell, so a signal to the group is Ctrl-C.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

SECONDS = 120  #: that anything may take on a busy machine
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([
    "tests.commands", "torch", "ohmgate.cli.main", "ohmgate.report.demo", "ohmgate.report.montecarlo", "ohmgate.hdl.flow.lint",
    "ohmgate.hdl.flow.synthesis", "ohmgate.sim.cosim", "ohmgate.train.experiments.sweep", "ohmgate.train.usage", "matplotlib.pyplot",
])  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """``status`` is negative where a signal ended the command."""

    status: int | None
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of standard error."""
        return (self.err.splitlines() or [""])[-1]


class Command:
    """A command that runs in ``folder``, with ``before`` called first in its process."""

    def __init__(
        self,
        arguments,
        folder: Path,
        environment: dict[str, str] | None = None,
        before: Callable[[], object] | None = None,
    ):
        self.output = Path(tempfile.mkdtemp(prefix="ohmgate_command_"))
        given = ([str(a) for a in arguments], str(folder), environment or {}, self.output, before)
        self.process = _context.Process(target=_run, args=given)
        self.process.start()
        assert self.process.pid is not None
        self.group = self.process.pid

    def wait_for(self, what: Callable[["Command"], object]):
        """What ``what`` returns as soon as it is something; fails if the command ends before."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = what(self)
            if found:
                return found
            assert self.process.is_alive(), self.end().err
            time.sleep(0.005)
        raise AssertionError(f"waited in vain: {self.end(signal.SIGKILL).err}")

    def says(self, text: str) -> bool:
        """Has it said ``text`` on standard error?"""
        path = self.output / "err"
        return path.exists() and text in path.read_text(errors="replace")

    def child(self, part: str) -> psutil.Process | None:
        """A process that it has started, by a part of its command line."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if part in " ".join(child.cmdline()):
                    return child
            except psutil.Error:  # it has ended
                continue
        return None

    def end(self, number: int | None = None) -> Ended:
        """Send the signal, if any, to it and all that it has started, and wait for it."""
        if number is not None:
            os.killpg(self.group, number)
        self.process.join(SECONDS)
        if self.process.is_alive():
            os.killpg(self.group, signal.SIGKILL)
            self.process.join()
        said = [(self.output / name).read_text(errors="replace") for name in ("out", "err")]
        shutil.rmtree(self.output)
        return Ended(self.process.exitcode, *said)


def run(
    arguments, folder: Path, environment: dict[str, str] | None = None, before: Callable[[], object] | None = None
) -> Ended:
    """A command from its begin to its end."""
    return Command(arguments, folder, environment, before).end()


def _run(
    arguments: list[str], folder: str, environment: dict[str, str], output: Path, before: Callable[[], object] | None
) -> None:
    from ohmgate.cli.main import main

    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # look at $TMPDIR anew
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["ohmgate", *arguments]
    if before is not None:
        before()
    main()


def quick_sweep() -> None:
    """For ``before``: trials of a sweep that are done at once, in this process."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import contextmanager

    from ohmgate.model import executors
    from ohmgate.train.experiments import trial as trials

    @contextmanager
    def executor(name, workers):
        with ThreadPoolExecutor(1) as thread:
            yield thread

    def run_trial(trial, data, networks, device, reports):
        final = {"accuracy": 0.5, "perplexity": 2.0, "name_perplexity": 3.0}
        return trials.record(trial, trials.Outcome("0", [final], final), {"minutes": 1.0, "cpu_minutes": 1.0})

    executors.executor_for, trials.run_trial, trials.check_data = executor, run_trial, lambda trials, data: None


def sweep_without_data() -> None:
    """For ``before``: a sweep that starts its workers, though its data are not there."""
    from ohmgate.train.experiments import trial

    trial.check_data = lambda trials, data: None


def fail_with(error: BaseException) -> None:
    """For ``before``: the command ``inspect`` meets ``error``."""
    from ohmgate.firmware import inspection

    def inspect(data):
        raise error

    inspection.inspect = inspect

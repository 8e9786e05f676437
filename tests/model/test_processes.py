"""Workers begin as they should and are not waited for."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from ohmgate.model.processes import process_pool
from ohmgate.model.programs import ProgramError

SCRIPT = """
import sys, time
from ohmgate.model.processes import process_pool

def sleep(path):
    with open(path, "a") as file:
        file.write("begun\\n")
    time.sleep(600)

if __name__ == "__main__":
    with process_pool(1) as pool:
        futures = [pool.submit(sleep, sys.argv[1]) for _ in range(4)]
        futures[0].result()
"""


def test_workers_begin_with_their_initializer():
    with process_pool(2, os.umask, (0o123,)) as pool:
        assert pool.submit(os.umask, 0).result() == 0o123
        assert pool.submit(os.getpid).result() != os.getpid()


def test_what_is_raised_waits_for_no_worker():
    futures = []

    def interrupted():
        with process_pool(1) as pool:
            futures.extend(pool.submit(time.sleep, 600) for _ in range(4))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [type(future.exception()) for future in futures] == [BrokenProcessPool] * 4


def test_all_processes_start_with_the_first_task():
    """Python's own thread fails where one ends while the next one starts, as CI saw."""
    others = set(multiprocessing.active_children())
    with process_pool(3) as pool:
        pool.submit(os.getpid)
        started = set(multiprocessing.active_children()) - others
        assert len(started) == 3
        assert pool.submit(os.getpid).result() in {process.pid for process in started}


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_is_killed_while_it_begins(capfd):
    others = set(multiprocessing.active_children())

    def lose_one():
        with process_pool(3) as pool:
            futures = [pool.submit(time.sleep, 0.1) for _ in range(6)]
            (set(multiprocessing.active_children()) - others).pop().kill()
            [future.result() for future in futures]

    with pytest.raises(ProgramError) as error:
        lose_one()
    assert str(error.value) == "a worker process ended before its work, as where memory runs out"
    assert capfd.readouterr().err == ""  # the others were ended in order, too


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number, group", [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGKILL, False)])
def test_workers_end_with_what_started_them(number, group, tmp_path):
    """The signal comes to the parent alone, as from a batch system, or to its workers too, as from a terminal."""
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(log)], stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (os.killpg if group else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)  # the pipe closes when the last worker has ended
    assert err.count("Traceback") == (number == signal.SIGINT)
    assert log.read_text() == "begun\n"

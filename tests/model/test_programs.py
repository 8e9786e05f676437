"""What became of an external program, in a sentence; programs end with what started them."""

import subprocess
import sys
import threading
import time

import psutil
import pytest

from ohmgate.model import programs
from ohmgate.model.formats import DesignError
from ohmgate.model.programs import (
    ProgramError,
    background,
    end_programs,
    ended,
    full,
    killed,
    run_program,
    work_folder,
    written,
)


def test_a_program_s_output_and_status_are_given_back(tmp_path):
    done = run_program(["sh", "-c", "cat; pwd; echo $TMPDIR; echo err >&2; exit 3"], tmp_path, "in\n")
    assert (done.returncode, done.stdout) == (3, f"in\n{tmp_path}\n{tmp_path}\nerr\n")


@pytest.mark.parametrize(
    "command, sentence",
    [
        (["no-such-tool"], "no-such-tool cannot be started: No such file or directory"),
        (["sh", "-c", "kill -9 $$"], "sh was ended by the signal SIGKILL, as the system does where memory runs out"),
        (["sh", "-c", "kill -11 $$"], "sh was ended by the signal SIGSEGV"),
        (["sh", "-c", "exit 137"], "sh was ended by the signal SIGKILL, as the system does where memory runs out"),
    ],
)
def test_a_program_that_does_not_come_to_its_end(tmp_path, command, sentence):
    with pytest.raises(ProgramError) as error:
        run_program(command, tmp_path)
    assert str(error.value) == sentence


def test_a_folder_that_is_gone_is_no_traceback(tmp_path):
    with pytest.raises(ProgramError, match="^yosys cannot be started: No such file or directory$"):
        run_program([sys.executable], tmp_path / "none", name="yosys")


def test_statuses_that_are_signals():
    assert [killed(status) for status in (0, 1, 2, 127, 128, 255, -9, 143)] == [0, 0, 0, 0, 0, 0, 9, 15]
    assert ended(4) == "ended with status 4"


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    assert full(tmp_path, tmp_path / "none") == ""
    free = {str(tmp_path): programs.FULL, "/": programs.FULL - 1}
    monkeypatch.setattr(programs.shutil, "disk_usage", lambda path: type("", (), {"free": free[str(path)]}))
    assert full(tmp_path) == ""
    assert ended(1, tmp_path, "/") == "ended with status 1; the disk of '/' is full"
    with pytest.raises(ProgramError) as error:
        written(tmp_path / "out.json", "yosys")
    assert str(error.value) == "yosys left no whole out.json"


def sleepers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name() == "sleep"]


def test_programs_of_programs_end_too():
    with subprocess.Popen(["sh", "-c", "sleep 600; true"]):
        while not sleepers():
            time.sleep(0.01)
        [sleeper] = sleepers()
        end_programs()
    sleeper.wait(10)


def test_what_is_raised_ends_the_work_in_the_background():
    begun, futures = threading.Event(), []

    def work():
        begun.set()
        for _ in range(2):  # the next program, too
            subprocess.run(["sleep", "600"])

    def interrupted():
        with background() as thread:
            futures.extend(thread.submit(work) for _ in range(3))
            begun.wait()
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [future.cancelled() for future in futures] == [False, True, True]
    assert time.monotonic() - began < 60
    assert sleepers() == []


@pytest.mark.parametrize("usual, used", [("plain", "plain"), ("with blank", "plain"), ("with\ttab", "plain")])
def test_work_is_done_where_no_path_has_a_blank(tmp_path, monkeypatch, usual, used):
    for name in {usual, "plain"}:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(programs.tempfile, "tempdir", str(tmp_path / usual))
    monkeypatch.setattr(programs, "PLACES", (str(tmp_path / "plain"),))
    with work_folder("work_") as folder:
        assert folder.parent == tmp_path / used
        assert folder.name.startswith("work_")
    assert not folder.exists()


def test_a_place_that_is_none_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(programs.tempfile, "tempdir", str(tmp_path / "file"))
    monkeypatch.setattr(programs, "PLACES", (str(tmp_path),))
    with work_folder("work_") as folder:
        assert folder.parent == tmp_path
    monkeypatch.setattr(programs, "PLACES", ())
    sentence = f"^there must be a folder for temporary files, but '{tmp_path}/file' cannot be written$"
    with pytest.raises(DesignError, match=sentence), work_folder("work_"):
        pass


def test_no_place_for_work_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "with blank").mkdir()
    monkeypatch.setattr(programs.tempfile, "tempdir", str(tmp_path / "with blank"))
    monkeypatch.setattr(programs, "PLACES", (str(tmp_path / "missing"),))
    sentence = f"^a folder for temporary files needs a path without blanks, not '{tmp_path}/with blank'$"
    with pytest.raises(DesignError, match=sentence), work_folder("work_"):
        pass

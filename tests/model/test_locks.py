"""One run has a folder; the lock goes with it, however it ends."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.model.locks import NAME, sole_use, sole_use_of

HOLDER = """
import sys, time
from ohmgate.model.locks import sole_use
with sole_use(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def refused(call) -> str:
    with pytest.raises(DesignError) as error, call:
        pass
    return str(error.value)


def test_another_process_is_refused_until_the_first_is_gone(tmp_path):
    folder = tmp_path / "new" / "run"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        sentence = f"folder {str(folder)!r} is in use by another ohmgate (process {holder.pid}); "
        assert refused(sole_use(folder)) == sentence + "wait for it or choose another --out"
        assert [path.name for path in folder.iterdir()] == [NAME]
        holder.send_signal(signal.SIGKILL)
    with sole_use(folder):  # though the killed process has left its file
        assert (folder / NAME).read_text() == str(os.getpid())
    assert list(folder.iterdir()) == []


def test_a_thread_may_enter_again_and_another_thread_may_not(tmp_path):
    sentences = []

    def other():
        sentences.append(refused(sole_use(tmp_path)))

    with sole_use(tmp_path):
        with sole_use(tmp_path / "." / "x" / ".."):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert sentences == [
        f"folder {str(tmp_path)!r} is in use by another ohmgate (process {os.getpid()}); "
        "wait for it or choose another --out"
    ]
    with sole_use(tmp_path):
        pass


def test_the_folder_is_made_and_an_error_leaves_no_lock(tmp_path):
    def fail():
        with sole_use(tmp_path / "a" / "b"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]


def test_anything_else_is_locked_by_its_name(tmp_path):
    file = tmp_path / ".cell.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("sole_use(sys.argv[1])", "sole_use_of(Path(sys.argv[1]), 'x')").replace(
            "import sole_use", "import sole_use_of\nfrom pathlib import Path"), file],
        stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        assert refused(sole_use_of(file, "cell 'a'")).startswith("cell 'a' is in use by another ohmgate (process ")
        with sole_use(tmp_path), sole_use_of(tmp_path / ".other.lock", "cell 'b'"):
            pass
        holder.kill()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists|Not a directory") as error, sole_use(tmp_path / "file"):
        pass
    assert error.value.filename == str(tmp_path / "file")

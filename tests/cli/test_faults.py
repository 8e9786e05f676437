"""What no command foresees: faults of ohmgate's own, memory, libraries, and whoever reads the output."""

import errno
import os
import subprocess
import sys
from functools import partial

import pytest

from ohmgate.cli.statuses import sentence_of
from tests.commands import fail_with, run

OHMGATE = (sys.executable, "-m", "ohmgate.cli.main")
FAULT = "ohmgate: this is a fault of ohmgate; please report it with the lines above"
OF_LIBRARY = "a library that ohmgate needs cannot be loaded: "


@pytest.mark.parametrize(
    "error, status, last",
    [
        (ZeroDivisionError("x"), 70, FAULT),
        (EOFError("x"), 70, FAULT),
        (SystemExit(1), 70, FAULT),
        (
            MemoryError("Unable to allocate 1 PiB"),
            2,
            "ohmgate: error: there is not enough memory: Unable to allocate 1 PiB",
        ),
        (KeyboardInterrupt(), 130, "ohmgate: interrupted"),
    ],
    ids=repr,
)
def test_what_no_command_foresees(tiny, error, status, last):
    ended = run(("inspect", "run/tiny.image"), tiny, before=partial(fail_with, error))
    assert (ended.status, ended.last) == (status, last)
    assert ("Traceback" in ended.err) == (status == 70)


@pytest.mark.parametrize(
    "error, sentence",
    [
        (MemoryError(), "there is not enough memory"),
        (RuntimeError("[x.cpp:1] can't allocate memory: 9 bytes"), "there is not enough memory: [x.cpp:1] can't allocate memory: 9 bytes"),
        (ImportError("libx.so.1: cannot open", name="scipy.x"), OF_LIBRARY + "libx.so.1: cannot open"),
        (ModuleNotFoundError("No module named 'pyosys'", name="pyosys"), OF_LIBRARY + "No module named 'pyosys'"),
        (OSError("libgomp.so.1: cannot open shared object file"), OF_LIBRARY + "libgomp.so.1: cannot open shared object file"),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot write the output: No space left on device"),
        (OSError(errno.EMFILE, "Too many open files"), "the system refuses: Too many open files"),
        (OSError(errno.EACCES, "Permission denied", "a.txt"), "cannot use 'a.txt': Permission denied"),
        (ImportError("cannot import name 'x'", name="ohmgate.model"), None),
        (OSError("odd"), None),
        (RuntimeError("odd"), None),
        (RecursionError("deep"), None),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_wrong_in_a_sentence(error, sentence):
    assert sentence_of(error) == sentence


@pytest.mark.parametrize("arguments", [("--help",), ("inspect", "run/tiny.image")])
def test_a_reader_that_has_gone(tiny, arguments):
    """As `ohmgate inspect IMAGE | head -1` does, which wants no more lines."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*OHMGATE, *arguments], cwd=tiny, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("arguments", [("--help",), ("inspect", "run/tiny.image")])
def test_output_to_a_full_disk(tiny, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*OHMGATE, *arguments], cwd=tiny, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "ohmgate: error: cannot write the output: No space left on device\n")


def test_a_library_that_does_not_load_before_any_command(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('libx.so.1: cannot open shared object file')")
    done = subprocess.run(
        [sys.executable, "-c", "from ohmgate.cli.entry import main; main()"], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    sentence = (
        "ohmgate: error: a library that ohmgate needs cannot be loaded: libx.so.1: cannot open shared object file\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)

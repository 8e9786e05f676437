"""The two simulators, their options in one place: Verilator (default) and Icarus."""

import subprocess
from pathlib import Path

from ..hdl.flow.verilator import tool_path, verilator_root
from ..model import prerequisites
from ..model.formats import DesignError, check_choice
from ..model.prerequisites import LIBPYTHON, POD_USAGE

SIMULATORS = ("verilator", "icarus")
NEEDS = {"verilator": ("verilator", "c++", "make", POD_USAGE, LIBPYTHON), "icarus": ("iverilog", "vvp", LIBPYTHON)}
WAVE_NEEDS = {"verilator": ("lz4.h", "zlib.h"), "icarus": ()}

#: Icarus reads the emitted Verilog as Verilog-2005: with -g2012 outputs stay X after reset (amaranth issue 1629).
#: Verilator: the generated Verilog of Amaranth is full of harmless width and unused-signal warnings; linting is the
#: business of hdl/flow/lint.py, so here they only do not stop the build. cocotb's runner makes every signal public,
#: which makes the compiler crawl; only the bench's ports and the agents' registers are (marked in their Verilog).
BUILD_ARGS = {
    "icarus": ["-g2005"],
    "verilator": ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--x-assign", "unique", "--no-public-flat-rw"],
}

WAVE_ARGS = {"icarus": ["-s", "ohmgate_waves"], "verilator": ["--trace-fst", "--trace-structs"]}
WAVE_FILES = {"icarus": "waves.fst", "verilator": "dump.fst"}  #: in the folder of the build


def icarus_waves(top: str) -> str:
    """A second top level that records all of ``top``."""
    return (
        "module ohmgate_waves;\n    initial begin\n"
        f'        $dumpfile("{WAVE_FILES["icarus"]}");\n        $dumpvars(0, {top});\n'
        "    end\nendmodule\n"
    )


def missing_tools(simulator: str, waves: bool = False) -> str | None:
    """One sentence about what is not installed, or None where the simulator can run (and record waves)."""
    check_choice("simulator", simulator, SIMULATORS)
    what = f"the simulator {simulator}{' with waves' * waves}"
    return prerequisites.missing(what, NEEDS[simulator] + waves * WAVE_NEEDS[simulator])


def require(simulator: str, folder: Path, waves: bool = False) -> None:
    """Raise :class:`DesignError` if the simulator cannot run, or not in ``folder``."""
    problem = missing_tools(simulator, waves)
    if problem:
        raise DesignError(problem)
    if simulator == "verilator":  # make parts paths at blanks
        for place in filter(None, (folder, verilator_root())):
            prerequisites.require_no_blank("a build with verilator", place)


def version(simulator: str) -> str:
    """First line of the simulator's own version message."""
    command = {"verilator": ["verilator", "--version"], "icarus": ["iverilog", "-V"]}[simulator]
    with tool_path():
        out = subprocess.run(command, capture_output=True, text=True, check=False)
    return (out.stdout or out.stderr).strip().splitlines()[0]

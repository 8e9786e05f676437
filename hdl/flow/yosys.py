"""Runs Yosys (pyosys) in a process of its own, so that its output and its crashes stay there."""

import re
import sys
from pathlib import Path

from ...model.programs import ProgramError, ended, full, run_program

_DRIVER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.stdin.read().splitlines():
    libyosys.run_pass(command, design)
"""


class SynthesisError(ProgramError):
    """Yosys or the place-and-route tool gave up."""


def run_yosys(commands: list[str], folder: Path) -> str:
    """Run ``commands`` in ``folder``; returns the log. Raises :class:`SynthesisError` with Yosys's own words,
    :class:`~ohmgate.model.programs.ProgramError` where it was killed."""
    done = run_program([sys.executable, "-c", _DRIVER], folder, "\n".join(commands), name="yosys")
    if done.returncode:
        errors = re.findall(r"(?:ERROR|ModuleNotFoundError|MemoryError): (.*)$", done.stdout, flags=re.MULTILINE)
        reason = errors[-1] + full(folder) if errors else ended(done.returncode, folder)
        raise SynthesisError(f"yosys: {reason}")
    return done.stdout

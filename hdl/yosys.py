"""Runs Yosys (pyosys) in a process of its own, so that its output and its crashes stay there."""

import re
import subprocess
import sys
from pathlib import Path

from ..model.formats import DesignError

_DRIVER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.stdin.read().splitlines():
    libyosys.run_pass(command, design)
"""


class SynthesisError(DesignError):
    """Yosys or the place-and-route tool gave up."""


def run_yosys(commands: list[str], folder: Path) -> str:
    """Run ``commands`` in ``folder``; returns the log. Raises :class:`SynthesisError` with Yosys's own words."""
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER], input="\n".join(commands), cwd=folder, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
    )  # fmt: skip
    if done.returncode:
        errors = re.findall(r"(?:ERROR|ModuleNotFoundError|MemoryError): (.*)$", done.stdout, flags=re.MULTILINE)
        raise SynthesisError(f"yosys: {errors[-1] if errors else f'ended with status {done.returncode}'}")
    return done.stdout

"""Lints generated Verilog with Verilator: every warning on, the shipped waivers, nothing else."""

import re
from pathlib import Path

from ...model.formats import DesignError
from ...model.prerequisites import POD_USAGE, require
from ...model.programs import ended, run_program
from .verilator import tool_path

VIEWS = ("blackbox", "behavioural")
NEEDS = ("verilator", POD_USAGE)


class LintError(DesignError):
    """Verilator found fault; ``messages`` holds all that it said, in order."""

    def __init__(self, view: str, messages: list[str]):
        self.messages = messages
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        super().__init__(f"lint with the {view} view of the arrays: {messages[0]}{more}")


def lint(folder: Path, name: str) -> None:
    """Lint the files that :func:`~ohmgate.hdl.flow.generate.generate` wrote for the design ``name``, with both views.

    Raises :class:`LintError` for any message that ``NAME.vlt`` does not waive, :class:`DesignError` where
    a tool is missing or killed.
    """
    require("lint", NEEDS)
    for view in VIEWS:
        files = [f"{name}.vlt", f"{name}.v", "-y", view]
        command = ["verilator", "--lint-only", "-Wall", "--top-module", name, *files]
        with tool_path():
            done = run_program(command, folder)
        messages = re.findall(r"^%(?!Error: Exiting)\S.*$", done.stdout, flags=re.MULTILINE)
        if messages or done.returncode:
            raise LintError(view, messages or [f"verilator {ended(done.returncode, folder)}"])

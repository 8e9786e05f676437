"""``ohmgate lint``."""

import tempfile
from pathlib import Path

from ..model.prerequisites import require
from . import runs
from .console import say
from .options import Source

EXAMPLES = "Examples: `ohmgate lint vowels`; `ohmgate lint runs/demo` lints what a run folder's design gives."


def command(source: Source) -> None:
    """Lint a design's generated Verilog with Verilator, all warnings on, with the shipped waivers."""
    from ..hdl.flow.generate import generate
    from ..hdl.flow.lint import NEEDS, VIEWS, lint

    design = runs.read_design(source)
    require("lint", NEEDS)
    with tempfile.TemporaryDirectory(prefix="ohmgate_lint_") as folder:
        generate(design, Path(folder))
        lint(Path(folder), design.name)
    say(f"{design.name}: clean with {' and '.join(VIEWS)} views of the arrays")

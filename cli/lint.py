"""``ohmgate lint``."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..model.design import Design, presets
from ..model.prerequisites import require
from .console import say

EXAMPLES = "Example: `ohmgate lint vowels`"


def command(
    design: Annotated[str, typer.Argument(help=f"A preset ({', '.join(presets())}) or a .toml file.")],
) -> None:
    """Lint a design's generated Verilog with Verilator, all warnings on, with the shipped waivers."""
    from ..hdl.flow.generate import generate
    from ..hdl.flow.lint import NEEDS, VIEWS, lint

    loaded = Design.load(design)
    require("lint", NEEDS)
    with tempfile.TemporaryDirectory(prefix="ohmgate_lint_") as folder:
        generate(loaded, Path(folder))
        lint(Path(folder), loaded.name)
    say(f"{loaded.name}: clean with {' and '.join(VIEWS)} views of the arrays")

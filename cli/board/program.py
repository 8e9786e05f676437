"""``ohmgate board program``."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Steps, say

EXAMPLES = """Examples: `ohmgate board program build/ulx3s` lasts until the power goes;

`ohmgate board program build/ulx3s --flash` lasts longer. Then: `ohmgate board load runs/demo`."""


def command(
    build: Annotated[Path, typer.Argument(metavar="BUILD", help="The folder of `ohmgate board build`.")],
    flash: Annotated[bool, typer.Option("--flash", help="Write to the flash, from which the board starts.")] = False,
) -> None:
    """Write a build's bitstream to the board, with openFPGALoader."""
    from ...boards.program import program

    with Steps() as steps, steps.step(f"Programming the board with {build}"):
        board = program(build, flash)
    say(f"{board.title} is programmed")

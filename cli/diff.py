"""``ohmgate diff``."""

from pathlib import Path
from typing import Annotated

import typer

from ..firmware import inspection
from . import runs
from .console import say

EXAMPLES = "Examples: `ohmgate diff before.image after.image`; `ohmgate diff runs/demo runs/vowels`."


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="A programming image or a run folder.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
) -> None:
    """Show how two programming images differ; exit status 1 if they do."""
    text = inspection.diff(runs.read_network(a), runs.read_network(b))
    say(text.rstrip("\n") or "the images hold the same network")
    if text:
        raise typer.Exit(1)

"""``ohmgate diff``."""

from pathlib import Path
from typing import Annotated

import typer

from ..firmware import image, inspection
from .console import say

EXAMPLES = "Example: `ohmgate diff before.image after.image`"


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="A programming image.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
) -> None:
    """Show how two programming images differ; exit status 1 if they do."""
    text = inspection.diff(image.read(a), image.read(b))
    say(text.rstrip("\n") or "the images hold the same network")
    if text:
        raise typer.Exit(1)

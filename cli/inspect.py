"""``ohmgate inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from ..firmware import image, inspection
from .console import say

EXAMPLES = "Example: `ohmgate inspect runs/demo/vowels.image`"


def command(
    image_file: Annotated[Path, typer.Argument(metavar="IMAGE", help="A programming image.", show_default=False)],
) -> None:
    """Show what a programming image holds: sections, geometry, gains, tables, levels."""
    say(inspection.inspect(image.read_bytes(image_file)).rstrip("\n"))

"""``ohmgate inspect``."""

from ..firmware import image, inspection
from ..model.design import Design
from . import runs
from .console import say
from .options import Source

EXAMPLES = """Examples: `ohmgate inspect runs/demo/vowels.image`, or `ohmgate inspect runs/demo`, shows an image;

`ohmgate inspect names` shows the geometry of a design."""


def command(source: Source) -> None:
    """Show what a programming image holds: sections, geometry, gains, tables, levels; of a design, its geometry."""
    found = runs.resolve(source)
    if isinstance(found, Design):
        text = inspection.describe(found)
    else:
        file = runs.image_file(found)
        with image.named(file):
            text = inspection.inspect(image.read_bytes(file))
    say(text.rstrip("\n"))

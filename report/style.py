"""Colours of all pictures, and the one way to save them."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from ..model.files import whole

ABOVE = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3, "fontsize": "small"}  #: a legend's place
BLUE, ORANGE, GREY, GREEN, RED = "#2f6db0", "#d9822b", "#5f6b7a", "#3f8f5f", "#c44e52"


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG or SVG picture, the same bytes for the same figure: no date or version goes into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "ohmgate"}), whole(path) as part:
        figure.savefig(part, dpi=130, metadata=metadata)
    return path

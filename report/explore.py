"""The page and the table of an exploration."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..cost.explore import FIELDS, Point
from ..model.files import write_text
from .cost import Table, short
from .page import render
from .style import ABOVE, BLUE, GREY, save

FIGURES = ("us", "nJ", "mm2")  #: of a sequence, but the area


def front_table(found: Sequence[Point], steps: int, most: int | None = None) -> Table:
    """The front, the fastest first; at most ``most`` lines."""
    order = sorted(found, key=lambda point: (point.time, point.energy))
    rows = [
        (point.design.name, *(f"{point.choice[field]:g}" for field in FIELDS), *_figures(point))
        for point in order[:most]
    ]
    left = len(order) - len(rows)
    return Table(
        "No other variant is as good in energy, time and area",
        ("variant", *FIELDS, *FIGURES),
        tuple(rows),
        f"us and nJ are of {steps} time steps." + f" {left} more are in the files." * bool(left),
    )


def change_table(points: Sequence[Point]) -> Table:
    """What one change costs: the first of ``points`` is the design as it stands."""
    there, rows = points[0], []
    for point in points:
        changed = [f"{field} = {value:g}" for field, value in point.choice.items() if value != there.choice[field]]
        ratios = [f"{own / base:.3f}" for own, base in zip(_values(point), _values(there))]
        rows.append((", ".join(changed) or "as it stands", *_figures(point), *ratios))
    header = ("change", *FIGURES, *(f"{figure} ratio" for figure in FIGURES))
    return Table("What one change costs", header, tuple(rows), "A ratio is to the design as it stands.")


def _values(point: Point) -> tuple[float, float, float]:
    return point.time / 1e3, point.energy / 1e3, point.area / 1e6


def _figures(point: Point) -> tuple[str, ...]:
    return tuple(short(value) for value in _values(point))


def scatter(points: Sequence[Point], found: Sequence[Point]) -> Figure:
    """Energy over time and area over time; the front in colour."""
    figure = Figure(figsize=(9.2, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name, which in ((left, "energy, nJ", 1), (right, "area, mm2", 2)):
        for those, colour, label in ((points, GREY, "all"), (found, BLUE, "not beaten")):
            figures = np.array([_values(point) for point in those])
            axes.plot(figures[:, 0], figures[:, which], ".", color=colour, label=label)
        axes.set(xscale="log", yscale="log", xlabel="time of a sequence, us", ylabel=name)
        axes.grid(alpha=0.3)
    left.legend(**ABOVE)
    return figure


def write_page(
    path: Path, points: Sequence[Point], found: Sequence[Point], tables: Sequence[Table], name: str
) -> None:
    """Write the page of a design's exploration; it opens without a network."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = {"scatter": save(scatter(points, found), Path(folder) / "scatter.svg")}
        page = render("explore", pictures, name=name, points=points, found=found, tables=tables)
    write_text(path, page)

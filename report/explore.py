"""The page and the table of an exploration."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..cost.components import WAITING
from ..cost.explore import FIELDS, Point, Value
from ..model.files import write_text
from .cost import Table, short
from .page import render
from .style import ABOVE, BLUE, GREY, save

FIGURES = ("us", "nJ", "mm2")  #: of a sequence, but the area


def front_table(
    found: Sequence[Point], points: Sequence[Point], steps: int, most: int | None = None, metric: str | None = None
) -> Table:
    """A front of ``points``, the fastest first, or with a ``metric`` the best first; at most ``most`` lines.

    Of what was chosen it shows what differs.
    """
    fields = [field for field in FIELDS if len({point.choice[field] for point in points}) > 1]
    order = sorted(found, key=lambda point: (*_badness(point, metric), point.time, point.energy))
    rows = [
        (
            point.design.name,
            point.origin,
            *((score_text(metric, point.score),) if metric and point.score is not None else ()),
            *(_choice(point.choice[field]) for field in fields),
            *_figures(point),
        )
        for point in order[:most]
    ]
    left = len(order) - len(rows)
    title = f"No other trained variant is as good in {metric}, energy, time and area"
    return Table(
        title if metric else "No other variant is as good in energy, time and area",
        ("variant", "origin", *((metric,) if metric else ()), *fields, *FIGURES),
        tuple(rows),
        f"us and nJ are of {steps} time steps, with {WAITING[points[0].cost.unselected]}."
        + f" {left} more are in the files." * bool(left),
        text=2,
    )


def score_text(metric: str, score: float) -> str:
    """Accuracy in percent, anything else as it is."""
    return f"{100 * score:.2f} %" if metric == "accuracy" else f"{score:.4g}"


def _badness(point: Point, metric: str | None) -> tuple[float, ...]:
    if metric is None or point.score is None:
        return ()
    return (-point.score if metric == "accuracy" else point.score,)


def _choice(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def change_table(points: Sequence[Point]) -> Table:
    """What one change costs: the first of ``points`` is the design as it stands."""
    there, rows = points[0], []
    for point in points:
        changed = [
            f"{field} = {_choice(value)}" for field, value in point.choice.items() if value != there.choice[field]
        ]
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


def score_scatter(points: Sequence[Point], best: Sequence[Point], metric: str) -> Figure:
    """The score of trained points over energy, time and area; the front in colour."""
    figure = Figure(figsize=(9.2, 4.2), layout="constrained")
    drawn = figure.subplots(1, 3, sharey=True)
    trained = [point for point in points if point.score is not None]
    factor = 100 if metric == "accuracy" else 1
    for axes, which, name in zip(drawn, (1, 0, 2), ("energy, nJ", "time, us", "area, mm2")):
        for those, colour, label in ((trained, GREY, "trained"), (best, BLUE, "not beaten")):
            figures = [(_values(point)[which], factor * point.score) for point in those if point.score is not None]
            axes.plot(*np.array(figures).T, ".", color=colour, label=label)
        axes.set(xlabel=name)
        axes.grid(alpha=0.3)
    drawn[0].set_ylabel(metric + ", %" * (metric == "accuracy"))
    drawn[0].legend(**ABOVE)
    return figure


def write_page(
    path: Path,
    points: Sequence[Point],
    found: Sequence[Point],
    best: Sequence[Point],
    tables: Sequence[Table],
    name: str,
    metric: str | None = None,
) -> None:
    """Write the page of a design's exploration; it opens without a network.

    ``found`` is the front by cost alone, ``best`` that of what was trained, by ``metric`` too.
    """
    with tempfile.TemporaryDirectory() as folder:
        pictures = {"scatter": save(scatter(points, found), Path(folder) / "scatter.svg")}
        if metric is not None:
            pictures["scores"] = save(score_scatter(points, best, metric), Path(folder) / "scores.svg")
        page = render(
            "explore",
            pictures,
            name=name,
            points=points,
            found=found,
            best=best,
            tables=tables,
            metric=metric,
            designs={point.design.name for point in (*found, *best)},
            trials=len({point.trial for point in points} - {None}),
        )
    write_text(path, page)

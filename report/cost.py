"""What a design costs as tables, for the terminal and for a page with the paper's Figure 9."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cost.components import WAITING
from ..cost.estimate import Cost
from ..cost.figures import Figure, Row, Span, total
from ..cost.paper import array_cost
from ..cost.published import PLATFORMS, SLIPS, Platform, is_papers, paper_figures
from ..cost.times import paper_times
from ..model.design import Design
from ..model.files import write_text
from . import cost_plots as plots
from .page import render
from .style import save

MARKS = {"paper": "p", "literature": "l", "estimate": "e", "measured": "m"}  #: of a figure's origin
ORIGINS = "p: the paper, l: literature, e: our estimate, m: measured"
OURS = {"paper": "ours by the paper's constants", "literature": "ours, literature", "measured": "ours, measured"}


@dataclass(frozen=True)
class Table:
    """A table with a title and a line below it; ``text`` columns are aligned to the left."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: str = ""
    text: int = 1


def short(value: float) -> str:
    """Three digits, thousands with commas.

    >>> short(38641.7), short(0.0391)
    ('38,600', '0.0391')
    """
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(span: Span) -> str:
    """A value and, where there is one, its range."""
    value, low, high = short(span.value), short(span.low), short(span.high)
    return value if low == high == value else f"{value} ({low} to {high})"


def tables(costs: Sequence[Cost], steps: int) -> list[Table]:
    """All there is to say about one design by one or more tiers."""
    design = costs[0].design
    found = []
    if any(cost.tier == "paper" for cost in costs):
        found.append(_paper(design))
        if is_papers(design.layers[_benchmark(design)]):
            found.append(_slips())
    found += [_components(costs)] if len(costs) > 1 else [_details(costs[0])]
    return [*found, _totals(costs, steps), _platforms(costs)]


def _benchmark(design: Design) -> int:
    """The layer that the paper's figures are of: the first LSTM, or the first layer where there is none."""
    return next((index for index, layer in enumerate(design.layers) if layer.kind == "lstm"), 0)


def _paper(design: Design) -> Table:
    index = _benchmark(design)
    layer, own = design.layers[index], is_papers(design.layers[index])
    figures = paper_figures(array_cost(layer, paper_times(design), index))
    rows = [(f.name, f.formula, f.shown, *[f.printed or "-"] * own, f.where) for f in figures]
    return Table(
        f"The paper's figures (section VI) of layer {index}, {layer.inputs + layer.hidden} x {layer.columns} with "
        f"{layer.codes_at_once} ADCs",
        ("figure", "formula", "computed", *["printed"] * own, "where"),
        tuple(rows),
        "A multiply-accumulate is one operation, as in the paper.",
        text=5,
    )


def _slips() -> Table:
    rows = tuple((slip.where, slip.printed, slip.computed, slip.why) for slip in SLIPS)
    return Table("What the paper prints, and what follows from it", ("where", "printed", "is", "why"), rows, text=4)


def _name(design: Design, layer: int | None) -> str:
    return "chip" if layer is None else f"{layer} {design.layers[layer].kind}"


def _marked(row: Row | None, what: str) -> str:
    if row is None:
        return "-"
    figure: Figure = getattr(row, what)
    return f"{spread(figure)} {MARKS[figure.origin]}" if figure.value else "-"


def _all(cost: Cost, what: str) -> str:
    return spread(total(getattr(row, what) for row in cost.rows))


def _components(costs: Sequence[Cost]) -> Table:
    design = costs[0].design
    keys = list(dict.fromkeys((row.layer, row.component) for cost in costs for row in cost.rows))
    keys.sort(key=lambda key: len(design.layers) if key[0] is None else key[0])
    header = [f"{cost.tier}: {what}" for cost in costs for what in ("pJ", "um2")]
    rows = [
        (
            _name(design, layer),
            component,
            *(_marked(cost.row(layer, component), what) for cost in costs for what in ("energy", "area")),
        )
        for layer, component in keys
    ]
    sums = [_all(cost, what) for cost in costs for what in ("energy", "area")]
    return Table(
        "Energy of a time step and area",
        ("layer", "component", *header),
        (*rows, ("", "all", *sums)),
        f"{ORIGINS}. A layer that is read at a sequence's end takes its energy once a sequence. "
        f"Arrays have {_waiting(costs)}.",
        text=2,
    )


def _waiting(costs: Sequence[Cost]) -> str:
    """What columns do that wait for their conversion; the paper's tier has all at ground."""
    unselected = costs[-1].unselected
    apart = unselected != "grounded" and costs[0].tier == "paper"
    return WAITING[unselected] + ", in the paper's tier at ground" * apart


def _details(cost: Cost) -> Table:
    rows = []
    for row in (*cost.rows, *cost.programming):
        for what, unit in (("energy", "pJ"), ("area", "um2")):
            figure: Figure = getattr(row, what)
            if figure.value or (figure.formula and figure.origin == "measured"):
                name = f"{row.component}, {unit}"
                origin = f"{figure.origin}: {figure.source}"
                rows.append((_name(cost.design, row.layer), name, spread(figure), figure.formula, origin, row.note))
    return Table(
        f"Energy of a time step and area, {cost.tier}",
        ("layer", "component", "value", "formula", "origin", "note"),
        tuple(rows),
        "Programming is the energy of a load; it is in no sum. docs/cost.md has the sources.",
        text=6,
    )


def _totals(costs: Sequence[Cost], steps: int) -> Table:
    def row(name: str, show) -> tuple[str, ...]:
        return (name, *(show(cost) for cost in costs))

    rows = (
        row("clock, MHz", lambda c: "-" if c.times.clock_mhz is None else short(c.times.clock_mhz)),
        row("time step, cycles", lambda c: "-" if c.times.cycles is None else str(c.times.cycles)),
        row("time step, ns", lambda c: short(c.times.step)),
        row("arrays busy", lambda c: ", ".join(f"{c.times.busy(i):.1%}" for i in range(len(c.times.layers)))),
        row("time steps a second", lambda c: short(1e9 / c.times.step)),
        row("energy of a time step, nJ", lambda c: spread(c.step_energy.times(1e-3))),
        row(f"sequence of {steps} time steps, us", lambda c: short(c.times.sequence(steps) / 1000)),
        row(f"energy of {steps} time steps, nJ", lambda c: spread(c.sequence_energy(steps).times(1e-3))),
        row("power, W", lambda c: spread(c.watts)),
        row("area, mm2", lambda c: spread(c.area.times(1e-6))),
        row("throughput, GOP/s", lambda c: short(c.gops)),
        row("the same, two operations a MAC", lambda c: short(2 * c.gops)),
        row("GOP/s/W", lambda c: "-" if c.gops_per_watt is None else short(c.gops_per_watt)),
        row("GOP/s/mm2", lambda c: short(c.gops_per_mm2)),
        row(
            "programming, uJ a load",
            lambda c: spread(total(r.energy for r in c.programming).times(1e-6)) if c.programming else "-",
        ),
    )
    return Table("The whole design", ("", *(cost.tier for cost in costs)), rows)


def _programming(cost: Cost) -> str:
    return spread(total(row.energy for row in cost.programming).times(1e-6)) if cost.programming else "-"


def _platforms(costs: Sequence[Cost]) -> Table:
    def printed(platform: Platform) -> tuple[str, ...]:
        areal = "-" if platform.areal is None else short_or_four(platform.areal)
        return (
            "this paper" if platform.name == "paper" else platform.name,
            platform.technology,
            platform.precision,
            short_or_four(platform.gops),
            f"{platform.watts:g}",
            "N/A" if platform.mm2 is None else f"{platform.mm2:g}",
            short_or_four(platform.computing),
            platform.printed_computing,
            areal,
            platform.printed_area,
        )

    def ours(cost: Cost) -> tuple[str, ...]:
        bits = "/".join(str(b) for b in sorted({layer.adc_bits for layer in cost.design.layers}))
        watts, mm2 = short(cost.watts.value), short(cost.area.value / 1e6)
        efficiency = "-" if cost.gops_per_watt is None else short(cost.gops_per_watt)
        return (
            OURS[cost.tier],
            "NVM",
            bits,
            short(cost.gops),
            watts,
            mm2,
            efficiency,
            "",
            short(cost.gops_per_mm2),
            "",
        )

    return Table(
        "Tables II and III of the paper, with this design beside",
        ("", "technology", "bits", "GOP/s", "W", "mm2", "GOP/s/W", "printed", "GOP/s/mm2", "printed"),
        (*map(printed, PLATFORMS), *map(ours, costs)),
        "Efficiencies follow from their row; beside them stands what the paper prints. Ours are of all layers.",
        text=3,
    )


def short_or_four(value: float) -> str:
    """Four digits, as the paper's tables have."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def write_report(path: Path, costs: Sequence[Cost], steps: int) -> None:
    """Write the page; it opens without a network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = {
            "shares": save(plots.shares(costs), folder / "shares.svg"),
            "platforms": save(plots.platforms(costs), folder / "platforms.svg"),
        }
        page = render("cost", pictures, design=costs[0].design, tables=tables(costs, steps), costs=costs, steps=steps)
    write_text(path, page)

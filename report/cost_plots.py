"""Figures of what a design costs: shares of its components, and the paper's Figure 9 with the design beside."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..cost.estimate import Cost
from ..cost.figures import total
from ..cost.published import PLATFORMS
from .style import ABOVE, BLUE, GREEN, GREY, ORANGE, RED

COMPONENTS = {
    "array": BLUE,
    "ADC": ORANGE,
    "DAC": GREEN,
    "multiplexer": "#8a6fb0",
    "sample and hold": "#b0a04f",
    "digital": RED,
    "all else": GREY,
}  #: and their colours
MARKERS = {"paper": "o", "literature": "s", "measured": "D"}


def shares(costs: Sequence[Cost]) -> Figure:
    """Bars of energy (a time step, or a sequence where a layer is read at its end) and area by component."""
    figure = Figure(figsize=(9.2, 0.6 * len(costs) + 1.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, what, unit in zip(axes, ("energy", "area"), ("energy, %", "area, %")):
        for place, cost in enumerate(costs):
            whole, left = total(getattr(row, what) for row in cost.rows).value, 0.0
            for component, colour in COMPONENTS.items():
                own = total(getattr(row, what) for row in cost.rows if row.component == component).value
                axis.barh(place, 100 * own / whole, left=left, color=colour, label=component)
                left += 100 * own / whole
        axis.set_xlabel(unit)
        axis.set_xlim(0, 100)
    axes[0].set_yticks(range(len(costs)), [cost.tier for cost in costs])
    axes[0].invert_yaxis()
    handles, names = axes[0].get_legend_handles_labels()
    once = dict(zip(names, handles))
    figure.legend(once.values(), once.keys(), loc="outside upper center", ncols=7, fontsize="small")
    return figure


def platforms(costs: Sequence[Cost]) -> Figure:
    """Computing efficiency over area efficiency (Figure 9), the design's tiers as large marks."""
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.subplots()
    for platform in PLATFORMS:
        if platform.areal is not None:
            name = "this paper" if platform.name == "paper" else platform.name
            axes.plot(platform.areal, platform.computing, "o", color=GREY)
            axes.annotate(name, (platform.areal, platform.computing), xytext=(6, 4), textcoords="offset points")
    for cost in costs:
        if cost.gops_per_watt is not None:
            axes.plot(
                cost.gops_per_mm2,
                cost.gops_per_watt,
                MARKERS[cost.tier],
                color=BLUE,
                markersize=9,
                label=f"{cost.design.name}, {cost.tier}",
            )
    none = next(platform for platform in PLATFORMS if platform.areal is None)
    axes.axhline(none.computing, color=GREY, linestyle=":", linewidth=1)
    axes.annotate(f"{none.name}, no area", (1, none.computing), xytext=(0, 4), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlim=(0.2, 1e5), xlabel="GOP/s/mm2", ylabel="GOP/s/W")
    axes.grid(alpha=0.3)
    axes.legend(**ABOVE)
    return figure

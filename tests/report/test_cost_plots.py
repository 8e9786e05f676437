"""Figures of costs show the numbers."""

import pytest

from ohmgate.cost.estimate import estimate
from ohmgate.cost.figures import Span
from ohmgate.model.design import Design
from ohmgate.report.cost import short, spread
from ohmgate.report.cost_plots import platforms, shares

DESIGN = Design.load("names")
COSTS = [estimate(DESIGN, tier, [6, 2]) for tier in ("paper", "literature")]


def test_shares_add_up_to_the_whole():
    energy, area = shares(COSTS).axes
    for axes, what in ((energy, "energy"), (area, "area")):
        for place, cost in enumerate(COSTS):
            bars = [bar for bar in axes.patches if bar.get_y() + bar.get_height() / 2 == pytest.approx(place)]
            assert sum(bar.get_width() for bar in bars) == pytest.approx(100)
            array = sum(getattr(row, what).value for row in cost.rows if row.component == "array")
            whole = sum(getattr(row, what).value for row in cost.rows)
            assert bars[0].get_width() == pytest.approx(100 * array / whole)
    assert [label.get_text() for label in energy.get_yticklabels()] == ["paper", "literature"]


def test_figure_9_has_every_platform_and_the_design():
    [axes] = platforms(COSTS).axes
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
    assert (pytest.approx(10_447.76), pytest.approx(14_000)) in points
    assert (COSTS[1].gops_per_mm2, COSTS[1].gops_per_watt) in points
    names = {text.get_text() for text in axes.texts}
    assert names == {"Nvidia Jetson", "Tianjic", "IBM's RPU", "RRAM PIM", "this paper", "ESE, no area"}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["names, paper", "names, literature"]


@pytest.mark.parametrize(
    "value, text",
    [(38641.7, "38,600"), (99.96, "100"), (2.5, "2.5"), (0.0391, "0.0391"), (0, "0"), (1e9, "1,000,000,000")],
)
def test_three_digits(value, text):
    assert short(value) == text


def test_a_range_is_shown_where_there_is_one():
    assert spread(Span(805.2, 805.2, 1024)) == "805 (805 to 1,020)"
    assert spread(Span(5, 5, 5)) == "5"

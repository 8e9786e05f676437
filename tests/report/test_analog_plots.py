"""Plots of the array's studies: the same bytes for the same data."""

import math

import numpy as np
import pytest

from ohmgate.analog.config import preset
from ohmgate.analog.studies.budget import noise_budget
from ohmgate.analog.studies.effects import Effect, SourceEffect
from ohmgate.model.layers import DenseLayer
from ohmgate.report import analog_plots
from ohmgate.report.style import save


def test_the_same_budget_gives_the_same_bytes(tmp_path):
    layer = DenseLayer(inputs=8, outputs=4, adcs=4)
    for name in ("one.png", "two.png"):
        save(analog_plots.noise_budget(noise_budget(layer, preset("mram"), (16, 8))), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_a_tornado_has_the_worst_source_on_top_and_an_error_bar_on_every_bar():
    effects = [
        SourceEffect("small", Effect(-0.01, -0.015, -0.005), Effect(0.002, -0.001, 0.005)),
        SourceEffect("large", Effect(-0.2, -0.25, -0.15), Effect(0.1, 0.08, 0.12)),
        SourceEffect("one chip", Effect(-0.05, -math.inf, math.inf), Effect(0.01, -math.inf, math.inf)),
    ]
    axes = analog_plots.tornado(effects, 0.95, 0.7).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["large", "one chip", "small"]
    assert axes.yaxis_inverted()
    alone, without = (bars for bars in axes.containers if hasattr(bars, "errorbar"))
    assert [bar.get_x() for bar in alone] == pytest.approx([95.0] * 3)
    assert [bar.get_width() for bar in alone] == pytest.approx([-20, -5, -1])
    assert [bar.get_width() for bar in without] == pytest.approx([10, 1, 0.2])
    for bars, ends in ((alone, [70, 80, 93.5, 94.5]), (without, [78, 82, 69.9, 70.5])):
        segments = [segment for segment in bars.errorbar.lines[2][0].get_segments() if segment.size]
        assert np.concatenate(segments)[:, 0] == pytest.approx(ends), "one chip has no error bar"


def test_no_legend_lies_on_what_it_explains():
    layer = DenseLayer(inputs=8, outputs=4, adcs=4)
    figures = [
        analog_plots.noise_budget(noise_budget(layer, preset("mram"), (16, 8))),
        analog_plots.score_histogram(np.linspace(0.8, 0.9, 40), (0.84, 0.86), 0.95),
        analog_plots.tornado([SourceEffect("a", Effect(0.1, 0, 0.2), Effect(0.1, 0, 0.2))], 0.9, 0.8),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        axes = figure.axes[0]
        legend = axes.get_legend() or figure.legends[0]
        assert not legend.get_window_extent().overlaps(axes.get_window_extent())
        assert figure.bbox.containsx(legend.get_window_extent().x1)

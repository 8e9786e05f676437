"""Plots of the array's studies: the same bytes for the same data."""

from ohmgate.analog.config import preset
from ohmgate.analog.studies.budget import noise_budget
from ohmgate.model.layers import DenseLayer
from ohmgate.report import analog_plots
from ohmgate.report.style import save


def test_the_same_budget_gives_the_same_bytes(tmp_path):
    layer = DenseLayer(inputs=8, outputs=4, adcs=4)
    for name in ("one.png", "two.png"):
        save(analog_plots.noise_budget(noise_budget(layer, preset("mram"), (16, 8))), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "two.png"]

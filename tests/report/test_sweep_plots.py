"""The plots of sweeps show the trials' numbers, and what is missing as missing."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from ohmgate.report.sweep_plots import learning_curves, plots
from ohmgate.train.experiments.paper import EXPERIMENTS


def result(value: float, metric: str = "perplexity") -> dict:
    epochs = [{"valid_perplexity": value + k, "train_perplexity": value / 2 + k, "train_loss": k} for k in (2, 1, 0)]
    return {"epochs": epochs, "final": {metric: value, "accuracy": value / 1000}}


def results(name: str, missing=()) -> dict:
    """Two seeds of every trial, trial number k with 100 + 10 k and 2 more; ``missing`` numbers have none."""
    return {
        trial: [] if number in missing else [result(100.0 + 10 * number), result(102.0 + 10 * number)]
        for number, trial in enumerate(EXPERIMENTS[name])
    }


def lines(axes) -> dict[str, np.ndarray]:
    """(2, n) of each line that has a label; those with error bars, too."""
    found = {line.get_label(): line.get_xydata().T for line in axes.lines if not line.get_label().startswith("_")}
    return found | {bars.get_label(): bars.lines[0].get_xydata().T for bars in axes.containers if len(bars) == 3}


def test_learning_curves_have_a_panel_for_each_width_of_the_weights():
    trials = EXPERIMENTS["fig6"]
    figure = plots("fig6", results("fig6", missing=[3]))["fig6_curves"]
    assert len(figure.axes) == 4
    first = lines(figure.axes[0])
    assert [*first] == [
        "32-bit floating point", "1-bit weight, 1-bit ADC/DAC", "1-bit weight, 2-bit ADC/DAC",
        "1-bit weight, 3-bit ADC/DAC: missing", "1-bit weight, 4-bit ADC/DAC",
    ]  # fmt: skip
    assert first[trials[0].label].tolist() == [[1, 2, 3], [103, 102, 101]]  # means of two seeds
    assert first[trials[2].label].tolist() == [[1, 2, 3], [123, 122, 121]]
    assert first[trials[3].label + ": missing"].size == 0
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((101 - 2**0.5, 103 + 2**0.5))
    assert figure.axes[0].get_ylabel() == "validation perplexity per word"


@pytest.mark.parametrize("name, metric", [("fig4", "training loss"), ("table1", "training perplexity per character")])
def test_learning_curves_of_few_trials_share_a_panel(name, metric):
    figure = plots(name, results(name))[f"{name}_curves"]
    assert len(figure.axes) == 1
    shown = [trial for trial in EXPERIMENTS[name] if not trial.post_training]
    assert set(lines(figure.axes[0])) == {trial.label for trial in shown}
    assert figure.axes[0].get_ylabel() == metric
    assert [*plots("fig5", results("fig5"))] == ["fig5"]


def test_learning_curves_name_the_noise():
    found = lines(learning_curves(results("fig8")).axes[0])
    assert "2-bit weight, 4-bit ADC/DAC, weights 15 %" in found


def test_the_grid_as_bars_and_as_a_heat_map():
    axes = plots("fig6", results("fig6", missing=[3, 16]))["fig6"].axes
    bars, heat = axes[:2]
    values = heat.images[0].get_array()
    assert values[0, 0] == 111
    assert values[1, 0] == 151  # trial 5: 2-bit weights, 1-bit converters
    assert values.mask.nonzero()[0].tolist() == [0, 3]
    assert values.mask.nonzero()[1].tolist() == [2, 3]
    texts = [text.get_text() for text in heat.texts]
    assert texts[0] == f"111\n{111 / 101:.2f} x"
    assert [k for k, text in enumerate(texts) if text == "missing"] == [2, 15]
    assert len(heat.collections) == 2  # hatched
    assert sorted(bar.get_height() for bar in bars.patches)[2:] == sorted(
        101.0 + 10 * k for k in range(1, 16) if k != 3
    )
    assert [text.get_text() for text in bars.texts] == ["missing"] * 2
    assert lines(bars)["float"][1].tolist() == [101, 101]


def test_lines_mark_what_is_missing():
    trials = EXPERIMENTS["fig7"]
    given = results("fig7", missing=[1])
    (axes,) = plots("fig7", given)["fig7"].axes
    found = lines(axes)
    assert found["4-bit weight"].tolist() == [[1, 2, 3, 4], [141, 151, 161, 171]]
    assert found["2-bit weight, ADC noise"].tolist() == [[1, 2, 3, 4], [181, 191, 201, 211]]
    assert found["2-bit weight: missing"].tolist() == [[2], [0]]
    assert np.isnan(found["2-bit weight"][1][1])
    noisy = next(bars for bars in axes.containers if bars.get_label() == "4-bit weight, ADC noise")
    assert noisy.lines[0].get_linestyle() == "--"
    assert to_hex(noisy.lines[0].get_color()) == "#2f6db0"
    segment = noisy.lines[2][0].get_segments()[0]
    assert segment[:, 1].tolist() == pytest.approx([221 - 2**0.5, 221 + 2**0.5])  # a deviation of two seeds
    assert trials[12].weight_bits == 4


def test_weight_noise_over_beta():
    (axes,) = plots("fig8", results("fig8"))["fig8"].axes
    assert lines(axes)["2-bit weight"].tolist() == [[0, 0.05, 0.1, 0.15, 0.2], [101, 121, 141, 161, 181]]


def test_har_has_both_lines_and_the_float_one():
    given = {trial: [result(900.0 + k)] for k, trial in enumerate(EXPERIMENTS["fig4"])}
    given[EXPERIMENTS["fig4"][0]] = []
    (axes,) = plots("fig4", given)["fig4"].axes
    found = lines(axes)
    assert found["quantisation-aware"][0].tolist() == [1, 2, 3, 4, 6, 8, 16]
    assert found["quantised after training"][1].tolist() == pytest.approx([90.8, 90.9, 91.0, 91.1, 91.2, 91.3, 91.4])
    assert found["float: missing"].size == 0


def test_bars_of_table1_with_a_trial_missing():
    given = results("table1", missing=[2])
    accuracy, perplexity = plots("table1", given)["table1"].axes
    here = [bar.get_height() for bar in perplexity.containers[1].patches]
    assert here == [101, 111, 0, 131]
    assert [text.get_text() for text in accuracy.texts + perplexity.texts] == ["missing"] * 2
    assert perplexity.texts[0].get_position()[0] == pytest.approx(1.8)

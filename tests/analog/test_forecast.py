"""Chips that forecast: codes of the head, the score of a study, its file and its report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog import inference
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.fast_network import FastNetwork, why_not_network
from ohmgate.analog.studies import montecarlo, summaries
from ohmgate.analog.studies.effects import Effect, SourceEffect, source_effects, verdict
from ohmgate.analog.studies.montecarlo import Draw, Sensitivity, Study
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.metrics import RMSE
from ohmgate.report import analog_plots as plots
from ohmgate.report import montecarlo as report
from tests.designs import random_inputs, random_network

NOISY = ArrayConfig(weight_noise=0.05, adc_noise="paper")


def network(emit="end", **head):
    layers = (
        LstmLayer(inputs=4, hidden=8, adcs=8),
        DenseLayer(**{"inputs": 8, "outputs": 2, "adcs": 2, "adc_bits": 8, "output": "codes", "emit": emit} | head),
    )
    return random_network(Design("small", layers), np.random.default_rng(2))


def study(emit="end", config=NOISY, **changes) -> Study:
    made = network(emit).in_units(output_scale=[2.0, 500.0], output_offset=[0.0, 1000.0])
    codes, lengths = random_inputs(made.design, np.random.default_rng(3), 40, 6)
    right = made.decode(reference.run(made, codes, lengths).out) + 3.0
    return Study(**{"network": made, "codes": codes, "lengths": lengths, "labels": right, "config": config} | changes)


@pytest.mark.parametrize("emit", ["end", "step"])
def test_noiseless_chips_give_the_references_codes_by_either_way_of_reading(emit):
    made = study(emit)
    arrays = inference.build_arrays(made.network)
    assert not why_not_network(made.network, arrays)
    expected = reference.run(made.network, made.codes, made.lengths).out
    assert np.array_equal(inference.forecast(made.network, made.codes, made.lengths, arrays), expected)
    assert np.array_equal(FastNetwork(made.network, arrays).forecast(made.codes, made.lengths), expected)


@pytest.mark.parametrize("emit", ["end", "step"])
def test_the_score_is_the_error_in_units_of_the_values(emit):
    made = study(emit)
    assert montecarlo.ideal_score(made) == pytest.approx(3.0, rel=1e-9)
    draws = montecarlo.run(made, 3)
    for draw in draws:
        arrays = inference.build_arrays(made.network, NOISY, montecarlo.chip_seed(made, draw.number))
        reads = FastNetwork(made.network, arrays, seed=montecarlo.child(0, draw.number, 1 << 20))
        values = made.network.decode(reads.forecast(made.codes, made.lengths))
        errors = [
            values[place] - made.labels[place]
            for place in np.ndindex(values.shape)
            if emit == "end" or place[1] < made.lengths[place[0]]
        ]
        assert draw.score == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-9)
        assert draw.score > 20


def test_draws_of_slow_noise_are_scored_alike():
    made = study("step", replace(NOISY, redraw="per_sequence"))
    assert why_not_network(made.network, inference.build_arrays(made.network, made.config))
    assert 20 < montecarlo.run(made, 1)[0].score < 5000


def test_a_file_of_errors_goes_on_and_belongs_to_values_and_units(tmp_path):
    made, file = study(), tmp_path / "draws"
    draws = montecarlo.run(made, 2, file)
    header, first, _ = file.read_text().splitlines()
    assert json.loads(first) == {"draw": 0, "rmse": draws[0].score, "code_errors": list(draws[0].code_errors)}
    assert json.loads(first)["rmse"] > 1
    assert montecarlo.run(made, 3, file)[:2] == draws
    prints = {
        made.fingerprint(),
        replace(made, labels=made.labels + 1).fingerprint(),
        replace(made, network=made.network.in_units(output_scale=3.0)).fingerprint(),
        replace(made, network=made.network.in_units(output_offset=3.0)).fingerprint(),
    }
    assert len(prints) == 4
    for damaged in ("-1.0", "Infinity", "NaN", "1"):
        file.write_text(header + "\n" + first.replace(repr(draws[0].score), damaged) + "\n")
        assert montecarlo.run(made, 1, file) == draws[:1]


def test_a_summary_of_errors_has_the_largest_as_the_worst():
    found = summaries.summary([Draw(i, float(i), (0.1,)) for i in range(101)])
    low, high = found.interval
    assert found.text(RMSE) == (
        f"RMSE 50 (95 % interval {low:.4g} to {high:.4g}, standard deviation 29.3) over 101 chips; worst 100, 95 % "
        "quantile 95, median 50, best 0; codes that differ, by layer: 10.00%"
    )


def test_a_source_is_worth_improving_where_the_error_falls_without_it():
    def effect(mean):
        return Effect(mean, mean - 0.5, mean + 0.5)

    sources = [SourceEffect("wires", effect(0.1), effect(-2.0)), SourceEffect("1/f", effect(3.0), effect(4.0))]
    assert verdict(sources, RMSE) == "Worth improving, by what taking it out brings: wires, -2 (-2.5 to -1.5)."
    assert verdict(sources[1:], RMSE) == (
        "No source alone is worth improving. Each of these costs something, but the others hide it: 1/f, +3 (+2.5 to "
        "+3.5)."
    )
    same = summaries.summary([Draw(i, 7.5, (0.1,)) for i in range(3)])
    (found,) = source_effects([Sensitivity("a", same, same)], same, 5.0, 40, RMSE)
    assert (found.alone, found.without) == (Effect(2.5, 2.5, 2.5), Effect(0.0, 0.0, 0.0)), (
        "no whole number of sequences"
    )
    axes = plots.tornado(sources, 5.0, 10.0, RMSE).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1/f", "wires"], "the worst on top"
    assert [bar.get_x() for bar in axes.patches[:2]] == [5.0, 5.0]
    assert axes.get_xlabel() == "RMSE, in units of the values"


def test_a_report_speaks_of_errors(tmp_path):
    made = study(config=preset("paper_adc"))
    draws, sensitivity = montecarlo.run(made, 3), montecarlo.sensitivity(made, 2)
    page = report.write_report(tmp_path, made, draws, sensitivity, "paper_adc").read_text(encoding="utf-8")
    assert "accuracy" not in page
    assert "mean RMSE, in units of the values" in page
    assert "chip forecasts the same 40 sequences." in " ".join(page.split())
    assert f"<b>{max(draw.score for draw in draws):.4g}</b>worst chip" in page
    data = json.loads((tmp_path / "montecarlo.json").read_text())
    assert (data["metric"], data["ideal"]) == ("rmse", pytest.approx(3.0))
    assert data["units"]["mean"] == "root of the mean squared error of the values, in their own units"
    assert (tmp_path / "rmse.png").exists()


def test_what_a_network_cannot_forecast_is_refused():
    made = study()
    with pytest.raises(DesignError) as raised:
        replace(made, labels=made.labels[:, :1])
    assert str(raised.value) == "values to forecast must have shape (40, 2), not (40, 1)"
    with pytest.raises(DesignError) as raised:
        study("step", labels=np.zeros((40, 2)))
    assert str(raised.value) == "values to forecast must have shape (40, 6, 2), not (40, 2)"
    with pytest.raises(DesignError, match="^values to forecast must be finite numbers, but some are not$"):
        replace(made, labels=np.full((40, 2), np.nan))
    with pytest.raises(DesignError, match="^values need a dense head whose output is codes$"):
        study(network=network(output="argmax"))

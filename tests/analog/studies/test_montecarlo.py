"""Monte Carlo: the same file by any way of making it, intervals, sensitivity, plots."""

import json
import multiprocessing
import os
import resource
import threading
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy import stats

from ohmgate.analog import inference
from ohmgate.analog.array import Array
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.studies import montecarlo, summaries
from ohmgate.analog.studies.effects import Effect, SourceEffect, source_effects, verdict
from ohmgate.analog.studies.montecarlo import Draw, Study
from ohmgate.analog.studies.sources import present
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError, signed_range
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import row_drive
from ohmgate.model.locks import sole_use
from ohmgate.report import analog_plots as plots
from ohmgate.report import montecarlo as report
from ohmgate.report.style import save
from tests.designs import random_inputs, random_network


def study(config=None, seed=7):
    layers = (
        LstmLayer(inputs=4, hidden=8, adcs=8),
        DenseLayer(inputs=8, outputs=3, adcs=3, output="argmax", emit="end"),
    )
    network = random_network(Design("small", layers), np.random.default_rng(2))
    codes, lengths = random_inputs(network.design, np.random.default_rng(3), 80, 6)
    labels = inference.classify(network, codes, lengths, inference.build_arrays(network))
    return Study(network, codes, lengths, labels, config or ArrayConfig(weight_noise=0.05, adc_noise="paper"), seed)


def test_column_tiles_are_another_study_where_there_are_wires():
    """They cut the wires; without any they change nothing, and a study goes on."""
    cells = preset("paper_cells").cells
    wired = ArrayConfig(cells=replace(cells, wires=WireConfig(row_segment=1.0)))
    for config, alike in ((wired, False), (ArrayConfig(cells=cells), True)):
        made = study(config)
        first, head = made.network.design.layers
        design = replace(made.network.design, layers=(replace(first, tile_columns=16), head))
        cut = replace(made, network=replace(made.network, design=design))
        assert (cut.fingerprint() == made.fingerprint()) == alike


def test_a_file_is_the_same_in_one_go_interrupted_and_cut_in_the_middle_of_a_line(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    draws = montecarlo.run(study(), 8, whole)
    montecarlo.run(study(), 3, parts)
    text = parts.read_bytes()
    parts.write_bytes(text[:-10])
    assert montecarlo.run(study(), 8, parts) == draws
    assert parts.read_bytes() == whole.read_bytes()
    assert montecarlo.run(study(), 5, whole) == draws[:5]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts", "whole"]


@pytest.mark.parametrize(
    "line",
    [
        '{"draw": 1, "accuracy": "x", "code_errors": [0.5, 0.5]}',
        '{"draw": 1, "accuracy": null, "code_errors": [0.5, 0.5]}',
        '{"draw": 1, "accuracy": NaN, "code_errors": [0.5, 0.5]}',
        '{"draw": 1, "accuracy": 1.5, "code_errors": [0.5, 0.5]}',
        '{"draw": 1, "accuracy": 0.5, "code_errors": [0.5]}',
        '{"draw": 1, "accuracy": 0.5, "code_errors": [0.5, "x"]}',
        '{"draw": 1, "accuracy": 0.5, "code_errors": "ab"}',
        '{"draw": true, "accuracy": 0.5, "code_errors": [0.5, 0.5]}',
        '{"draw": 2, "accuracy": 0.5, "code_errors": [0.5, 0.5]}',
        '{"draw": 1, "accuracy": 0.5}',
        "[1, 0.5, [0.5, 0.5]]",
        "5",
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda line: line[:50].encode(errors="replace").decode(),
)
def test_a_damaged_line_and_those_behind_it_are_drawn_again(tmp_path, line):
    file = tmp_path / "draws"
    draws = montecarlo.run(study(), 3, file)
    whole = file.read_bytes()
    lines = whole.splitlines()
    file.write_bytes(b"\n".join([*lines[:2], line.encode(errors="surrogateescape"), *lines[3:], b""]))
    assert montecarlo.run(study(), 3, file) == draws
    assert file.read_bytes() == whole


def test_workers_do_not_change_a_byte(tmp_path):
    montecarlo.run(study(), 5, tmp_path / "one", workers=1)
    montecarlo.run(study(), 5, tmp_path / "two", workers=2)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_interrupt_ends_the_workers_and_keeps_the_draws(tmp_path):
    def stop(done, draws):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupt:
        montecarlo.run(study(), 5, tmp_path / "cut", workers=2, progress=stop)
    assert multiprocessing.active_children() == []
    assert interrupt.value.__traceback__ is not None  # it holds the frames, which hold the generator of draws
    assert len((tmp_path / "cut").read_text().splitlines()) == 2


def test_draws_are_chips_of_their_own():
    draws = montecarlo.run(study(), 6)
    assert len({draw.score for draw in draws}) > 2
    assert len({draw.code_errors for draw in draws}) == 6
    assert montecarlo.run(study(seed=8), 6) != draws
    assert all(len(draw.code_errors) == 2 and 0.1 < draw.code_errors[0] < 0.9 for draw in draws)


@pytest.mark.parametrize("name", ["ideal", "paper_adc", "pcm", "reram", "paper"])
def test_fast_and_full_models_serve_every_preset(name):
    draw = montecarlo.run(study(preset(name)), 1)[0]
    if name == "ideal":
        assert draw == Draw(0, 1.0, (0.0, 0.0))
    else:
        assert draw.score < 1
        assert all(share > 0 for share in draw.code_errors)


def test_a_summary_has_the_moments_and_quantiles_of_its_draws():
    accuracy = np.random.default_rng(0).normal(0.9, 0.02, 400)
    found = summaries.summary([Draw(i, a, (0.1, 0.3)) for i, a in enumerate(accuracy)])
    assert found.draws == 400
    assert found.mean == pytest.approx(accuracy.mean())
    assert found.deviation == pytest.approx(accuracy.std(ddof=1), rel=1e-9)
    assert found.code_errors == pytest.approx((0.1, 0.3))
    ascending = np.sort(accuracy)
    median = (ascending[199] + ascending[200]) / 2
    ends = [
        ascending[19] + 0.95 * (ascending[20] - ascending[19]),
        ascending[379] + 0.05 * (ascending[380] - ascending[379]),
    ]
    assert found.quantiles == pytest.approx((ascending[0], ends[0], median, ends[1], ascending[-1]), rel=1e-12)
    low, high = found.interval
    assert found.text() == (
        f"accuracy {accuracy.mean():.2%} (95 % interval {low:.2%} to {high:.2%}, standard deviation "
        f"{accuracy.std(ddof=1):.2%}) over 400 chips; worst {ascending[0]:.2%}, 5 % quantile {ends[0]:.2%}, median "
        f"{median:.2%}, best {ascending[-1]:.2%}; codes that differ, by layer: 10.00%, 30.00%"
    )
    single = summaries.summary([Draw(0, 0.5, (0.1,))])
    assert (single.interval, single.deviation) == ((0.5, 0.5), 0.0)


@pytest.mark.parametrize("right", [200, 360])
def test_the_interval_holds_95_percent_of_the_means_of_redrawn_chips(right):
    """Of 400 chips, ``right`` are at 1 and the rest at 0: a redrawn mean is binomial, and so its quantiles are known.

    A bound from 2,000 redraws errs by 1.2 chips here (two standard errors); an interval of 90 or 98 % is 2 to 4 off.
    """
    found = summaries.summary([Draw(i, float(i < right), (0.0,)) for i in range(400)])
    bounds = stats.binom(400, right / 400).ppf([0.025, 0.975])
    assert np.array(found.interval) * 400 == pytest.approx(bounds, abs=1.5)


def test_sensitivity_takes_one_source_at_a_time():
    config = ArrayConfig(weight_noise=0.2, adc_noise="physical", adc_sigma=0.05)
    steps = []
    found = montecarlo.sensitivity(study(config), 6, progress=lambda done, of: steps.append((done, of)))
    assert [entry.source for entry in found] == ["weight noise", "converter noise"]
    weights, converter = found
    assert weights.alone.mean < converter.alone.mean  # 20 % of weight noise is worse than 0.05 LSB
    assert weights.without.mean == converter.alone.mean
    assert steps == [(done, 24) for done in range(1, 25)]


@pytest.mark.parametrize("share, expected", [(1, 64), (63, 64), (80, 80)])
def test_sensitivity_shares_slow_noise_by_64_at_least(monkeypatch, share, expected):
    shares = []
    monkeypatch.setattr(montecarlo, "run", lambda study, *_: shares.append(study.share) or [Draw(0, 0.5, (0.1, 0.1))])
    montecarlo.sensitivity(replace(study(preset("reram")), share=share), 1)
    assert set(shares) == {expected}
    assert len(shares) == 2 * len(present(preset("reram")))


def test_sensitivity_goes_on_where_it_stopped(tmp_path, monkeypatch):
    config = ArrayConfig(weight_noise=0.2, adc_noise="paper")
    whole = montecarlo.sensitivity(study(config), 3, tmp_path / "whole")
    montecarlo.sensitivity(study(config), 2, tmp_path / "parts")
    made = []
    draw = montecarlo.Sampler.draw
    monkeypatch.setattr(
        montecarlo.Sampler, "draw", lambda sampler, number: made.append(number) or draw(sampler, number)
    )
    assert montecarlo.sensitivity(study(config), 3, tmp_path / "parts", workers=1) == whole
    assert made == [2] * 4
    files = {p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()}
    sides = {
        f"{side}-{source}.jsonl" for side in ("alone", "without") for source in ("weight-noise", "converter-noise")
    }
    assert set(files) == sides
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "parts").iterdir()}


def test_readings_on_a_threshold_are_those_that_the_least_noise_flips():
    """Counted by exact integers of the drives; half of them, and no others, change by noise of 1e-7 LSB."""
    made = study()
    shares = montecarlo.on_threshold(made)
    tiny = replace(made, config=ArrayConfig(adc_noise="physical", adc_sigma=1e-7))
    sampler = montecarlo.Sampler(made)
    for index, (layer, data) in enumerate(zip(made.network.design.layers, made.network.layers)):
        rows = sampler.drives[index] * row_drive(layer)
        sums = rows.astype(int) @ data.weights
        mult, shift = (np.repeat(g, layer.columns // layer.gates).astype(int) for g in (data.mult, data.shift))
        exact = (sums * mult) % 2**shift == 0
        code = (sums * mult) >> shift
        low, high = signed_range(layer.adc_bits)
        assert shares[index] == pytest.approx((exact & (code > low) & (code <= high)).mean(), abs=1e-12)
    flipped = montecarlo.Sampler(tiny).draw(0).code_errors
    assert shares[0] > 0.001
    assert flipped == pytest.approx([share / 2 for share in shares], rel=0.4)


def test_sharing_slow_noise_keeps_the_mean_and_is_another_study(tmp_path):
    """Every sequence sees noise of the same law; sequences that share it err together, so a chip's share varies."""
    config = ArrayConfig(weight_noise=0.3, redraw="per_sequence")
    own, shared = (montecarlo.run(replace(study(config), share=share), 60) for share in (1, 80))
    own, shared = (np.array([draw.score for draw in draws]) for draws in (own, shared))
    error = np.sqrt((own.var() + shared.var()) / 60)
    assert own.mean() < 0.9
    assert abs(own.mean() - shared.mean()) < 4 * error
    assert shared.std() > 1.2 * own.std()
    montecarlo.run(study(config), 1, tmp_path / "draws")
    with pytest.raises(DesignError):
        montecarlo.run(replace(study(config), share=16), 1, tmp_path / "draws")


def test_plots_are_the_same_bytes(tmp_path):
    array = Array(LstmLayer(inputs=4, hidden=8, adcs=8), preset("reram"), 1)
    array.program(np.random.default_rng(0).integers(-7, 8, (13, 32)))
    for run in ("one", "two"):
        accuracy = plots.score_histogram(np.linspace(0.8, 0.9, 40), (0.84, 0.86), 0.95)
        save(accuracy, tmp_path / f"accuracy-{run}.png")
        effect = Effect(-0.05, -0.06, -0.04)
        tornado = plots.tornado([SourceEffect("a", effect, effect)], 0.95, 0.75)
        save(tornado, tmp_path / f"tornado-{run}.svg")
        save(plots.conductance_histogram(array), tmp_path / f"cells-{run}.png")
    for name, mark in (("accuracy-{}.png", b"PNG"), ("cells-{}.png", b"PNG"), ("tornado-{}.svg", b"<svg")):
        one, two = ((tmp_path / name.format(run)).read_bytes() for run in ("one", "two"))
        assert one == two
        assert mark in one
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("scaled", [False, True])
def test_a_histogram_shows_every_cell(monkeypatch, scaled):
    shown, hist = [], Axes.hist
    monkeypatch.setattr(
        Axes, "hist", lambda axes, values, **options: shown.append(len(values)) or hist(axes, values, **options)
    )
    config = preset("reram")
    array = Array(
        LstmLayer(inputs=4, hidden=8, adcs=8), replace(config, cells=replace(config.cells, column_scaling=scaled))
    )
    array.program(np.random.default_rng(0).integers(-3, 4, (13, 32)))
    plots.conductance_histogram(array)
    assert sum(shown) == array.conductances.size


@pytest.mark.parametrize("name", ["paper_wires", "paper_adc"])
def test_a_report_is_one_page_with_its_pictures(tmp_path, name):
    made = study(preset(name))
    draws = montecarlo.run(made, 3)
    sensitivity = montecarlo.sensitivity(made, 2) if name == "paper_adc" else []
    pages = [report.write_report(tmp_path / run, made, draws, sensitivity, name) for run in ("one", "two")]
    page = pages[0].read_text(encoding="utf-8")
    assert page == pages[1].read_text(encoding="utf-8")
    assert "small on 3 noisy chips" in page
    assert "http" not in page
    pictures = {"accuracy", "budget-0", "budget-1"}
    if name == "paper_wires":
        pictures |= {f"{kind}-{layer}" for kind in ("conductances", "ir-drop") for layer in (0, 1)}
    else:
        pictures |= {"sensitivity"}
    assert {path.stem for path in (tmp_path / "one").glob("*.png")} == pictures
    assert page.count("data:image/png;base64,") == len(pictures)
    data = json.loads((tmp_path / "one" / "montecarlo.json").read_text(encoding="utf-8"))
    found = source_effects(sensitivity, summaries.summary(draws), 1.0, 80)
    assert (verdict(found) in page) == bool(sensitivity)
    assert [entry["change_alone"] for entry in data["sensitivity"]] == [
        [e.alone.mean, e.alone.low, e.alone.high] for e in found
    ]
    assert [entry["change_without"] for entry in data["sensitivity"]] == [
        [e.without.mean, e.without.low, e.without.high] for e in found
    ]
    assert all(effect.text() in page for e in found for effect in (e.alone, e.without))
    assert data["ideal"] == 1.0
    assert set(data["units"]) == set(data) - {"design", "study", "preset", "draws", "metric", "units"}
    assert data["units"]["mean"] == "share of the sequences that are classified rightly, 0 to 1"
    assert data["units"]["budgets"] == "of each row tile of each layer, from 0; enob: bits; lsb: ADC steps, rms"
    assert data["mean"] == pytest.approx(np.mean([draw.score for draw in draws]))
    assert data["budgets"][0]["lsb"]["converter noise"] == pytest.approx(12**-0.5, rel=0.1)


def test_errors_are_one_clear_sentence(tmp_path):
    with pytest.raises(DesignError) as error:
        montecarlo.run(study(), 0)
    assert str(error.value) == "draws must be an integer from 1 to 1000000, not 0"
    with pytest.raises(DesignError) as error:
        montecarlo.run(study(), 1, workers=0)
    assert str(error.value) == "workers must be an integer from 1 to 1024, not 0"
    with pytest.raises(DesignError) as error:
        replace(study(), labels=np.zeros(3))
    assert str(error.value) == "labels must be one for each of the 80 sequences, not of shape (3,)"
    for value, said in ((-1, "from 0 to 2, but sequence 7 has -1"), (3, "from 0 to 2, but sequence 7 has 3")):
        labels = study().labels.copy()
        labels[7] = value
        with pytest.raises(DesignError, match=f"^labels must be {said}$"):
            replace(study(), labels=labels)
    with pytest.raises(DesignError, match="^labels must be integers, not float64$"):
        replace(study(), labels=study().labels.astype(float))
    with pytest.raises(DesignError) as error:
        study(seed=-1)
    assert str(error.value) == f"seed must be an integer from 0 to {2**63 - 1}, not -1"
    file = tmp_path / "draws"
    montecarlo.run(study(), 1, file)
    with pytest.raises(DesignError) as error:
        montecarlo.run(study(seed=8), 1, file)
    assert str(error.value) == f"{str(file)!r} holds the draws of another study; choose another folder"


def test_a_disk_that_takes_no_more_leaves_whole_lines(tmp_path):
    """A limit on a file's size stands for it: as with a full disk, a write fails half-way."""
    file = tmp_path / "draws"
    draws = montecarlo.run(study(), 2, file)
    whole = file.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            montecarlo.run(study(), 3, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.filename == str(file)
    assert file.read_bytes() == whole
    assert montecarlo.run(study(), 3, file)[:2] == draws


def test_draws_are_not_made_twice_at_a_time(tmp_path):
    sentences = []

    def second():
        with pytest.raises(DesignError) as error:
            montecarlo.run(study(), 2, tmp_path / "draws")
        sentences.append(str(error.value))

    with sole_use(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    start = f"folder {str(tmp_path)!r} is in use by another ohmgate (process {os.getpid()}); "
    assert sentences == [start + "wait for it or choose another --out"]
    assert list(tmp_path.iterdir()) == []

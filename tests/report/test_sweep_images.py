"""The reports of images in noise: every number in its place, and what has not run is said to be missing."""

import pytest

from ohmgate.report.sweep import write_report
from ohmgate.report.sweeps import sweep_of
from ohmgate.train.experiments import results
from ohmgate.train.experiments.cifar import CIFAR
from ohmgate.train.experiments.mnist import MNIST
from ohmgate.train.experiments.trial import Outcome, of_seeds, record


def final(start: float) -> dict[str, float]:
    """Numbers that all differ."""
    who = [("naive", (1, 9)), ("trained", (1, 3, 9, 25, 49))]
    votes = [f"{name}_{how}_{k}" for how in ("majority", "mean") for name, counts in who for k in counts]
    numbers = ["clean", *votes, "trained_clean"]
    found = {name: start + 0.001 * place for place, name in enumerate(numbers)}
    return found | {"snr_least": 1.25, "snr_most": 10.0, "snr_head": 5.0}


def test_every_number_is_in_its_place(tmp_path):
    sweep, trials = sweep_of("mnist-snr"), of_seeds(MNIST, 1)
    minutes = {"minutes": 2.0, "cpu_minutes": 1.5}
    for trial, start in zip(trials[:2], (0.9, 0.5)):
        results.write_result(tmp_path, trial, record(trial, Outcome("5" * 64, [], final(start)), minutes))
    text = write_report(sweep, trials, tmp_path)
    assert (tmp_path / "mnist-snr.md").read_text() == text + "\n"
    assert (tmp_path / "mnist-snr.png").stat().st_size > 10_000
    assert "2 of 6 trials have run" in text
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][3:6] == ["naive, 1 read", "naive, 9 reads", "trained, 1 read"]
    assert rows[2] == ["convolutions", "float", "90.00", "90.80", "90.90", "91.00", "91.10", "91.20", "91.30", "91.40",
                       "91.50", "1.2 to 10.0"]  # fmt: skip
    assert rows[3][:3] == ["convolutions", "4/4/4", "50.00"]
    assert rows[4] == ["dense", "float", *["missing"] * 10]
    assert "The abstract has 21.1 % without and 99.5 % with" in text


def test_a_plot_has_a_line_for_each_network_and_one_for_each_that_is_missing(tmp_path):
    sweep = sweep_of("mnist-snr")
    figure = sweep.plots({MNIST[0]: [{"final": final(0.9)}], MNIST[1]: []})["mnist-snr"]
    wide, near = figure.axes
    for axes in (wide, near):
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert lines["convolutions, float"].get_ydata() == pytest.approx([91.0, 91.1, 91.2, 91.3, 91.4])
        assert list(lines["convolutions, float"].get_xdata()) == [1, 3, 9, 25, 49]
        assert lines["convolutions, float, without noise in training"].get_ydata() == pytest.approx([90.8, 90.9])
        assert list(lines["convolutions, 4/4/4: missing"].get_xdata()) == []
    assert set(wide.get_lines()[-1].get_ydata()) == {21.1}


def test_photographs_have_the_abstracts_other_figures(tmp_path):
    sweep = sweep_of("cifar")
    numbers = final(0.5)
    results.write_result(tmp_path, CIFAR[0], record(CIFAR[0], Outcome("5" * 64, [], numbers), {"cpu_minutes": 1.5}))
    text = write_report(sweep, CIFAR, tmp_path)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][3:8] == [
        "naive, 1 read",
        "naive, 9 reads",
        "trained, 1 read",
        "trained, 3 reads",
        "trained, 9 reads",
    ]
    trained = [f"{100 * numbers[f'trained_mean_{count}']:.2f}" for count in (1, 3, 9)]
    assert rows[2] == ["convolutions", "float", "50.00", "50.80", "50.90", *trained, "51.50", "1.2 to 10.0"]
    assert rows[3] == ["convolutions", "4/4/4", *["missing"] * 8]
    assert "The abstract has 29.9 % without and 89.1 % with" in text
    assert (tmp_path / "cifar.png").stat().st_size > 10_000

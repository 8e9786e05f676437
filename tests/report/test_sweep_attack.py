"""The report of attacks: accuracies and gains in their places, intervals over digits and over seeds, what is missing."""

import numpy as np
import pytest

from ohmgate.report.sweep import write_report
from ohmgate.report.sweep_attack import digits_text, gain_of, state_text
from ohmgate.report.sweeps import sweep_of
from ohmgate.train.experiments import results
from ohmgate.train.experiments.mnist_attack import MNIST_ATTACK, digits_shown, states_of
from ohmgate.train.experiments.trial import Outcome, of_seeds, record

PROTOCOL = MNIST_ATTACK[0].protocol()
SHOWN, STATES = digits_shown(PROTOCOL.attacker), states_of(PROTOCOL)


def final(start: float) -> dict[str, float]:
    """Numbers that all differ: digits by 5 points, states by 0.1."""
    found = {}
    for row, digits in enumerate(SHOWN):
        for column, state in enumerate(STATES):
            found[f"{digits}_{state}"] = start - 0.05 * row + 0.001 * column
            if column:
                found[f"{digits}_{state}_error"] = 0.0005 * (row + 1)
    return found


def test_every_number_is_in_its_place(tmp_path):
    sweep, trials = sweep_of("mnist-attack"), of_seeds(MNIST_ATTACK, 1)
    minutes = {"minutes": 2.0, "cpu_minutes": 1.5}
    for trial, start in zip(trials[:2], (0.9, 0.5)):
        results.write_result(tmp_path, trial, record(trial, Outcome("5" * 64, [], final(start)), minutes))
    text = write_report(sweep, trials, tmp_path)
    assert (tmp_path / "mnist-attack.png").stat().st_size > 10_000
    assert "2 of 4 trials have run" in text
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][3:6] == ["without noise", "read at 20 dB, 1 read", "read at 20 dB, 9 votes"]
    assert rows[0][-3:] == ["trained in noise, read without", "trained in noise, 1 read", "trained in noise, 9 votes"]
    accuracies = [f"{value:.1f}" for value in (85.0, 85.1, 85.2, 85.3, 85.4, 85.5, 85.6, 85.7, 85.8, 85.9)]
    assert rows[3] == ["float", "plain", "FGSM 0.05", *accuracies]
    assert rows[2 + 9 + 8][:4] == ["float", "adversarial", "PGD 0.3", "10.0"]
    assert rows[2 + 18] == ["4/4/4", "plain", "as they are", *["missing"] * 10]
    gains = rows[2 + 36 :]
    assert gains[0][3:] == [state_text(state) for state in STATES if state not in ("quiet", "trained_quiet")]
    assert gains[2][:4] == ["float", "plain", "as they are", "+0.1 (+0.0 to +0.2)"]
    assert gains[2][-1] == "+0.9 (+0.8 to +1.0)"
    verdicts = gains[2 + 36 :]
    assert verdicts[2][:4] == ["float", "plain", "0 less, 0 more, of 8", "1 less, 0 more, of 8"]
    assert verdicts[2][-1] == "8 less, 0 more, of 8"
    assert verdicts[4] == ["4/4/4", "plain", *["missing"] * 8]
    assert "The abstract has 0.5 points" in text


def test_intervals_are_over_digits_with_one_seed_and_over_seeds_with_several():
    """Student's of three gains 1, 2 and 6: mean 3, deviation sqrt(7), 4.303 of their mean's standard errors."""
    made = []
    for seed, gain in enumerate((1, 2, 6)):
        numbers = {"clean_quiet": 0.5, "clean_trained_1": 0.5 + gain / 100, "clean_trained_1_error": 0.002}
        made.append({"final": numbers, "trial": {"seed": seed}})
    assert gain_of(made[:1], "clean", "trained_1") == pytest.approx((1.0, 1 - 0.392, 1 + 0.392))
    half = 4.303 * (7 / 3) ** 0.5
    assert gain_of(made, "clean", "trained_1") == pytest.approx((3.0, 3 - half, 3 + half))


def test_the_plot_has_accuracies_and_bands_of_gains():
    sweep = sweep_of("mnist-attack")
    figure = sweep.plots({MNIST_ATTACK[0]: [{"final": final(0.9)}], MNIST_ATTACK[1]: []})["mnist-attack"]
    panels = figure.axes
    assert len(panels) == 8
    lines = {line.get_label(): line for line in panels[0].get_lines()}
    assert np.asarray(lines["without noise"].get_xdata()).tolist() == [0, 0.05, 0.1, 0.2, 0.3]
    assert lines["without noise"].get_ydata() == pytest.approx([90, 85, 80, 75, 70])
    assert np.asarray(panels[1].get_lines()[0].get_xdata()).tolist() == []
    assert panels[1].get_lines()[0].get_label() == "without noise: missing"
    assert panels[4].get_title() == "PGD: float, plain"
    assert panels[5].get_title() == "PGD: float, adversarial: missing"
    band = np.asarray(panels[6].collections[-1].get_paths()[0].vertices)[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.9 - 0.196 * 4.5, 0.9 + 0.196 * 4.5))
    assert not panels[7].collections


def test_names_in_words():
    assert [digits_text(name) for name in ("clean", "fgsm_0.05")] == ["as they are", "FGSM 0.05"]
    assert state_text("injected0_1") == "read at 0 dB, 1 read"
    assert state_text("trained_quiet") == "trained in noise, read without"

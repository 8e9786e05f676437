"""The report of AN4 by transducers: every number in its place, and what has not run."""

from dataclasses import replace

import pytest

from ohmgate.report.sweep import write_report
from ohmgate.report.sweeps import sweep_of
from ohmgate.train.experiments import results
from ohmgate.train.experiments.asr_rnnt import SEARCHES, SYSTEMS, TRIALS
from ohmgate.train.experiments.trial import Outcome, record


def final(more: int) -> dict[str, float]:
    """Ten speakers of 20 words: by the searches 6, 5, 4, 3, 2 errors each in float, and ``more`` at four bits."""
    found = {}
    for system, extra in zip(SYSTEMS, (0, more)):
        for search, errors in zip(SEARCHES, range(6, 1, -1)):
            name, errors = f"{system}_{search}", errors + extra
            found |= {f"{name}_wer": errors / 20, f"{name}_cer": errors / 50}
            found |= {f"{name}_errors_{k}": float(errors) for k in range(10)}
            found |= {f"{name}_words_{k}": 20.0 for k in range(10)}
    return found


def test_the_report(tmp_path):
    sweep, trials = sweep_of("asr-rnnt"), [replace(TRIALS[0], seed=seed) for seed in (0, 1)]
    for trial in trials:
        outcome, times = Outcome("5" * 64, [], final(trial.seed)), {"minutes": 2.0, "cpu_minutes": 1.5}
        results.write_result(tmp_path, trial, record(trial, outcome, times))
    text = write_report(sweep, trials, tmp_path)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in lines][2:]
    assert len(rows) == 10
    assert rows[0] == ["float", "greedy", "30.00 ± 0.00 (2 seeds)", "12.00 ± 0.00 (2 seeds)", "", ""]
    assert rows[3][1:] == ["beam of 4, language models", "15.00 ± 0.00 (2 seeds)", "6.00 ± 0.00 (2 seeds)", "",
                           "-10.00 (-10.00 to -10.00)"]  # fmt: skip
    assert rows[9] == ["4/4/4", "beam of 16, language models", "12.50 ± 3.54 (2 seeds)", "5.00 ± 1.41 (2 seeds)",
                       "+2.50 (+2.50 to +2.50)", "-10.00 (-10.00 to -10.00)"]  # fmt: skip
    assert rows[5][4:] == ["+2.50 (+2.50 to +2.50)", ""]
    assert "Processor time: 3.0 minutes" in text
    assert (tmp_path / "asr-rnnt.png").stat().st_size > 10_000
    none = write_report(sweep, [TRIALS[0]], tmp_path / "none")
    assert none.count("missing") == 2 * 10 + 5 + 4


def test_the_plot_has_every_seed_and_the_mean():
    (figure,) = sweep_of("asr-rnnt").plots({TRIALS[0]: [{"final": final(0)}, {"final": final(2)}]}).values()
    words, _ = figure.axes
    drawn = [list(line.get_ydata()) for line in words.get_lines()]
    assert drawn[0] == pytest.approx([30, 30])
    assert drawn[-2] == pytest.approx([10, 20])
    assert drawn[-1] == pytest.approx([15])
    assert [text.get_text() for text in words.get_legend().get_texts()] == ["float", "4/4/4"]

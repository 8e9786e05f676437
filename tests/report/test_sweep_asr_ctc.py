"""The report of AN4 by CTC: every number in its place, intervals by speaker, and what has not run."""

from dataclasses import replace

import pytest

from ohmgate.report.sweep import write_report
from ohmgate.report.sweeps import sweep_of
from ohmgate.train.experiments import results
from ohmgate.train.experiments.asr_ctc import TRIALS
from ohmgate.train.experiments.trial import Outcome, record


def final(more: int) -> dict[str, float]:
    """Ten speakers of 20 words. In float each has 2 errors, naively 8, and trained 2 + ``more``."""
    found = {}
    for system, errors in (("float", 2), ("naive", 8), ("trained", 2 + more)):
        found |= {f"{system}_wer": errors / 20, f"{system}_cer": errors / 50}
        found |= {f"{system}_errors_{k}": float(errors) for k in range(10)}
        found |= {f"{system}_words_{k}": 20.0 for k in range(10)}
    return found


def test_the_report(tmp_path):
    sweep, first = sweep_of("asr-ctc"), TRIALS[0]
    trials = [replace(trial, seed=seed) for seed in (0, 1) for trial in TRIALS]
    for seed in (0, 1):
        outcome = Outcome("5" * 64, [], final(seed))
        times = {"minutes": 2.0, "cpu_minutes": 1.5}
        results.write_result(tmp_path, replace(first, seed=seed), record(replace(first, seed=seed), outcome, times))
    text = write_report(sweep, trials, tmp_path)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")][
        2:
    ]
    assert rows[0] == ["2x128", "float", "10.00 ± 0.00 (2 seeds)", "4.00 ± 0.00 (2 seeds)", "", ""]
    assert rows[1][1:3] == ["4/4/4, naively", "40.00 ± 0.00 (2 seeds)"]
    assert rows[1][4:] == ["+30.00", "+30.00 to +30.00"]
    assert rows[2][1:] == ["4/4/4, trained", "12.50 ± 3.54 (2 seeds)", "5.00 ± 1.41 (2 seeds)", "+2.50",
                           "+2.50 to +2.50"]  # fmt: skip
    assert [row[0] for row in rows[3:]] == ["3x256"] * 3 + ["streaming 2x256"] * 3
    assert rows[4][2:5] == ["missing"] * 3
    assert "Processor time: 3.0 minutes" in text
    assert (tmp_path / "asr-ctc.png").stat().st_size > 10_000


def test_the_plot_has_every_seed_and_the_mean():
    (figure,) = (
        sweep_of("asr-ctc").plots({TRIALS[0]: [{"final": final(0)}, {"final": final(1)}], TRIALS[1]: []}).values()
    )
    words, characters = figure.axes
    drawn = [line.get_ydata() for line in words.get_lines()]
    assert drawn[4] == pytest.approx([10, 15])
    assert drawn[5] == pytest.approx([12.5])
    assert [line.get_ydata() for line in characters.get_lines()][2] == pytest.approx([16, 16])
    assert [text.get_text() for text in words.texts] == ["missing"] * 3

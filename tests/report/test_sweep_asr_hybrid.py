"""The report of AN4 by frame targets: its own trials in the table of asr-ctc."""

from dataclasses import replace

from ohmgate.report.sweep import write_report
from ohmgate.report.sweeps import sweep_of
from ohmgate.train.experiments import results
from ohmgate.train.experiments.asr_hybrid import TRIALS
from ohmgate.train.experiments.trial import Outcome, record
from tests.report.test_sweep_asr_ctc import final


def test_the_report(tmp_path):
    sweep, first = sweep_of("asr-hybrid"), TRIALS[0]
    trials = [replace(first, seed=seed) for seed in (0, 1)]
    for trial in trials:
        outcome = Outcome("5" * 64, [], final(trial.seed))
        times = {"minutes": 2.0, "cpu_minutes": 1.5}
        results.write_result(tmp_path, trial, record(trial, outcome, times))
    text = write_report(sweep, trials, tmp_path)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert [row[:3] for row in rows[2:]] == [
        ["2x128", "float", "10.00 ± 0.00 (2 seeds)"],
        ["2x128", "4/4/4, naively", "40.00 ± 0.00 (2 seeds)"],
        ["2x128", "4/4/4, trained", "12.50 ± 3.54 (2 seeds)"],
    ]
    assert rows[4][4:] == ["+2.50", "+2.50 to +2.50"]
    assert "hidden Markov model" in text
    assert (tmp_path / "trials" / "asr_hybrid.jsonl").exists()
    assert (tmp_path / "asr-hybrid.png").stat().st_size > 10_000

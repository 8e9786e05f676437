"""How far running trials are: written now and then, read at any moment, without a trace in the results."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ohmgate.train.experiments import reports
from ohmgate.train.experiments.paper import EXPERIMENTS
from ohmgate.train.experiments.reports import Report, read_report, reporter
from ohmgate.train.experiments.results import results_path
from ohmgate.train.experiments.sweep import run_sweep
from ohmgate.train.experiments.trial import identity, of_seeds, run_trial
from ohmgate.train.language import protocols
from tests.train.language.test_language import write_names

TRIALS = of_seeds(EXPERIMENTS["table1"])


def test_a_report_is_the_last_one_a_second_and_always_the_end(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(reports.time, "monotonic", lambda: clock[0])
    report = reporter(tmp_path, "a")
    assert read_report(tmp_path, "a") is None
    for seconds, done, shown in ((0, 1, 1), (0.5, 2, 1), (0.4, 3, 1), (0.2, 4, 4), (0.1, 5, 4), (0.1, 9, 9)):
        clock[0] += seconds
        report(done, 9, f"step {done}")
        assert read_report(tmp_path, "a") == Report(shown, 9, f"step {shown}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_reports_that_cannot_be_written_or_read_are_left_out(tmp_path):
    reporter(tmp_path / "away", "a")(1, 2, "")
    reporter(None, "a")(1, 2, "")
    assert list(tmp_path.iterdir()) == []
    for content in ("", "{", "[]", '{"done": 1}', '{"done": 1, "total": 2, "note": "", "more": 3}'):
        (tmp_path / "a.json").write_text(content)
        assert read_report(tmp_path, "a") is None


def test_a_trial_tells_epoch_and_perplexity_and_its_record_is_the_same(tmp_path, monkeypatch):
    write_names(tmp_path)
    usual = protocols.language_protocol
    small = {"hidden": 8, "epochs": 2, "epoch_steps": 5}
    monkeypatch.setattr(protocols, "language_protocol", lambda *given: replace(usual(*given), **small))
    monkeypatch.setattr(reports, "SECONDS", 0.0)
    (tmp_path / "reports").mkdir()
    records = [run_trial(TRIALS[1], tmp_path, reports=folder) for folder in (None, tmp_path / "reports")]
    for record in records:
        del record["minutes"], record["cpu_minutes"]
    assert records[0] == records[1]
    perplexity = records[0]["epochs"][1]["train_perplexity"]
    assert read_report(tmp_path / "reports", TRIALS[1].name) == Report(
        10, 10, f"epoch 2 of 2, perplexity {perplexity:.2f}"
    )


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_sweep_looks_at_what_has_not_finished(tmp_path, monkeypatch, interrupted):
    monkeypatch.setattr("ohmgate.train.experiments.sweep.WATCH_SECONDS", 0.01)
    seen = []

    def work(trial, folder):
        time.sleep(0.2)
        return identity(trial)

    def watch(unfinished):
        seen.append(list(unfinished))
        if interrupted:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                run_sweep(TRIALS, tmp_path, pool, watch=watch, work=work)
            assert seen == [TRIALS], "what has not begun is cancelled"
            return
        assert run_sweep(TRIALS, tmp_path, pool, watch=watch, work=work) == 4
    assert seen[0] == TRIALS
    assert seen[-1] == []
    assert [TRIALS[3]] in seen
    lines = results_path(tmp_path, "names").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        json.loads(json.dumps(identity(trial))) for trial in sorted(TRIALS, key=lambda trial: trial.name)
    ]

"""Steps of running trials: bars on a terminal, lines elsewhere."""

import io

from rich.console import Console

from ohmgate.cli import console
from ohmgate.cli.console import Steps
from ohmgate.cli.trials import RunningTrials
from ohmgate.train.experiments.paper import EXPERIMENTS
from ohmgate.train.experiments.reports import reporter
from ohmgate.train.experiments.trial import of_seeds

FIRST, SECOND, *_ = of_seeds(EXPERIMENTS["table1"])


def test_a_trial_has_a_bar_from_its_first_report_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        console, "Console", lambda **options: Console(file=io.StringIO(), force_terminal=True, width=150)
    )
    steps = Steps()
    trials = RunningTrials(steps, tmp_path)
    with steps:
        trials.look([FIRST, SECOND])
        assert steps.bars.tasks == []
        reporter(tmp_path, FIRST.name)(3, 8, "epoch 1 of 2, perplexity 9.00")
        trials.look([FIRST, SECOND])
        reporter(tmp_path, SECOND.name)(8, 8, "epoch 2 of 2, perplexity 5.00")
        reporter(tmp_path, FIRST.name)(5, 8, "epoch 2 of 2, perplexity 7.00")
        trials.look([FIRST, SECOND])
        first, second = steps.bars.tasks
        assert (first.description, first.completed, first.total) == (f"  {FIRST.name}", 5, 8)
        assert first.fields["note"].startswith("epoch 2 of 2, perplexity 7.00")
        assert (second.completed, second.total) == (8, 8)
        trials.look([SECOND])
        assert [task.description for task in steps.bars.tasks] == [f"  {SECOND.name}"]
        trials.look([])
        assert steps.bars.tasks == []


def test_elsewhere_a_trial_has_plain_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(console, "QUIET_SECONDS", 0)
    with Steps() as steps:
        trials = RunningTrials(steps, tmp_path)
        reporter(tmp_path, FIRST.name)(3, 8, "epoch 1 of 2, perplexity 9.00")
        trials.look([FIRST])
        trials.look([])
    began, line = capsys.readouterr().err.splitlines()
    assert began == f"  {FIRST.name} ..."
    assert line.startswith(f"  {FIRST.name}: 3 of 8")
    assert line.endswith(", epoch 1 of 2, perplexity 9.00")

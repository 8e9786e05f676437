"""How far the trials of a sweep or an exploration are, a step for each that is running."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..train.experiments.reports import read_report
from .console import Step, Steps


class Named(Protocol):
    """A trial of any kind."""

    @property
    def name(self) -> str: ...


class RunningTrials:
    """Bars on a terminal, plain lines elsewhere; a trial has one from its first report to its end."""

    def __init__(self, steps: Steps, reports: Path) -> None:
        """``reports`` is the folder of the trials' reports."""
        self.steps, self.reports = steps, reports
        self.shown: dict[Named, Step] = {}

    def look(self, unfinished: Sequence[Named]) -> None:
        """Read all reports, show what is new."""
        for trial in unfinished:
            report = read_report(self.reports, trial.name)
            if report is None:
                continue
            if trial not in self.shown:
                self.shown[trial] = Step(self.steps, f"  {trial.name}", report.total)
            self.shown[trial].update(report.done, report.total, report.note)
        for trial in set(self.shown) - set(unfinished):
            step = self.shown.pop(trial)
            if self.steps.live:
                self.steps.bars.remove_task(step.task)

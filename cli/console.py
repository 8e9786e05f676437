"""What the commands say: results on standard output, progress and errors on standard error."""

import time
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer import echo

QUIET_SECONDS = 10  #: least time between two plain lines of the same step


def say(text: str = "") -> None:
    """A line of the result."""
    echo(text)


class Steps:
    """The steps of a long command: bars on a terminal, plain lines elsewhere."""

    def __init__(self):
        console = Console(stderr=True)
        self.live = console.is_terminal
        columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(bar_width=24))
        self.bars = Progress(*columns, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), console=console)

    def __enter__(self) -> "Steps":
        if self.live:
            self.bars.start()
        return self

    def __exit__(self, *exception) -> None:
        if self.live:
            self.bars.stop()

    @contextmanager
    def step(self, title: str, total: int | None = None):
        """One step; ``total`` is its number of parts. Within it, call the :class:`Step`'s methods."""
        step = Step(self, title, total)
        yield step
        step.finish()


class Step:
    """A step that is under way. Steps may run in several threads."""

    def __init__(self, steps: Steps, title: str, total: int | None):
        self.steps, self.title, self.note = steps, title, ""
        self.began = self.spoken = time.monotonic()
        if steps.live:
            self.task = steps.bars.add_task(title, total=total, note="")
        else:
            echo(f"{title} ...", err=True)

    def update(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` parts are finished; ``note`` says what the last one gave."""
        self.note = note
        if self.steps.live:
            self.steps.bars.update(self.task, completed=done, total=total, note=note)
        elif done < total and time.monotonic() - self.spoken >= QUIET_SECONDS:
            self.spoken = time.monotonic()
            echo(f"{self.title}: {done} of {total}{', ' * bool(note)}{note}", err=True)

    def finish(self) -> None:
        """The step is done; ``note`` says what came of it."""
        note = self.note
        if self.steps.live:
            task = self.steps.bars.tasks[self.task]
            self.steps.bars.update(self.task, total=task.total or 1, completed=task.total or 1, note=note)
        else:
            seconds = time.monotonic() - self.began
            echo(f"{self.title}: done in {seconds:.1f} s{', ' * bool(note)}{note}", err=True)

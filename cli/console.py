"""What the commands say: results on standard output, progress and errors on standard error."""

import time
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from typer import echo

QUIET_SECONDS = 10  #: least time between two plain lines of the same step


def loading(loaded: float) -> str:
    """What a simulation is at, while it loads: ``loaded`` is the share of the image, 0..1."""
    return f"{loaded:.0%} of the image loaded" if loaded < 1 else ""


def say(text: str = "") -> None:
    """A line of the result."""
    echo(text)


def warn(text: str) -> None:
    """A line beside the result, of what may spoil it."""
    echo(f"warning: {text}", err=True)


class Steps:
    """The steps of a long command: bars on a terminal, plain lines elsewhere."""

    def __init__(self):
        console = Console(stderr=True)
        self.live = console.is_terminal
        columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(bar_width=24))
        after = TaskProgressColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn()
        self.bars = Progress(*columns, *after, console=console)

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
        self.first: tuple[float, int] | None = None  #: when the first parts were reported done, and how many
        if steps.live:
            self.task = steps.bars.add_task(title, total=total, note="")
        else:
            echo(f"{title} ...", err=True)

    def update(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` parts are finished; ``note`` says what the last one gave."""
        self.note = note
        said = ", ".join(filter(None, (note, self._pace(done, total))))
        if self.steps.live:
            self.steps.bars.update(self.task, completed=done, total=total, note=said)
        elif done < total and time.monotonic() - self.spoken >= QUIET_SECONDS:
            self.spoken = time.monotonic()
            echo(f"{self.title}: {done} of {total} ({done / total:.0%}){', ' * bool(said)}{said}", err=True)

    def _pace(self, done: int, total: int) -> str:
        """Parts a second and the time that is left, once two reports tell them."""
        now = time.monotonic()
        if self.first is None and done:
            self.first = now, done
        if self.first is None or done == self.first[1] or done >= total:
            return ""
        rate = (done - self.first[1]) / (now - self.first[0])
        return f"{rate:.3g}/s, {timedelta(seconds=round((total - done) / rate))} left"

    def finish(self) -> None:
        """The step is done; ``note`` says what came of it."""
        note = self.note
        if self.steps.live:
            task = self.steps.bars.tasks[self.task]
            self.steps.bars.update(self.task, total=task.total or 1, completed=task.total or 1, note=note)
        else:
            seconds = time.monotonic() - self.began
            echo(f"{self.title}: done in {seconds:.1f} s{', ' * bool(note)}{note}", err=True)

"""How far a simulation is: from the simulator's process to the one that started it, through a file."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from ..model.files import whole

PROGRESS = "progress.json"
PROGRESS_SECONDS = 0.5  #: between two writings, and between two looks
Progress = Callable[[float, int], None]  #: (share of the image that is loaded, 0..1; time steps that were taken)


def write_progress(folder: Path, loaded: float, steps: int) -> None:
    """Tell it. A disk that is full must not end a simulation that needs no more of it."""
    with suppress(OSError), whole(folder / PROGRESS) as part:
        part.write_text(json.dumps([loaded, steps]))


@contextmanager
def watched(folder: Path, progress: Progress | None) -> Iterator[None]:
    """Within this context ``progress`` is called with what is told in ``folder``, from a thread of its own."""
    over = Event()

    def watch(progress: Progress) -> None:
        while not over.wait(PROGRESS_SECONDS):
            with suppress(FileNotFoundError):
                progress(*json.loads((folder / PROGRESS).read_text()))

    thread = Thread(target=watch, args=(progress,), daemon=True) if progress else None
    if thread:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread:
            thread.join()
        with suppress(OSError):
            (folder / PROGRESS).unlink()

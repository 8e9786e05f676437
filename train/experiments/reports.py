"""How far running trials are: a small file of each, which its worker replaces and the sweep reads now and then.

A file, as a worker may be ended at any moment: nothing waits for it, and nothing is left half-said. A report that
cannot be written, as on another machine, is left out; results do not depend on it.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ...model.files import whole

SECONDS = 1.0  #: least time between two reports of a trial


@dataclass(frozen=True)
class Report:
    """``done`` of ``total`` steps; ``note`` says what they gave."""

    done: int
    total: int
    note: str


def reporter(folder: str | Path | None, name: str) -> Callable[[int, int, str], None]:
    """What the trial ``name`` calls with the fields of a :class:`Report`; ``folder`` None: nothing is reported."""
    spoken = 0.0

    def report(done: int, total: int, note: str) -> None:
        nonlocal spoken
        if folder is None or (done < total and time.monotonic() - spoken < SECONDS):
            return
        spoken = time.monotonic()
        with suppress(OSError), whole(Path(folder, f"{name}.json")) as part:
            part.write_text(json.dumps(asdict(Report(done, total, note))), encoding="utf-8")

    return report


def read_report(folder: str | Path, name: str) -> Report | None:
    """The last report of the trial ``name``; None where there is none."""
    with suppress(OSError, ValueError, TypeError):
        return Report(**json.loads(Path(folder, f"{name}.json").read_text(encoding="utf-8")))
    return None

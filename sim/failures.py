"""What became of a simulator that failed, in a sentence, and a build folder that is whole or not there."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.files import whole
from ..model.programs import ProgramError, ended, full, killed

FAILURES = (RuntimeError, ValueError, OSError, SystemExit)  #: of cocotb's runner
COMPLETE = "ohmgate_complete"  #: in a build folder: the build has come to its end


def failed(what: str, log: Path, error: BaseException | None, which: int) -> ProgramError:
    """The error that says ``what``, why, and where the log is.

    Why: the signal that ended the simulator, else the first (``which`` 0) or last (-1) error in the log, else
    ``error``, the runner's.
    """
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line.strip() for line in lines if "error" in line.lower()]
    status = re.search(r"return code: (-?\d+)$", str(error))
    if status and (killed(int(status[1])) or not errors):
        reason = f"it {ended(int(status[1]))}"
    elif errors:
        reason = errors[which]
    else:
        reason = str(error or "it ended without a result")
    disks = full(log.parent, Path(tempfile.gettempdir()))
    return ProgramError(f"{what}: {reason}{disks} (log: {os.path.relpath(log)})")


@contextmanager
def whole_build(folder: Path) -> Iterator[Path]:
    """A build folder: kept, for the next build, if this one comes to its end, else removed.

    A compiler that was killed leaves objects that are not whole, which ``make`` would take for finished.
    """
    mark = folder / COMPLETE
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
    mark.unlink(missing_ok=True)
    try:
        yield folder
        with whole(mark) as part:
            part.touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

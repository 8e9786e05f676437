"""Files that are written whole or not at all; here because every folder writes some, and all may import it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary name in the folder of ``path``: renamed to it at the end, removed where that is not reached.

    A symbolic link stays and what it points to is replaced; a device or a pipe is written to as it is. An OSError
    that names no file, as that of a full disk, names ``path``.

    >>> with whole("results.json") as part:
    ...     part.write_text("{}")
    """
    target = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    special = target.exists() and not target.is_file() and not target.is_dir()
    # the temporary name ends as the file does: some writers look at that
    part = target if special else target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield part
        if not special:
            part.replace(target)
    except OSError as error:
        if error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        if not special:
            part.unlink(missing_ok=True)

"""Files that are written whole or not at all; here because every folder writes some, and all may import it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary name in the folder of ``path``: renamed to it at the end, removed where that is not reached.

    An OSError that names no file, as that of a full disk, names ``path``.

    >>> with whole("results.json") as part:
    ...     part.write_text("{}")
    """
    path = Path(path)
    part = path.with_name(f".{os.getpid()}.{path.name}")  # ends as the file does: some writers look at that
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)

"""Files that are written whole or not at all; here because every folder writes some, and all may import it."""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .formats import DesignError
from .locks import sole_use


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
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
            with suppress(OSError):  # gone, or a disk that cannot be written
                part.unlink()


def write_together(folder: str | os.PathLike[str], contents: Mapping[str, str | bytes]) -> list[Path]:
    """Write texts and bytes by their files' names into ``folder``, made if it is not there; returns their paths.

    A name may begin with a folder's: ``behavioural/macro.v``. The files get their names when all of them are written,
    so a set is whole or as it was. Raises :class:`DesignError` for a folder that cannot be written or that another
    run is writing, or where a folder has the name of a file.
    """
    folder = Path(folder)
    try:
        with sole_use(folder):
            _write_together(folder, contents)
    except OSError as error:
        raise DesignError(f"cannot write the folder {str(folder)!r}: {error.strerror}") from None
    return [folder / name for name in contents]


def _write_together(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    parts, before = (
        {name: (folder / name).with_name(f".{Path(name).name}.{end}") for name in contents}
        for end in ("partial", "before")
    )
    made = [place for place in {part.parent for part in parts.values()} if not place.exists()]
    _unlink(before.values())  # of a run that was killed
    try:
        for name, part in parts.items():
            part.parent.mkdir(parents=True, exist_ok=True)
            content = contents[name]
            part.write_bytes(content if isinstance(content, bytes) else content.encode())
        for name in parts:
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{name!r} is a folder")
        try:
            for name, part in parts.items():
                with suppress(FileNotFoundError):
                    (folder / name).replace(before[name])
                part.replace(folder / name)
        except BaseException:
            for name, part in parts.items():
                if before[name].exists():
                    before[name].replace(folder / name)
                elif not part.exists():  # it has got its name, where no file was
                    (folder / name).unlink()
            raise
        _unlink(before.values())
    finally:
        _unlink(parts.values())
        for place in made:
            with suppress(OSError):  # it is not empty, or not there
                place.rmdir()


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a file whole or not at all; its folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """:func:`write_text` of ``content`` as indented JSON."""
    write_text(path, json.dumps(content, indent=1) + "\n")

"""The draws of a Monte Carlo study in a file: a line for the study, then one for each draw, in order."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ...model.files import whole
from ...model.formats import DesignError


@dataclass(frozen=True)
class Draw:
    """One chip: its accuracy, and the share of each layer's ADC codes that differ from the ideal array's."""

    number: int
    accuracy: float
    code_errors: tuple[float, ...]

    def line(self) -> str:
        return json.dumps({"draw": self.number, "accuracy": self.accuracy, "code_errors": list(self.code_errors)})


class DrawsFile:
    """The file of one study, which goes on where it was interrupted.

    Raises :class:`DesignError` for a file of another study's draws.
    """

    def __init__(self, path: Path, study: str, layers: int) -> None:
        """``study`` is the study's fingerprint, ``layers`` those of its network."""
        self._path = path
        header = json.dumps({"study": study})
        self.found = self._read(header, layers)  #: draws that the file held
        with whole(path) as part:  # without the half of a line that an interruption may have left
            part.write_text("\n".join([header, *(draw.line() for draw in self.found)]) + "\n", encoding="utf-8")

    def append(self, draw: Draw) -> None:
        """Write the draw's line whole or not at all."""
        size = self._path.stat().st_size
        try:
            with open(self._path, "a", encoding="utf-8") as out:
                out.write(draw.line() + "\n")
        except OSError as error:
            os.truncate(self._path, size)
            raise OSError(error.errno, error.strerror, str(self._path)) from None

    def _read(self, header: str, layers: int) -> list[Draw]:
        """The draws in order, up to the first line that is damaged or not whole."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        if lines[0] != header:
            raise DesignError(f"{str(self._path)!r} holds the draws of another study; choose another folder")
        draws = []
        for number, line in enumerate(lines[1:-1]):
            draw = _parsed(line)
            if draw is None or draw.number != number or len(draw.code_errors) != layers:
                break
            draws.append(draw)
        return draws


def _parsed(line: str) -> Draw | None:
    """The draw of a line; None for a damaged one."""
    try:
        entry = json.loads(line)
        draw = Draw(entry["draw"], entry["accuracy"], tuple(entry["code_errors"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    shares = (draw.accuracy, *draw.code_errors)
    legal = type(draw.number) is int and all(type(share) is float and 0 <= share <= 1 for share in shares)
    return draw if legal else None

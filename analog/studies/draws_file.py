"""The draws of a Monte Carlo study in a file: a line for the study, then one for each draw, in order."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ...model.files import whole
from ...model.formats import DesignError
from ...model.metrics import Metric


@dataclass(frozen=True)
class Draw:
    """One chip: its score, and the share of each layer's ADC codes that differ from the ideal array's."""

    number: int
    score: float  #: by the study's metric
    code_errors: tuple[float, ...]
    votes: tuple[float, ...] = ()  #: with votes: their accuracy by the mean of the head's codes, and by majority


class DrawsFile:
    """The file of one study, which goes on where it was interrupted.

    Raises :class:`DesignError` for a file of another study's draws.
    """

    def __init__(self, path: Path, study: str, layers: int, metric: Metric) -> None:
        """``study`` is the study's fingerprint, ``layers`` those of its network."""
        self._path, self._metric = path, metric
        header = json.dumps({"study": study})
        self.found = self._read(header, layers)  #: draws that the file held
        with whole(path) as part:  # without the half of a line that an interruption may have left
            part.write_text("\n".join([header, *(self._line(draw) for draw in self.found)]) + "\n", encoding="utf-8")

    def append(self, draw: Draw) -> None:
        """Write the draw's line whole or not at all."""
        size = self._path.stat().st_size
        try:
            with open(self._path, "a", encoding="utf-8") as out:
                out.write(self._line(draw) + "\n")
        except OSError as error:
            os.truncate(self._path, size)
            raise OSError(error.errno, error.strerror, str(self._path)) from None

    def _line(self, draw: Draw) -> str:
        content = {"draw": draw.number, self._metric.key: draw.score, "code_errors": list(draw.code_errors)}
        return json.dumps(content | ({"votes": list(draw.votes)} if draw.votes else {}))

    def _read(self, header: str, layers: int) -> list[Draw]:
        """The draws in order, up to the first line that is damaged or not whole."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        if lines[0] != header:
            raise DesignError(f"{str(self._path)!r} holds the draws of another study; choose another folder")
        draws = []
        for number, line in enumerate(lines[1:-1]):
            draw = _parsed(line, self._metric)
            if draw is None or draw.number != number or len(draw.code_errors) != layers:
                break
            draws.append(draw)
        return draws


def _parsed(line: str, metric: Metric) -> Draw | None:
    """The draw of a line; None for a damaged one."""
    try:
        entry = json.loads(line)
        draw = Draw(entry["draw"], entry[metric.key], tuple(entry["code_errors"]), tuple(entry.get("votes", ())))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    numbers = (draw.score, *draw.code_errors, *draw.votes)
    if type(draw.number) is not int or any(type(number) is not float or not number >= 0 for number in numbers):
        return None
    most = sys.float_info.max if metric.less_is_better else 1
    return draw if draw.score <= most and all(share <= 1 for share in numbers[1:]) else None

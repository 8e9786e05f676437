"""A sample of mutants that stays: by seed, spread over the lines of each package.

Lines and the mutants of a line are ranked by a hash of the seed and their own text. A change of one function
leaves the sample of all others as it is, so verdicts can be kept.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .mutant import Mutant
from .operators import OBVIOUS, Candidate, candidates, make


def sample(root: Path, packages: list[str], count: int, seed: int) -> list[Mutant]:
    """``count`` mutants of the Python files of ``packages``, each package by its share of lines with mutants."""
    lines = {package: _lines(root, package, seed) for package in packages}
    shares = _shares([len(lines[package]) for package in packages], count)
    return [mutant for package, share in zip(packages, shares) for mutant in islice(_made(lines[package]), share)]


def _shares(sizes: list[int], count: int) -> list[int]:
    """Whole numbers in proportion to ``sizes`` whose sum is ``count``."""
    exact = [size * count / sum(sizes) for size in sizes]
    whole = [int(share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda k: whole[k] - exact[k])
    for k in by_rest[: count - sum(whole)]:
        whole[k] += 1
    return whole


@dataclass(frozen=True)
class Line:
    """A line that has mutants: their order is that in which they are tried."""

    rank: str
    file: str
    text: str  #: of the file
    candidates: list[Candidate]


def _lines(root: Path, package: str, seed: int) -> list[Line]:
    """The lines of a package, by rank."""
    found = []
    for path in sorted((root / package).rglob("*.py")):
        if path.name == "__init__.py":
            continue
        text, by_line = path.read_text(encoding="utf-8"), defaultdict(list)
        lines = text.splitlines()
        for candidate in candidates(text):
            by_line[candidate.place[0]].append(candidate)
        for number, here in by_line.items():
            around = lines[max(0, number - 4) : number]

            def rank(candidate: Candidate, around=around) -> tuple[bool, str]:
                digest = _rank(seed, *around, candidate.operator, candidate.place[1])
                return candidate.operator in OBVIOUS and digest[0] > "3", digest

            found.append(
                Line(_rank(seed, path.name, *around), path.relative_to(root).as_posix(), text, sorted(here, key=rank))
            )
    return sorted(found, key=lambda line: line.rank)


def _made(lines: list[Line]) -> Iterator[Mutant]:
    """One mutant of each line, where one can be made."""
    for line in lines:
        yield from islice(filter(None, (make(line.file, line.text, c) for c in line.candidates)), 1)


def _rank(*parts) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

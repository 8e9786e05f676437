"""A fault in one file, and what became of it."""

import difflib
import hashlib
from dataclasses import dataclass, field

KILLED, SURVIVED, UNCOVERED = "killed", "survived", "not covered"


@dataclass(frozen=True)
class Mutant:
    """``text`` is the whole file with the fault in it; ``line`` is where it begins, from 1."""

    file: str  #: relative to the root of the repository
    line: int
    original: str
    text: str
    operator: str  #: what kind of fault
    what: str = ""  #: in words, for faults of the list
    tests: tuple[str, ...] = ()  #: files or node ids that are run first

    @property
    def package(self) -> str:
        return self.file.split("/")[0]

    @property
    def key(self) -> str:
        """12 hexadecimal digits of the file and the fault."""
        return hashlib.sha256(f"{self.file}\n{self.text}".encode()).hexdigest()[:12]

    def change(self) -> list[str]:
        """The changed lines: ``-`` before, ``+`` after."""
        lines = difflib.unified_diff(self.original.splitlines(), self.text.splitlines(), n=0, lineterm="")
        return [line for line in list(lines)[2:] if not line.startswith("@@")]


@dataclass
class Verdict:
    """What the tests said to a mutant."""

    key: str
    file: str
    line: int
    operator: str
    what: str
    change: list[str]
    status: str
    test: str = ""  #: that noticed
    reason: str = ""  #: the first line of its error
    seconds: float = 0.0  #: until then, or of all tests that were run
    tests: int = 0  #: that were chosen
    left_out: int = 0  #: tests that cover the line but were too slow for the bound
    files: list[str] = field(default_factory=list)  #: of the tests that were chosen

    @property
    def package(self) -> str:
        return self.file.split("/")[0]

"""The list of faults that are put in by hand: ``faults/*.toml``, one table each.

    [[fault]]
    what = "the RTL's counters stay 0"
    file = "hdl/register_bus.py"
    old = "total.eq(word[name] + amount)"
    new = "total.eq(word[name])"
    tests = ["tests/hdl/test_register_bus.py"]

``old`` is found once in the file. ``tests`` are run first: files, or node ids. Behind them come those that coverage
knows to run the line; of C and C++ all tests of the package.
"""

import tomllib
from pathlib import Path

from .mutant import Mutant

FOLDER = Path(__file__).parent / "faults"
KEYS = {"what", "file", "old", "new", "tests"}


def faults(root: Path) -> list[Mutant]:
    """All faults of the list. Raises ValueError for one that does not fit the tree."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            if not {"what", "file", "old", "new"} <= set(entry) <= KEYS:
                raise ValueError(f"{path.name}: a fault has what, file, old, new and perhaps tests, not {set(entry)}")
            text, old = (root / entry["file"]).read_text(encoding="utf-8"), entry["old"]
            if text.count(old) != 1:
                times = f"once, not {text.count(old)} times"
                raise ValueError(f"{path.name}: {entry['what']!r}: {old!r} must be in {entry['file']} {times}")
            start = text.index(old)
            line = text.count("\n", 0, start) + 1
            mutated = text.replace(old, entry["new"])
            tests = tuple(entry.get("tests", ()))
            found.append(Mutant(entry["file"], line, text, mutated, path.stem, entry["what"], tests))
    return found

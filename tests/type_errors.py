"""Type errors that basedpyright finds, folder by folder, against the list of docs/testing.md, which none may exceed.

    python -m tests.type_errors

A folder that is not in the list has none. An import that is not found counts everywhere.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

Error = dict[str, Any]  #: as basedpyright's JSON has it
ROOT = Path(__file__).parent.parent
LIST = ROOT / "docs" / "testing.md"


def listed(page: str) -> dict[str, float]:
    """The most errors that each folder of the list may have; a folder without a number may have any."""
    rows = re.findall(r"^\| `(\w+)/` \| (\w+) \|", page.partition("\n## Types\n")[2], flags=re.MULTILINE)
    return {folder: int(most) if most.isdecimal() else float("inf") for folder, most in rows}


def found() -> list[Error]:
    """basedpyright's errors in all folders that pyproject.toml includes."""
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        sys.exit(f"basedpyright gave no report: {done.stdout}{done.stderr}")


def refused(errors: list[Error], most: dict[str, float]) -> list[str]:
    """Lines about those that may not be: imports that are not found, and all of a folder that has too many."""
    counts = Counter(_folder(error) for error in errors)
    over = sorted(folder for folder, count in counts.items() if count > most.get(folder, 0))
    lines = [
        _line(error) for error in errors if _folder(error) in over or error.get("rule") == "reportMissingImports"
    ]
    return lines + [f"{folder}/: {counts[folder]} type errors, at most {most.get(folder, 0)}" for folder in over]


def fewer(errors: list[Error], most: dict[str, float]) -> list[str]:
    """Lines about folders that have fewer errors than the list says."""
    counts = Counter(_folder(error) for error in errors)
    less = {folder: counts[folder] for folder, limit in most.items() if counts[folder] < limit < float("inf")}
    return [f"{folder}/: {count} type errors; say so in {LIST.relative_to(ROOT)}" for folder, count in less.items()]


def _folder(error: Error) -> str:
    return Path(error["file"]).relative_to(ROOT).parts[0]


def _line(error: Error) -> str:
    line = error["range"]["start"]["line"] + 1 if "range" in error else 1  # none for a whole file
    return f"{Path(error['file']).relative_to(ROOT)}:{line}: {error['message'].splitlines()[0]} ({error.get('rule', 'syntax')})"


if __name__ == "__main__":
    errors, most = found(), listed(LIST.read_text(encoding="utf-8"))
    for line in fewer(errors, most):
        print(line)
    sys.exit("\n".join(refused(errors, most)) or None)

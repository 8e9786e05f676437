"""Verdicts as Markdown."""

import tomllib
from pathlib import Path

from .mutant import KILLED, Verdict

WORDS = Path(__file__).parent / "words.toml"


def named_report(verdicts: list[Verdict], total: int, provenance: str) -> str:
    """The faults of the list: caught, by which test, in how many seconds."""
    killed = sum(verdict.status == KILLED for verdict in verdicts)
    lines = [
        f"{killed} of {len(verdicts)} faults are caught ({total} in the list; {provenance}).",
        "",
        "| fault | file | caught | by | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for v in verdicts:
        caught = "yes" if v.status == KILLED else f"**no** ({v.tests} tests run)"
        lines.append(f"| {v.what} | {v.file}:{v.line} | {caught} | {v.test.replace('|', '/')} | {v.seconds:.0f} |")
    return "\n".join(lines) + "\n"


def sample_report(verdicts: list[Verdict], total: int, provenance: str) -> str:
    """The sample: shares by package, and every survivor with its word."""
    words = _words()
    lines = [
        f"{len(verdicts)} of {total} mutants judged ({provenance}).",
        "",
        "| package | mutants | killed | survived | of those the same program | share killed of all but the same |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    packages = list(dict.fromkeys(verdict.package for verdict in verdicts))
    for name in [*packages, *(["all"] if len(packages) > 1 else [])]:
        here = [v for v in verdicts if name in (v.package, "all")]
        killed = sum(v.status == KILLED for v in here)
        same = sum(v.status != KILLED and words.get(_place(v), {}).get("same", False) for v in here)
        share = killed / max(1, len(here) - same)
        lines.append(f"| {name} | {len(here)} | {killed} | {len(here) - killed} | {same} | {share:.0%} |")
    lines += ["", "## Survivors", ""]
    for v in verdicts:
        if v.status != KILLED:
            word = words.get(_place(v), {}).get("word", "")
            left_out = f", {v.left_out} left out for time" if v.left_out else ""
            lines += [f"### {v.file}:{v.line} {v.operator}", "", *([word, ""] if word else [])]
            tests = f"{v.status}; {v.tests} tests{left_out}: {', '.join(v.files)}"
            lines += ["```diff", *v.change, "```", "", tests, ""]
    return "\n".join(lines).rstrip() + "\n"


def _words() -> dict[tuple[str, str], dict]:
    """What is said of survivors, by file and change."""
    entries = tomllib.loads(WORDS.read_text(encoding="utf-8"))["survivor"] if WORDS.exists() else []
    return {(entry["file"], _spaceless(entry["new"])): entry for entry in entries}


def _place(verdict: Verdict) -> tuple[str, str]:
    return verdict.file, _spaceless("".join(line[1:] for line in verdict.change if line.startswith("+")))


def _spaceless(text: str) -> str:
    return "".join(text.split())

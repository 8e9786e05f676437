"""``python -m tests.mutants``: what ``make mutate`` runs (docs/testing.md)."""

import argparse
import subprocess
import sys
from pathlib import Path

from . import coverage_map
from .faults import faults
from .hunt import Hunt
from .mutant import KILLED, Verdict
from .report import named_report, sample_report

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "mutants"
COVERAGE = FOLDER / "coverage.json"


def main() -> None:
    options = _options()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if options.command == "coverage" or not COVERAGE.exists():
        coverage_map.measure(ROOT, FOLDER).write(COVERAGE)
    if options.command == "coverage":
        return
    coverage = coverage_map.CoverageMap.read(COVERAGE)
    if options.command == "faults":
        mutants = [m for m in faults(ROOT) if options.match in f"{m.file} {m.what}"]
    else:
        from .sample import sample

        mutants = sample(ROOT, options.packages.split(","), options.count, options.seed)
    from .sandbox import Sandbox  # imports what the tests need: seconds

    sandbox = Sandbox(ROOT, FOLDER / options.name)
    hunt = Hunt(sandbox, coverage, FOLDER / f"{options.command}.jsonl", options.budget)
    verdicts: list[Verdict] = []
    for verdict in hunt.judge(mutants, tuple(options.again.split(","))):
        verdicts.append(verdict)
        _say(f"{len(verdicts)}/{len(mutants)} {verdict.status} {verdict.file}:{verdict.line} {verdict.what} "
             f"{verdict.test} {verdict.seconds:.0f} s {verdict.reason[:80]}")  # fmt: skip
        if options.report:
            write = named_report if options.command == "faults" else sample_report
            options.report.write_text(write(verdicts, len(mutants), _provenance(options)), encoding="utf-8")
    killed = sum(verdict.status == KILLED for verdict in verdicts)
    _say(f"{killed} of {len(verdicts)} killed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("command", choices=("faults", "sample", "coverage"))
    parser.add_argument("--count", type=int, default=300, help="mutants of the sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", default="model,hdl,firmware,sim")
    parser.add_argument("--match", default="", help="only faults with this text in their file or words")
    parser.add_argument("--again", default="", help="judge anew what is: survived, not covered, killed (by commas)")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of tests for one mutant")
    parser.add_argument("--name", default="one", help="of the copy's folder: two runs at a time need two")
    parser.add_argument("--report", type=Path, help="Markdown file, written after every verdict")
    return parser.parse_args()


def _provenance(options: argparse.Namespace) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    if options.command == "faults":
        return f"commit {commit}"
    return f"commit {commit}, packages {options.packages}, seed {options.seed}, cosmic-ray's operators"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

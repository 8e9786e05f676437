"""Which tests run which line, from one run of the suite: the tests of a mutant."""

import ast
import difflib
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SLOW = 60.0  #: seconds of a test that is run only where no other covers the line
#: Run inside a simulator's process, where coverage does not know which test it is: the tests that start one.
IN_SIMULATOR = ("sim/bench.py", "sim/device.py", "sim/scenarios.py", "sim/agents.py", "model/bit_fields.py")
STARTER = ("sim/cosim.py", "simulate")
#: Tests that look at the tree and not at what the code does; one that limits the size of coverage's files too.
LEFT_OUT = (
    "tests/test_house.py",
    "tests/test_docs.py",
    "tests/mutants",
    "tests/cli/test_errors.py::test_a_disk_that_takes_no_more_is_one_sentence_and_nothing_half_written",
)


@dataclass
class CoverageMap:
    """``lines``: file -> line -> tests, as places in ``tests``; ``texts`` of the files as they were then."""

    tests: list[str]
    seconds: dict[str, float]
    lines: dict[str, dict[int, list[int]]]
    texts: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> "CoverageMap":
        content = json.loads(file.read_text(encoding="utf-8"))
        lines = {name: {int(k): v for k, v in by_line.items()} for name, by_line in content.pop("lines").items()}
        return cls(lines=lines, **content)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(vars(self)), encoding="utf-8")

    def covering(self, file: str, line: int, text: str) -> list[str]:
        """Tests that run ``line`` of ``file``, whose content is ``text`` today; [] where none does.

        A line that is run when the module is imported has the tests of the whole module, C and C++ all tests of the
        package.
        """
        if not file.endswith(".py"):
            return [test for test in self.tests if test.startswith(f"tests/{file.split('/')[0]}/")]
        by_line = self.lines.get(file, {})
        then = self._then(file, text).get(line)
        tests = set(by_line.get(then, ()))
        if file in IN_SIMULATOR:
            tests |= set(self._starters())
        if not tests and (then is None or then in by_line):
            tests = {test for places in by_line.values() for test in places}
        return [self.tests[test] for test in sorted(tests)]

    def _then(self, file: str, text: str) -> dict[int, int]:
        """Lines of today by number, and what their numbers were when coverage was measured."""
        before = self.texts.get(file, "").splitlines()
        match = difflib.SequenceMatcher(None, text.splitlines(), before, autojunk=False)
        return {a + k + 1: b + k + 1 for a, b, size in match.get_matching_blocks() for k in range(size)}

    def _starters(self) -> list[int]:
        file, name = STARTER
        functions = [n for n in ast.parse(self.texts[file]).body if getattr(n, "name", "") == name]
        return self.lines[file].get(functions[0].body[-1].lineno, []) if functions else []


def measure(root: Path, folder: Path, workers: int = 2) -> CoverageMap:
    """Run the suite of ``make test`` once under coverage (twice its usual time)."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("coverage*"):
        stale.unlink()
    settings, durations = folder / "coveragerc", folder / "coverage_durations"
    settings.write_text(
        f"[run]\nsource = {root}\nomit =\n    */tests/*\n    */.venv/*\npatch = subprocess\nparallel = true\n"
        f"data_file = {folder / 'coverage'}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "not full", "-n", str(workers), "-p", "tests.mutants.durations",
         "--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=",
         *(f"--ignore={name}" for name in LEFT_OUT if "::" not in name),
         *(f"--deselect={name}" for name in LEFT_OUT if "::" in name)],
        cwd=root, check=False, env=os.environ | {"OMP_NUM_THREADS": "1", "MUTANTS_DURATIONS": str(durations)},
    )  # fmt: skip
    if done.returncode not in (0, 1):  # a test that fails now is found out when a mutant gets it
        raise SystemExit(f"coverage was not measured: pytest ended with status {done.returncode}")
    return read_measured(root, folder / "coverage", durations)


def read_measured(root: Path, data: Path, durations: Path) -> CoverageMap:
    """The map from coverage's file and that of the durations."""
    from coverage import CoverageData

    seconds: dict[str, float] = defaultdict(float)
    for line in durations.read_text().splitlines():
        name, _, duration, outcome = json.loads(line)
        seconds[name] += duration if outcome != "skipped" else 0.0
    measured = CoverageData(str(data))
    measured.read()
    tests, lines, texts = sorted(seconds), {}, {}
    places = {test: place for place, test in enumerate(tests)}
    for path in sorted(measured.measured_files()):
        file = Path(path).resolve().relative_to(root).as_posix()
        by_line = {}
        for line, contexts in measured.contexts_by_lineno(path).items():
            names = {context.split("|")[0] for context in contexts}
            by_line[line] = sorted(places[name] for name in names if name in places)
        lines[file], texts[file] = by_line, Path(path).read_text(encoding="utf-8")
    return CoverageMap(tests, dict(seconds), lines, texts)

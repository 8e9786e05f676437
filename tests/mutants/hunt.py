"""One mutant after the other: which tests to run, in which order, and what they say."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from .coverage_map import LEFT_OUT, SLOW, CoverageMap
from .mutant import KILLED, SURVIVED, UNCOVERED, Mutant, Verdict
from .sandbox import Sandbox

SLACK = 120.0  #: seconds on top of four times the tests' own: a hang is a kill, but must end


class Hunt:
    """Judges mutants in ``sandbox``; verdicts go to ``file``, a line of JSON each, and are kept."""

    def __init__(self, sandbox: Sandbox, coverage: CoverageMap, file: Path, budget: float):
        self.sandbox, self.coverage, self.file, self.budget = sandbox, coverage, file, budget
        self.sound: dict[str, bool] = {}  #: tests that have killed: do they pass without a mutant?
        self.verdicts: dict[str, Verdict] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                verdict = Verdict(**json.loads(line))
                self.verdicts[verdict.key] = verdict

    def judge(self, mutants: list[Mutant], again: tuple[str, ...] = ()) -> Iterator[Verdict]:
        """Verdicts in order; one that the file has is not asked for anew, unless its status is in ``again``."""
        for mutant in mutants:
            known = self.verdicts.get(mutant.key)
            if known is None or known.status in again:
                known = self._verdict(mutant)
                self.verdicts[mutant.key] = known
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(known)) + "\n")
            yield known

    def _verdict(self, mutant: Mutant) -> Verdict:
        seconds = self.coverage.seconds
        while True:
            tests, left_out = self.tests_of(mutant)
            verdict = Verdict(
                mutant.key, mutant.file, mutant.line, mutant.operator, mutant.what, mutant.change(), UNCOVERED,
                tests=len(tests), left_out=left_out, files=sorted({test.split("::")[0] for test in tests}),
            )  # fmt: skip
            if not tests:
                return verdict
            bound = SLACK + 4 * sum(seconds.get(test, 30.0) for test in tests)
            with self.sandbox.holding(mutant.file, mutant.text):
                outcome = self.sandbox.run(tests, seconds, bound)
            verdict.seconds = round(outcome.seconds, 1)
            if outcome.passed:
                verdict.status = SURVIVED if outcome.ran else UNCOVERED
                return verdict
            verdict.status, verdict.test, verdict.reason = KILLED, outcome.failed, outcome.reason
            if outcome.failed not in tests or self._is_sound(outcome.failed):  # else the next run leaves it out
                return verdict

    def _is_sound(self, test: str) -> bool:
        """Does a test that has just failed pass without a mutant? One that does not is never asked again."""
        if "::" not in test:
            return True  # a module that cannot be imported, or no test's doing
        if test not in self.sound:
            bound = SLACK + 4 * self.coverage.seconds.get(test, 30.0)
            self.sound[test] = self.sandbox.run([test], self.coverage.seconds, bound).passed
        return self.sound[test]

    def tests_of(self, mutant: Mutant) -> tuple[list[str], int]:
        """Tests to run, in order, and how many that cover the line are left out.

        First those that the mutant names; then by file, so that what a file's tests share is made once: files that
        are named after the module, files of its package, and others, each the quickest first.
        """
        seconds, files = self.coverage.seconds, set(mutant.tests)
        covering = [
            test for test in self.coverage.covering(mutant.file, mutant.line, mutant.original)
            if not test.startswith(LEFT_OUT) and self.sound.get(test, True) and not files & {test, test.split("::")[0]}
        ]  # fmt: skip
        quick = [test for test in covering if seconds[test] <= SLOW]
        chosen = quick or covering
        stem = Path(mutant.file).stem
        groups = []
        for file, group in groupby(sorted(chosen, key=lambda test: test.split("::")[0]), lambda t: t.split("::")[0]):
            members = sorted(group, key=seconds.get)
            total = sum(seconds[test] for test in members)
            near = f"tests/{Path(mutant.file).parent.as_posix()}/"
            order = 0 if file == f"{near}test_{stem}.py" else 1 if file.startswith(near) else 2
            groups.append((order, total, members))
        named = [test for name in mutant.tests for test in self._in(name)]
        order = [*named, *(test for _, _, members in sorted(groups) for test in members)]
        tests, spent = [], 0.0
        for test in order:
            if spent + seconds.get(test, 0.0) <= self.budget or not tests:
                tests.append(test)
                spent += seconds.get(test, 0.0)
        return tests, len(named) + len(covering) - len(tests)

    def _in(self, name: str) -> list[str]:
        """Tests of a file, or a node id itself, quick ones first; a file that the map does not know stands for all."""
        known = [test for test in self.coverage.tests if test == name or test.startswith(f"{name}::")]
        return sorted((t for t in known if self.sound.get(t, True)), key=self.coverage.seconds.get) or [name]

"""A copy of the tree that holds one mutant at a time, and pytest in it.

Nothing of the user's tree is ever changed. Each run is a fork of this process, which has imported the libraries
that the tests need (seconds of each run), but nothing of Ohmgate.
"""

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

PRELOADED = (
    "numpy", "scipy.sparse.linalg", "scipy.stats", "hypothesis.extra.numpy", "mpmath", "torch", "amaranth.sim",
    "amaranth.back.verilog", "typer.testing", "rich.progress", "jinja2", "matplotlib.figure", "safetensors.torch",
)  # fmt: skip
#: With ccache, Verilator's models are compiled once for all mutants that leave the Verilog as it is.
CCACHE = {
    "OBJCACHE": "ccache", "CCACHE_NOHASHDIR": "1",
    "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",
} if shutil.which("ccache") else {}  # fmt: skip


@dataclass
class Outcome:
    """Of one run of pytest: ``failed`` is the first test that failed, "" if none did."""

    passed: bool
    failed: str
    seconds: float
    reason: str = ""  #: the last line of the error
    ran: int = 0


class Sandbox:
    """The copy in ``folder``; ``root`` is the repository."""

    def __init__(self, root: Path, folder: Path):
        self.root, self.folder = root, folder
        self.tree = folder / "tree"  # before the installed package on the path, so this one is imported
        for name in PRELOADED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        assert not any(name.startswith("ohmgate") for name in sys.modules), "a mutant must be what is imported first"
        self._copy()

    def _copy(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            source, target = self.root / name, self.tree / name
            if source.is_file() or source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    @contextlib.contextmanager
    def holding(self, file: str, text: str):
        """The copy with ``text`` in ``file``, for as long as the context lasts."""
        path = self.tree / file
        before, times = path.read_bytes(), path.stat()
        path.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what was compiled of it is valid again

    def run(self, tests: list[str], seconds: dict[str, float], bound: float) -> Outcome:
        """Run ``tests`` (node ids, in order; a file means all in it) until one fails; ``bound`` in seconds."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            self._become(tests, seconds, report)
        finished = _wait(child, began + bound)
        took = time.monotonic() - began
        content = json.loads(report.read_text()) if report.exists() else {}
        if not finished:
            return Outcome(False, content.get("running", "(time bound)"), took, f"no end within {bound:.0f} s")
        if "code" not in content:
            return Outcome(False, content.get("running", "(interpreter)"), took, "the process ended by a signal")
        ran = content["ran"]
        if content["code"] not in (0, 5) or content["failed"]:
            return Outcome(False, content["failed"] or "(collection)", took, content["reason"], ran)
        return Outcome(True, "", took, "", ran)

    def _become(self, tests, seconds, report: Path) -> None:
        """Never returns: this process is the forked one."""
        code = 70
        try:
            os.setsid()
            with contextlib.suppress(OSError):  # a mutant that takes all memory is the one that the system ends
                Path("/proc/self/oom_score_adj").write_text("1000")
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(self.tree)
            os.environ |= {
                "PYTHONPATH": str(self.tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
                "XDG_CACHE_HOME": str(self.folder.parent / "cache"), **CCACHE,
            }  # fmt: skip
            sys.dont_write_bytecode = True
            for name in [n for n in sys.modules if n == "tests" or n.startswith("tests.")]:
                del sys.modules[name]
            sys.path[:] = [str(self.tree)] + [p for p in sys.path if Path(p or ".").resolve() != self.root]
            files = list(dict.fromkeys(test.split("::")[0] for test in tests))
            arguments = [
                "-x",
                "-q",
                "--tb=short",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:cov",
                "--rootdir",
                str(self.tree),
            ]
            # in the tree: cocotb has pytest look for pyproject.toml above, whose pythonpath must not be the user's
            arguments += ["-c", str(self.tree / "pyproject.toml"), f"--basetemp={self.tree / 'tmp'}"]
            code = int(pytest.main([*arguments, *files], plugins=[_Chosen(tests, seconds, report, self.tree)]))
        finally:
            sys.stdout.flush()
            os._exit(code)


class _Chosen:
    """A pytest plugin: runs the chosen tests only, in their order, and writes down what happens."""

    def __init__(self, tests, seconds, report, tree):
        self.order = {test: place for place, test in enumerate(tests)}
        self.seconds, self.report, self.tree = seconds, report, tree
        self.said = {"failed": "", "reason": "", "running": "(collection)", "ran": 0}

    def pytest_collection_modifyitems(self, config, items):
        begins = {}
        for test, number in self.order.items():
            begins.setdefault(test.split("::")[0], number)

        def place(item):
            file = item.nodeid.split("::")[0]
            if item.nodeid in self.order or item.nodeid in self.seconds:
                return self.order.get(item.nodeid, self.order.get(file))
            return begins[file] - 0.5  # newer than the coverage map: may be made for this mutant

        chosen = [item for item in items if place(item) is not None]
        config.hook.pytest_deselected(items=[item for item in items if place(item) is None])
        items[:] = sorted(chosen, key=lambda item: (place(item), self.seconds.get(item.nodeid, 0.0)))
        for item in items:
            bound = 60 + 5 * self.seconds.get(item.nodeid, 30.0)
            item.add_marker(pytest.mark.timeout(int(bound)), append=False)

    def pytest_runtest_logstart(self, nodeid):
        self.said["running"] = nodeid
        self._write()

    def pytest_runtest_logreport(self, report):
        self.said["ran"] += report.when == "call"
        if report.failed and not self.said["failed"]:
            self._fail(report.nodeid, report)

    def pytest_collectreport(self, report):
        if report.failed and not self.said["failed"]:
            self._fail(report.nodeid, report)

    def _fail(self, nodeid, report):
        lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
        self.said |= {"failed": nodeid, "reason": (lines or [""])[0][1:].strip()}
        self._write()

    def pytest_sessionfinish(self, exitstatus):
        for name, module in sys.modules.items():
            if name.startswith("ohmgate.") and getattr(module, "__file__", None):
                assert module.__file__.startswith(str(self.tree)), f"{name} is not the copy's"
        self.said["code"] = int(exitstatus)
        self._write()

    def _write(self):
        part = self.report.with_suffix(".part")
        part.write_text(json.dumps(self.said))
        part.replace(self.report)


def _wait(child: int, until: float) -> bool:
    """Did the process end by ``until``? What it has started ends with it in any case."""
    ended = False
    while not ended and time.monotonic() < until:
        ended = os.waitpid(child, os.WNOHANG)[0] == child
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    return ended

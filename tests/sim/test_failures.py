"""A simulator that fails, in any way, is one sentence; what it left is not taken for a result."""

import errno
from pathlib import Path

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.sim import cosim
from ohmgate.sim.cosim import Build, build, simulate
from ohmgate.sim.failures import COMPLETE, whole_build
from tests.sim.test_job import make_job

RESULTS = '<testsuites><testsuite tests="1" failures="0" errors="0"/></testsuites>'


class Runner:
    """In place of cocotb's: writes ``log`` and ``results``, and raises ``error``."""

    def __init__(self, log: str = "", results: str | None = None, error: BaseException | None = None):
        self.log, self.results, self.error = log, results, error

    def test(self, **options):
        Path(options["log_file"]).write_text(self.log)
        if self.results is not None:
            Path(options["results_xml"]).write_text(self.results)
        if self.error is not None:
            raise self.error

    def build(self, **options):
        options["build_dir"].mkdir()
        (options["build_dir"] / "half.o").write_text("")
        self.test(**options)


KILLED = "it was ended by the signal SIGKILL, as the system does where memory runs out"
FAILURES = [
    (Runner(), "it ended without a result"),
    (Runner("Error: no\nan error: bus refused\n"), "an error: bus refused"),
    (Runner(results=RESULTS[:30]), "it ended without a result"),
    (Runner(results=RESULTS.replace('tests="1"', 'tests="0"')), "it ended without a result"),
    (Runner("an error: a rule\n", RESULTS.replace('failures="0"', 'failures="1"')), "an error: a rule"),
    (Runner("an error of before\n", RESULTS, RuntimeError("Command failed with return code: -9")), KILLED),
    (Runner("an error: a hang\n", error=RuntimeError("Command failed with return code: 1")), "an error: a hang"),
    (Runner(error=RuntimeError("Command failed with return code: 3")), "it ended with status 3"),
    (Runner("an error: a test\n", error=SystemExit(1)), "an error: a test"),
    (Runner(error=ValueError("Unable to find libpython")), "Unable to find libpython"),
    (Runner(error=OSError(errno.ENOENT, "No such file or directory", "vvp")), "[Errno 2] No such file or directory: 'vvp'"),
]  # fmt: skip


@pytest.mark.parametrize("runner, reason", FAILURES, ids=range(len(FAILURES)))
def test_a_simulation_that_fails(tmp_path, monkeypatch, runner, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cosim, "get_runner", lambda simulator: runner)
    (tmp_path / ".77.record_0.npz").write_text("half")
    (tmp_path / "record_0.json").write_text("of before")
    job = make_job(1)
    with pytest.raises(DesignError) as error:
        simulate(Build(tmp_path, "icarus", (job.network.design,), True, False), [job])
    assert str(error.value) == f"the simulation failed: {reason} (log: simulation.log)"
    left = {"device_0.image", "device_0.npz", "job.json", "simulation.log"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_a_build_that_fails_leaves_no_object(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = Runner(error=RuntimeError("Command failed with return code: 137"))
    monkeypatch.setattr(cosim, "get_runner", lambda simulator: runner)
    monkeypatch.setattr(cosim, "require", lambda *given: None)
    with pytest.raises(DesignError) as error:
        build([make_job(1).network.design], tmp_path / "made", "verilator")
    assert str(error.value) == f"verilator could not build the simulation: {KILLED} (log: made/build.log)"
    assert not (tmp_path / "made" / "build").exists()


def test_objects_are_kept_for_the_next_build_if_the_last_came_to_its_end(tmp_path):
    folder = tmp_path / "build"

    def make(error: type[BaseException] | None = None) -> bool:
        """Were there objects?"""
        with whole_build(folder) as made:
            there = (made / "a.o").exists()
            made.mkdir(exist_ok=True)
            (made / "a.o").write_text("")
            if error:
                raise error
        return there

    assert [make(), make()] == [False, True]
    (folder / COMPLETE).unlink()  # as where a build is killed
    assert [make(), make()] == [False, True]
    with pytest.raises(KeyboardInterrupt):
        make(KeyboardInterrupt)
    assert not folder.exists()

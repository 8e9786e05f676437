"""Running the parts: in order, kept, resumed, the same from any number of workers. No simulator is needed."""

import json
from dataclasses import dataclass, field

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.sim.native.pieces import Result
from ohmgate.sim.native.regression import PARTS, SCRATCH, kept, run, summary


@dataclass(frozen=True)
class FakePiece:
    number: int

    def run(self, runner) -> Result:
        (runner.scratch / f"file_{self.number}").write_text("x")
        n = self.number
        return Result(
            1,
            10 + n,
            100,
            n == 2,
            50,
            (25, 5 * n),
            f"at {n}" * (n == 2),
            ("a rule",) * (n > 2),
            n,
            {"stage": 1} if n == 2 else {},
        )


@dataclass(frozen=True)
class FakeWork:
    name: str = "fake"
    parts: int = 4
    asked: list[int] = field(default_factory=list, compare=False)
    stop_at: int = -1

    @property
    def sizes(self) -> list[int]:
        return [10 + k for k in range(self.parts)]

    def piece(self, number: int) -> FakePiece:
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.asked.append(number)
        return FakePiece(number)

    def fingerprint(self) -> str:
        return self.name


def test_results_come_in_order_and_are_summed(tmp_path):
    told = []
    found = summary(run(FakeWork(), tmp_path, progress=lambda done, total: told.append((done, total))))
    assert told == [(0, 46), (10, 46), (21, 46), (33, 46), (46, 46)]
    assert (found.parts, found.sequences, found.steps, found.integers, found.mismatches) == (4, 4, 46, 400, 1)
    assert (found.cycles, found.busy, found.right) == (200, (0.5, 0.15), 6)
    assert (found.first, found.violations, found.differing) == ("at 2", ("a rule",), {"stage": 1})
    assert found.step_cycles == 200 / 46
    assert not found.agrees
    assert str(found) == "400 integers compared, 1 differ; first: at 2; rule broken: a rule"
    assert not (tmp_path / SCRATCH).exists()


def test_a_summary_agrees_only_without_any_fault():
    good = Result(1, 1, 5, 0, 9, (3,))
    assert summary([good, good]).agrees
    for bad in (Result(1, 1, 5, 1, 9, (3,)), Result(1, 1, 5, 0, 9, (3,), violations=("x",))):
        assert not bad.agrees
        assert not summary([good, bad]).agrees
    assert not summary([Result(0, 1, 0, 0, 9, ())]).agrees


def test_what_is_done_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(FakeWork(stop_at=2), tmp_path)
    assert len(kept(FakeWork(), tmp_path)) == 2
    assert not (tmp_path / SCRATCH).exists()
    again = FakeWork()
    results = run(again, tmp_path)
    assert again.asked == [2, 3]
    run(FakeWork(), tmp_path / "whole")
    assert (tmp_path / PARTS).read_bytes() == (tmp_path / "whole" / PARTS).read_bytes()
    finished = FakeWork()
    assert run(finished, tmp_path) == results
    assert finished.asked == []


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"steps": 12}', json.dumps({"busy": 1, "violations": 1})])
def test_a_damaged_line_is_run_again(tmp_path, line):
    run(FakeWork(), tmp_path)
    whole = (tmp_path / PARTS).read_text().split("\n")
    (tmp_path / PARTS).write_text("\n".join([*whole[:3], line, *whole[4:]]))
    again = FakeWork()
    run(again, tmp_path)
    assert again.asked == [2, 3]
    assert (tmp_path / PARTS).read_text().split("\n") == whole


def test_a_part_of_other_steps_is_not_taken(tmp_path):
    run(FakeWork(), tmp_path)
    text = (tmp_path / PARTS).read_text()
    (tmp_path / PARTS).write_text(text.replace('"steps": 11', '"steps": 12'))
    assert len(kept(FakeWork(), tmp_path)) == 1


def test_other_work_begins_anew(tmp_path):
    run(FakeWork(), tmp_path)
    other = FakeWork("other")
    assert kept(other, tmp_path) == []
    run(other, tmp_path)
    assert other.asked == [0, 1, 2, 3]


def test_what_a_killed_run_left_is_removed(tmp_path):
    (tmp_path / SCRATCH).mkdir()
    (tmp_path / SCRATCH / "old").write_text("x")
    run(FakeWork(), tmp_path)
    assert not (tmp_path / SCRATCH).exists()


@pytest.mark.full
def test_a_schedulers_workers_give_the_same_bytes(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    with pytest.raises(KeyboardInterrupt):
        run(FakeWork(stop_at=1), tmp_path)
    options = {"n_workers": 2, "threads_per_worker": 2, "processes": True, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options, dashboard_address=None) as cluster:
        results = run(FakeWork(), tmp_path, executor=f"dask:{cluster.scheduler_address}")
    assert [result.steps for result in results] == [10, 11, 12, 13]
    run(FakeWork(), tmp_path / "whole")
    assert (tmp_path / PARTS).read_bytes() == (tmp_path / "whole" / PARTS).read_bytes()


@pytest.mark.full
def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    run(FakeWork(), tmp_path / "one")
    run(FakeWork(), tmp_path / "two", workers=2)
    assert (tmp_path / "one" / PARTS).read_bytes() == (tmp_path / "two" / PARTS).read_bytes()


def test_workers_are_a_number(tmp_path):
    with pytest.raises(DesignError, match="workers must be an integer from 1 to 1024, not 0"):
        run(FakeWork(), tmp_path, workers=0)

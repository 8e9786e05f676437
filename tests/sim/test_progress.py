"""How far a simulation is: told twice a second, and nothing is left of it."""

import time

import pytest

from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.sim import progress
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.progress import PROGRESS, watched, write_progress
from ohmgate.sim.simulators import missing_tools
from ohmgate.sim.trials import job_of


def test_what_is_told_is_heard_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.01)
    heard = []
    with watched(tmp_path, lambda loaded, steps: heard.append((loaded, steps))):
        time.sleep(0.05)
        assert heard == [], "nothing was told yet"
        for told in ((0.25, 0), (1.0, 7)):
            write_progress(tmp_path, *told)
            end = time.monotonic() + 20
            while told not in heard and time.monotonic() < end:
                time.sleep(0.01)
    assert list(dict.fromkeys(heard)) == [(0.25, 0), (1.0, 7)]
    assert list(tmp_path.iterdir()) == []
    with watched(tmp_path, None):
        pass


def test_a_disk_without_room_does_not_end_a_simulation(tmp_path):
    write_progress(tmp_path / "none", 0.5, 1)


def test_a_simulation_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.01)  # of who listens: a short simulation tells once
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    design = Design("little", (DenseLayer(inputs=2, outputs=2, adcs=1, output="argmax"),))
    heard = []
    job = job_of(design, None, None, 30, 0, "inference")
    [result] = simulate(build([design], tmp_path, "icarus"), [job], lambda *told: heard.append(told))
    assert result.comparison.agrees
    assert heard
    assert all(0 <= loaded <= 1 and 0 <= steps <= job.lengths.sum() for loaded, steps in heard)
    assert heard == sorted(heard)
    assert not (tmp_path / PROGRESS).exists()

"""What a long step says where there is no terminal: share done, rate, time left."""

import pytest

from ohmgate.cli import console
from ohmgate.cli.console import Steps, loading


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, to be set as ``clock[0]``."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_lines_tell_share_rate_and_time_left(clock, capsys):
    with Steps() as steps, steps.step("Simulating", 200) as step:
        for seconds, done, note in ((4, 0, loading(0.256)), (11, 0, loading(0.7)), (15, 10, ""), (22, 24, loading(1)),
                                    (30, 40, ""), (110, 200, "")):  # fmt: skip
            clock[0] = 100.0 + seconds
            step.update(done, 200, note)
    assert capsys.readouterr().err.splitlines() == [
        "Simulating ...",
        "Simulating: 0 of 200 (0%), 70% of the image loaded",
        "Simulating: 24 of 200 (12%), 2/s, 0:01:28 left",
        "Simulating: done in 110.0 s",
    ]


def test_a_note_stands_before_the_rate(clock, capsys):
    with Steps() as steps, steps.step("Training") as step:
        for seconds, done in ((20, 1), (60, 2)):
            clock[0] = 100.0 + seconds
            step.update(done, 30, f"loss {done}")
    assert capsys.readouterr().err.splitlines()[1:3] == [
        "Training: 1 of 30 (3%), loss 1",
        "Training: 2 of 30 (7%), loss 2, 0.025/s, 0:18:40 left",
    ]

"""The search of an exploration: what is proposed, what a kill leaves, what is refused. Nothing is trained here."""

import json
import random
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.experiments.search import AHEAD, Outcome, Search
from tests.train.experiments.test_sweep import Inline

pytest.importorskip("optuna", reason="Optuna (extra: explore) is not installed")

AXES = {"hidden": [8, 16, 32], "bits": [2, 3, 4, 6], "tables": ["loaded", "constant"]}
FIRST = (16, 4, "constant")
EVERY = {(h, b, t) for h in AXES["hidden"] for b in AXES["bits"] for t in AXES["tables"]}


def scores_of(choice) -> dict[str, float]:
    hidden, bits, tables = choice
    return {"accuracy": 1 - 1 / (hidden * bits + (tables == "loaded")), "other": 0.25}


def work(proposal) -> Outcome:
    return Outcome(scores_of(proposal.choice), repr(proposal.choice).encode())


def judged(proposal, scores):
    hidden, bits, _ = proposal.choice
    return 1 - scores["accuracy"], hidden * bits, hidden, bits


def opened(folder, seed=0, axes=AXES, shared="shared", first=FIRST) -> Search:
    return Search(folder / "trials.journal", axes, first, seed, shared)


def run(folder, count, executor=None, work=work, progress=lambda *told: None, watch=lambda running: None, **which):
    search = opened(folder, **which)
    search.run(count, executor or Inline(), work, judged, folder / "networks", progress, watch)
    return search.results()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search of 18 of the 24 that nothing has interrupted, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, 18)


def test_trials_are_choices_each_once_the_design_as_it_stands_first(whole):
    folder, results = whole
    choices = [proposal.choice for proposal, _ in results]
    assert choices[0] == FIRST
    assert len(choices) == len(set(choices)) == 18
    assert set(choices) < EVERY
    assert [proposal.name for proposal, _ in results] == [f"trial_{index}" for index in range(18)]
    assert [scores for _, scores in results] == [scores_of(choice) for choice in choices]
    assert {path.name: path.read_bytes() for path in (folder / "networks").iterdir()} == {
        f"trial_{index}.safetensors": repr(choice).encode() for index, choice in enumerate(choices)
    }


def test_workers_and_their_order_change_nothing(whole, tmp_path):
    shuffled = random.Random(1)

    def late(proposal):
        time.sleep(shuffled.random() / 50)
        return work(proposal)

    with ThreadPoolExecutor(5) as pool:
        assert run(tmp_path, 18, pool, late) == whole[1]


STEP = 35  #: lines of the journal between two kills
SAMPLE = (2, 24)


@pytest.mark.parametrize(
    "lines", [pytest.param(line, marks=() if line in SAMPLE else pytest.mark.full) for line in range(1, STEP + 1)]
)
def test_a_search_that_was_killed_goes_on_to_the_same_end(whole, tmp_path, lines):
    """A kill leaves some first lines of the journal; the next is cut."""
    journal = (whole[0] / "trials.journal").read_bytes().splitlines(keepends=True)
    assert len(journal) > 100
    for left in range(lines, len(journal), STEP):
        folder = tmp_path / str(left)
        folder.mkdir()
        (folder / "trials.journal").write_bytes(b"".join(journal[:left]) + journal[left][:20])
        assert run(folder, 18) == whole[1], left


def test_a_result_is_kept_though_those_before_it_are_not_done(tmp_path):
    done = threading.Event()

    def first_waits(proposal):
        if proposal.index:
            return work(proposal)
        assert done.wait(60)
        raise KeyboardInterrupt

    def interrupt_when_two_are_done(running):
        if len(running) == 1:
            done.set()

    again = []

    def noted(proposal):
        again.append(proposal.index)
        return work(proposal)

    with ThreadPoolExecutor(3) as pool, pytest.raises(KeyboardInterrupt):
        run(tmp_path, 3, pool, first_waits, watch=interrupt_when_two_are_done)
    assert opened(tmp_path).results() == []
    assert [proposal.index for proposal, _ in run(tmp_path, 3, work=noted)] == [0, 1, 2]
    assert again == [0]


def test_more_trials_are_added_and_fewer_take_none_away(tmp_path):
    first, again = run(tmp_path, 4), []

    def counted(proposal):
        again.append(proposal.index)
        return work(proposal)

    assert run(tmp_path, 6, work=counted)[:4] == first
    assert again == [4, 5]
    assert len(run(tmp_path, 2, work=again.append)) == 6


def test_all_are_trained_where_there_are_no_more(tmp_path):
    results = run(tmp_path, 1000)
    assert {proposal.choice for proposal, _ in results} == EVERY
    assert len(results) == len(EVERY)


def test_a_proposal_knows_the_results_before_the_open_ones(tmp_path):
    """Of 60 units and all else alike the few are best in everything: later proposals are fewer."""
    axes = {"hidden": list(range(1, 61))}

    def few(proposal, scores):
        return [float(proposal.choice[0])] * 4

    search = opened(tmp_path, axes=axes, first=(30,))
    begun = []

    def noted(proposal):
        begun.append((proposal.index, len(search.results())))
        return Outcome({"accuracy": 0.5}, b"")

    search.run(30, Inline(), noted, few, tmp_path / "networks", lambda *told: None, lambda running: None)
    hidden = [proposal.choice[0] for proposal, _ in search.results()]
    assert sum(hidden[20:]) / 10 < 0.6 * sum(hidden[:10]) / 10
    assert begun == [(index, max(0, index - AHEAD + 1)) for index in range(30)]


def test_other_seeds_propose_others(whole, tmp_path):
    assert [p.choice for p, _ in run(tmp_path, 10, seed=1)] != [p.choice for p, _ in whole[1]][:10]


def test_progress_and_running_trials_are_told(tmp_path):
    told, running = [], []
    with ThreadPoolExecutor(1) as pool:
        run(tmp_path, 3, pool, progress=lambda *now: told.append(now), watch=lambda names: running.append(names))
    assert [now[:2] for now in told] == [(done, 3) for done in range(4)]
    assert told[0] == (0, 3, "")
    assert told[-1][:2] == (3, 3)
    assert "accuracy 0." in told[-1][2]
    assert {proposal.name for some in running for proposal in some} <= {"trial_0", "trial_1", "trial_2"}
    assert running[-1] == []


def test_a_trial_that_fails_is_begun_again_by_the_next_call(tmp_path):
    calls = []

    def broken(proposal):
        calls.append(proposal.index)
        if proposal.index == 2:
            raise RuntimeError("broken")
        return work(proposal)

    with pytest.raises(RuntimeError, match="^broken$"):
        run(tmp_path, 3, work=broken)
    again = []

    def noted(proposal):
        again.append(proposal.index)
        return work(proposal)

    assert len(run(tmp_path, 3, work=noted)) == 3
    assert 2 in again
    assert set(again) <= {0, 1, 2}


def test_trials_that_have_not_begun_are_cancelled(tmp_path):
    futures = []

    class One(Inline):
        def submit(self, function, *arguments):
            futures.append(super().submit(function, *arguments) if not futures else Future())
            return futures[-1]

    def interrupt(running):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 3, One(), watch=interrupt)
    assert [future.cancelled() for future in futures] == [False, True, True]


def test_a_lock_of_a_killed_process_does_not_hold_the_next(tmp_path):
    run(tmp_path, 1)
    (tmp_path / "trials.journal.lock").symlink_to("trials.journal")
    began = time.monotonic()
    run(tmp_path, 2)
    assert time.monotonic() - began < 10  # Optuna takes such a lock away after 30 s


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"shared": "others"}, {"axes": {**AXES, "bits": [2, 3, 4]}}],
    ids=lambda other: next(iter(other)),
)
def test_the_journal_of_another_search_is_refused(whole, other):
    with pytest.raises(DesignError) as error:
        opened(whole[0], **other)
    assert str(error.value) == (
        f"journal {str(whole[0] / 'trials.journal')!r} must be of this design, grid, data, training and seed, but is of "
        "others; choose another --out"
    )


@pytest.mark.parametrize("content", ["nothing\n", "[]\n", '{"op_code": 4}\n', '{"op_code": 0}\nx\n{}\n', "\0\n"])
def test_a_file_that_is_no_journal_is_refused(tmp_path, content):
    (tmp_path / "trials.journal").write_text(content)
    with pytest.raises(
        DesignError, match="^journal '.*trials.journal' must be of an exploration, but cannot be read$"
    ):
        opened(tmp_path)


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DesignError, match=r"^--trials must have Optuna: pip install 'ohmgate\[explore\]'$"):
        opened(tmp_path)


def test_the_journal_is_lines_of_json(whole):
    assert all(json.loads(line) for line in (whole[0] / "trials.journal").read_text().splitlines())

"""``ohmgate regress``: its verdict, its lines and files; the parts themselves are in tests/sim/native."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ohmgate.cli.runs import image_path
from ohmgate.firmware.image import pack, unpack
from ohmgate.sim.native import build as native
from ohmgate.sim.native import regression
from ohmgate.sim.native.build import NativeBuild
from ohmgate.sim.native.pieces import RandomDesigns, Result, Sequences

GOOD = Result(5, 100, 9000, 0, 3700, (3200, 37), right=4)
BAD = Result(5, 100, 9000, 2, 3700, (3200, 37), "layer 0, here", ("a rule",), 4, {"layer 0, hidden code": 2})


@pytest.fixture
def regress(ohmgate, run_folder, tmp_path, monkeypatch):
    """Runs the command with ``results`` in place of a simulation; what it was asked to run is in ``asked``."""

    def call(*arguments, results=(GOOD, GOOD)):
        def run(work, folder, workers, progress, executor):
            call.asked = work, workers
            return list(results)

        monkeypatch.setattr(native, "build", lambda design, folder: NativeBuild(design, Path("program"), True))
        monkeypatch.setattr(regression, "run", run)
        given = [run_folder if word == "RUN" else word for word in arguments]
        return ohmgate("regress", *given, "--out", tmp_path / "out")

    return call


def test_a_verdict_that_agrees_ends_with_0(regress, tmp_path):
    result = regress("RUN", "--workers", 2)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:-1] == [
        "200 time steps of 10 sequences: 18000 integers compared, 0 differ",
        "7400 clock cycles, 37.00 a time step; conversions under way in 86.5%, 1.0% of them, by layer",
        # (12 + 32) rows of 128 columns in 37 cycles of 1.5625 ns; the head is read at the end only
        "at 640 MHz 97.42 GOP/s, counted as the paper does",
        "accuracy of the Verilog: 80.00%",
    ]
    assert result.stdout.splitlines()[-1].endswith(" s")
    work, workers = regress.asked
    assert isinstance(work, Sequences)
    assert (len(work.lengths), len(work.labels), work.program, workers) == (370, 370, Path("program"), 2)
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["throughput"]["gops"] == pytest.approx(44 * 128 / (37 / 0.64))
    assert (content["integers"], content["busy"], content["speed"]["steps"]) == (18000, [3200 / 3700, 0.01], 5687)


def test_an_accuracy_is_of_results_and_not_of_their_votes(regress, run_folder, tmp_path):
    """Of five votes: each sequence is sent so often, and there are two results of ten sequences."""
    network = unpack(image_path(run_folder).read_bytes())
    lstm, head = network.design.layers
    voting = replace(network, design=replace(network.design, layers=(lstm, replace(head, votes=5))))
    (tmp_path / "votes.image").write_bytes(pack(voting))
    result = regress(tmp_path / "votes.image", "--sequences", 4, results=[replace(GOOD, sequences=10, right=1)] * 2)
    assert result.stdout.splitlines()[3] == "accuracy of the Verilog: 50.00%"
    work, _ = regress.asked
    assert (len(work.lengths), len(work.labels)) == (20, 4)
    assert (work.codes.reshape(4, 5, -1) == work.codes[::5].reshape(4, 1, -1)).all()


def test_integers_that_differ_end_with_1(regress, tmp_path):
    result = regress("RUN", results=[GOOD, BAD])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        "200 time steps of 10 sequences: 18000 integers compared, 2 differ; first: layer 0, here; rule broken: a rule",
        "layer 0, hidden code: 2 differ",
    ]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["mismatches"] == 2


def test_options_reach_the_work(regress):
    given = ("--noise", "paper", "--seed", 3, "--conversion", 7, "--back-door", "--sequences", 12)
    assert regress("RUN", *given).exit_code == 0
    work, _ = regress.asked
    assert (len(work.lengths), work.seed, work.loading.conversion, work.loading.back_door) == (12, 3, (7, 7), True)
    assert work.array.conversion_sigma > 0


def test_random_codes_have_no_accuracy(regress):
    result = regress("RUN", "--dataset", "random", "--clock", 320)
    assert "accuracy" not in result.stdout
    assert "at 320 MHz 48.71 GOP/s" in result.stdout
    assert len(regress.asked[0].lengths) == 1000


def test_random_designs(regress):
    result = regress("random", "--designs", 7, "--steps", 90, "--seed", 5, results=[Result(5, 90, 9000, 0, 900, ())])
    assert result.stdout.splitlines()[:2] == [
        "90 time steps of 5 sequences: 9000 integers compared, 0 differ",
        "900 clock cycles, 10.00 a time step",
    ]
    assert regress.asked[0] == RandomDesigns(7, 90, 5)
    assert regress("random").exit_code == 0
    assert regress.asked[0] == RandomDesigns(200, 1_000_000)


@pytest.mark.full
def test_a_run_goes_through_the_verilog_and_is_kept(ohmgate, tiny, tmp_path):
    given = ("regress", tiny / "run", "--workers", 1, "--out", tmp_path)
    first = ohmgate(*given)
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith("5687 time steps of 370 sequences: ")
    lines = (tmp_path / "parts.jsonl").read_bytes()
    again = ohmgate(*given)
    assert first.stdout.splitlines()[:-1] == again.stdout.splitlines()
    assert (tmp_path / "parts.jsonl").read_bytes() == lines
    noisy = ohmgate(*given, "--noise", "paper", "--seed", 2)
    assert noisy.exit_code == 0, noisy.stdout
    assert (tmp_path / "parts.jsonl").read_bytes() != lines


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [0, 50, 100, 150])
def test_a_million_steps_of_200_random_designs(ohmgate, tmp_path, seed):
    """Its four parts together; by hand, resumable: ``ohmgate regress random``."""
    given = ("--designs", 50, "--steps", 250_000, "--seed", seed, "--workers", 1)
    result = ohmgate("regress", "random", *given, "--out", tmp_path)
    assert result.exit_code == 0, result.stdout
    assert result.stdout.startswith("250000 time steps of ")
    assert " integers compared, 0 differ\n" in result.stdout

"""``ohmgate montecarlo``: draws are kept and added to, and the report tells them."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ohmgate.cli import montecarlo
from ohmgate.firmware import image
from ohmgate.model.design import Design
from tests.designs import random_network


def test_draws_are_kept_and_added_to(ohmgate, run_folder, tmp_path):
    options = ("--preset", "paper", "--workers", 1, "--out", tmp_path)
    first = ohmgate("montecarlo", run_folder, "--draws", 2, *options)
    assert first.exit_code == 0
    assert "over 2 chips" in first.stdout
    lines = (tmp_path / "draws.jsonl").read_bytes()
    second = ohmgate("montecarlo", run_folder, "--draws", 4, "--sensitivity", 2, *options)
    assert (tmp_path / "draws.jsonl").read_bytes().startswith(lines)
    assert "over 4 chips" in second.stdout
    assert "weight noise: " in second.stdout
    assert "converter noise: " in second.stdout
    found = json.loads((tmp_path / "montecarlo.json").read_text())
    assert found["draws"] == 4
    assert [entry["source"] for entry in found["sensitivity"]] == ["weight noise", "converter noise"]
    assert "on 4 noisy chips" in (tmp_path / "montecarlo.html").read_text()


def test_errors_are_one_clear_sentence(ohmgate, run_folder):
    wrong = ohmgate("montecarlo", run_folder, "--preset", "x")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("ohmgate: error: preset, unless a number, must be one of ideal, paper, ")
    assert wrong.stderr.endswith("nor_flash or a path to a .toml file, not 'x'\n")
    for option, value, rule in (
        ("sensitivity", -1, "0 to 1000000"), ("draws", -3, "1 to 1000000"), ("share", 0, "1 to 1000000"),
        ("workers", 0, "1 to 1024"),
    ):  # fmt: skip
        wrong = ohmgate("montecarlo", run_folder, f"--{option}", value)
        assert wrong.exit_code == 2
        assert wrong.stderr == f"ohmgate: error: {option} must be an integer from {rule}, not {value}\n"
    wrong = ohmgate("montecarlo", run_folder, "--executor", "slurm")
    assert wrong.exit_code == 2
    assert wrong.stderr == "ohmgate: error: executor must be local or dask:ADDRESS, not 'slurm'\n"


def test_gains_set_anew_are_draws_of_their_own(ohmgate, run_folder, tmp_path):
    file = tmp_path / "old.toml"
    file.write_text('preset = "pcm"\n[cells]\nseconds = 1e9\n')
    options = ("--preset", file, "--draws", 1, "--workers", 1)
    assert ohmgate("montecarlo", run_folder, *options).exit_code == 0
    found = ohmgate("montecarlo", run_folder, *options, "--calibrate", "array")
    assert found.exit_code == 0, found.stderr
    scores = []
    for name in ("old", "old-array"):
        report = json.loads((run_folder / f"montecarlo/{name}/montecarlo.json").read_text())
        scores.append(report["mean"])
        assert report["preset"] == name.replace("old", "old.toml")
    assert scores[1] > scores[0] + 0.05
    mixed = ohmgate("montecarlo", run_folder, *options, "--calibrate", "gate", "--out", run_folder / "montecarlo/old")
    assert mixed.exit_code == 2
    assert "holds the draws of another study; choose another folder" in mixed.stderr
    wrong = ohmgate("montecarlo", run_folder, *options, "--calibrate", "column")
    assert wrong.exit_code == 2
    assert wrong.stderr == "ohmgate: error: calibrate must be one of array, gate, not 'column'\n"


def test_a_file_gives_the_draws_of_the_preset_it_copies(ohmgate, run_folder, tmp_path):
    file, options = tmp_path / "my.toml", ("--draws", 2, "--workers", 1)
    file.write_text('weight_noise = 0.1\nredraw = "per_sequence"\nadc_noise = "paper"\n')
    by_name = ohmgate("montecarlo", run_folder, "--preset", "paper", *options, "--out", tmp_path / "draws")
    assert by_name.exit_code == 0
    draws = tmp_path / "draws/draws.jsonl"
    kept = draws.read_bytes()
    by_file = ohmgate("montecarlo", run_folder, "--preset", file, *options)
    assert by_file.exit_code == 0, by_file.stderr
    folder = run_folder / "montecarlo/my"
    assert (folder / "draws.jsonl").read_bytes() == kept
    assert json.loads((folder / "montecarlo.json").read_text())["preset"] == "my.toml"
    assert str(tmp_path) not in (folder / "montecarlo.html").read_text()
    more = ohmgate(
        "montecarlo", run_folder, "--preset", file, "--draws", 3, *options[2:], "--out", tmp_path / "draws"
    )
    assert more.exit_code == 0, "the file's draws are the preset's, wherever it lies"
    assert draws.read_bytes().startswith(kept)
    file.write_text('weight_noise = 0.2\nredraw = "per_sequence"\nadc_noise = "paper"\n')
    changed = ohmgate("montecarlo", run_folder, "--preset", file, *options)
    assert changed.exit_code == 2
    assert changed.stderr.endswith(
        "ohmgate: error: "
        + repr(str(folder / "draws.jsonl"))
        + " holds the draws of another study; choose another folder\n"
    )


def test_the_same_bytes_with_any_number_of_workers(ohmgate, run_folder, tmp_path):
    for workers in (1, 2):
        options = ("--draws", 3, "--preset", "paper_wires", "--workers", workers, "--out", tmp_path / str(workers))
        assert ohmgate("montecarlo", run_folder, *options).exit_code == 0
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / str(n)).iterdir()} for n in (1, 2))
    assert {"draws.jsonl", "montecarlo.json", "montecarlo.html", "accuracy.png"} <= set(one)
    assert one == two


@pytest.mark.slow
def test_the_same_bytes_by_a_schedulers_workers(ohmgate, run_folder, tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    call = partial(ohmgate, "montecarlo", run_folder, "--draws", 4, "--out")
    with distributed.LocalCluster(**options, dashboard_address=None) as cluster:
        to = ("--executor", f"dask:{cluster.scheduler_address}")
        assert call(tmp_path / "many", "--draws", 2, *to).exit_code == 0
        assert call(tmp_path / "many", *to).exit_code == 0
    assert call(tmp_path / "one", "--workers", 1).exit_code == 0
    many, one = ((tmp_path / name / "draws.jsonl").read_bytes() for name in ("many", "one"))
    assert many == one
    gone = call(tmp_path / "gone", *to)
    assert gone.exit_code == 2
    said = f"executor must be a running scheduler's address, but {cluster.scheduler_address!r} has none"
    assert gone.stderr.splitlines()[-1] == f"ohmgate: error: {said}"


def test_a_design_is_trained_once(ohmgate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_epochs = partial(montecarlo.train_run, protocol={"epochs": 2})
    monkeypatch.setattr(montecarlo, "train_run", two_epochs)
    first = ohmgate("montecarlo", "vowels", "--draws", 1, "--workers", 1)
    assert "test accuracy" in first.stdout
    assert (tmp_path / "runs/vowels/montecarlo/paper/draws.jsonl").exists()
    again = ohmgate("montecarlo", "vowels", "--draws", 1, "--workers", 1)
    assert "test accuracy" not in again.stdout
    assert first.stdout.endswith(again.stdout)


def test_wires_that_are_left_out_are_told(ohmgate, run_folder, tmp_path):
    options = ("--draws", 1, "--workers", 1, "--out")
    mram = ohmgate("montecarlo", run_folder, "--preset", "mram", *options, tmp_path / "mram")
    assert mram.exit_code == 0, mram.stderr
    assert re.search(
        r"^warning: the array of mram cells has no wires; 1 ohm a segment would take \d+% of a column's current in layer 0, "
        r"45 x 128$",
        mram.stderr, re.MULTILINE,
    )  # fmt: skip
    paper = ohmgate("montecarlo", run_folder, "--preset", "paper", *options, tmp_path / "paper")
    assert "warning" not in paper.stderr


def test_each_row_tile_has_a_budget_of_its_own(ohmgate, tmp_path):
    """Inputs and a few hidden rows, at coarser steps; hidden rows and the bias; the head."""
    design = Design.load("vowels")
    inner = replace(design.layers[0], tile_rows=23, tile_columns=64, input_tile_shift=2)
    network = random_network(replace(design, layers=(inner, design.layers[1])), np.random.default_rng(0))
    image.write(tmp_path / "tiles.image", network)
    made = ohmgate("montecarlo", tmp_path / "tiles.image", "--draws", 1, "--preset", "paper", "--workers", 1,
                   "--out", tmp_path / "out")  # fmt: skip
    assert made.exit_code == 0, made.stderr
    told = json.loads((tmp_path / "out" / "montecarlo.json").read_text())
    assert [(each["layer"], each["row_tile"]) for each in told["budgets"]] == [(0, 0), (0, 1), (1, 0)]
    first, second, head = (each["lsb"] for each in told["budgets"])
    gain = network.layers[0].mult / 2.0 ** network.layers[0].shift
    square = np.mean(np.arange(-7, 8) ** 2)  # of a row's code
    for found, tile, steps in ((first, inner.row_slices[0], 4), (second, inner.row_slices[1], 1)):
        rows = tile.stop - tile.start
        expected = 0.1 * 14 * np.sqrt(rows * square * (gain**2).mean()) / steps
        assert found["weight noise"] == pytest.approx(expected, rel=0.1)
        assert found["converter noise"] == pytest.approx(12**-0.5, rel=0.1)
    assert head["converter noise"] == pytest.approx(12**-0.5, rel=0.1)
    page = (tmp_path / "out" / "montecarlo.html").read_text()
    assert "Layer 0: lstm, row tile 1 of 2: array of 22 x 128" in page
    assert "Layer 1: dense, array of" in page

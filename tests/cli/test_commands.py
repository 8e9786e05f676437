"""Each command's happy path, by what it leaves and prints."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware import image
from ohmgate.model.design import Design
from ohmgate.train import training
from ohmgate.train.data import datasets
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train
from ohmgate.train.usage import usage_of_sequences


def test_help_names_every_command(ohmgate):
    result = ohmgate("--help")
    assert result.exit_code == 0
    for name in (
        "demo",
        "train",
        "pack",
        "inspect",
        "diff",
        "generate",
        "simulate",
        "array",
        "montecarlo",
        "lint",
        "synth",
        "timing",
        "power",
    ):
        assert re.search(rf"\b{name}\b", result.stdout)
        page = ohmgate(name, "--help")
        assert page.exit_code == 0
        assert "Example" in page.stdout


def test_train_leaves_a_run_that_pack_turns_into_the_trained_network(run_folder):
    config = json.loads((run_folder / "config.json").read_text())
    assert config["design"] == Design.load("vowels").to_dict()
    assert config["train"]["epochs"] == 2
    expected = train(Design.load("vowels"), load_dataset("vowels"), replace(PROTOCOLS["vowels"], epochs=2))
    assert image.read(run_folder / "vowels.image") == expected.network
    results = json.loads((run_folder / "results.json").read_text())
    assert results["accuracy"] == {"quantised_0": expected.accuracy}
    assert results["balanced_accuracy"] == {"quantised_0": expected.scores["balanced_accuracy"]}
    labels, counts = load_dataset("vowels").test.labels, np.array(results["confusion"]["quantised_0"])
    assert counts.sum(axis=1).tolist() == np.bincount(labels).tolist()
    assert counts[2, 5] == ((labels == 2) & (expected.predictions == 5)).sum()
    recall = results["recall"]["quantised_0"]
    assert list(recall) == [f"speaker {k}" for k in range(1, 10)]
    assert np.mean(list(recall.values())) == pytest.approx(expected.scores["balanced_accuracy"])
    assert recall["speaker 3"] == counts[2, 2] / 88
    assert [epoch["loss"] for epoch in results["epochs"]["quantised_0"]] == list(expected.losses)
    assert (run_folder / "plots/curves_quantised_0.png").stat().st_size > 5000
    usage = usage_of_sequences(
        expected.model, load_dataset("vowels").test, expected.network.input_scale, expected.network.input_offset
    )
    shares = {u.name: {"inputs": u.inputs_clipped, "adc": u.adc_clipped.tolist()} for u in usage}
    assert results["clipped"] == {"quantised_0": shares}
    assert list(results["units"]) == ["accuracy", "balanced_accuracy", "recall", "confusion", "epochs", "clipped"]
    assert (
        results["units"]
        | {
            "accuracy": "share of the test sequences that are classified rightly, 0 to 1",
            "clipped": "share of inputs and of conversions beyond the lowest and highest code, 0 to 1",
        }
        == results["units"]
    )
    assert 0 < shares["layers.0"]["inputs"] < 0.1
    assert (run_folder / "plots/codes_quantised_0.png").stat().st_size > 5000


def test_train_again_repeats_nothing_and_gives_the_same_files(ohmgate, run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    before = {p.name: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert ohmgate("train", "vowels", "--epochs", 2, "--out", copy).exit_code == 0
    assert {p.name: p.read_bytes() for p in copy.rglob("*") if p.is_file()} == before


def test_a_finished_run_is_what_a_longer_one_begins_with(ohmgate, run_folder, tmp_path):
    """With sequences held back: the progress says how good it is on them."""
    given = (
        "--start",
        run_folder,
        "--epochs",
        1,
        "--learning-rate",
        0,
        "--validation",
        0.2,
        "--out",
        tmp_path / "on",
    )
    done = ohmgate("train", "vowels", *given)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"Training quantised_0: done in .* s, test accuracy", done.stderr)
    config = json.loads((tmp_path / "on/config.json").read_text())
    assert (tmp_path / "on" / config["start"]).resolve() == run_folder.resolve()
    weights = [image.read(file).layers for file in (run_folder / "vowels.image", tmp_path / "on/vowels.image")[:1]]
    assert ohmgate("pack", tmp_path / "on").exit_code == 0
    again = image.read(tmp_path / "on/vowels.image").layers
    assert np.abs(again[0].weights - weights[0][0].weights).mean() < 1
    (epoch,) = json.loads((tmp_path / "on/results.json").read_text())["epochs"]["quantised_0"]
    assert 0 < epoch["validation_score"] < 1
    assert epoch["learning_rate"] == 0


def test_float_baselines_are_trained_on_request(ohmgate, tmp_path):
    result = ohmgate("train", "vowels", "--epochs", 1, "--float", "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == [
        "float_0.safetensors",
        "quantised_0.safetensors",
    ]


def test_pack_of_a_checkpoint_gives_the_bytes_of_the_run_without_its_data(ohmgate, run_folder, tmp_path, monkeypatch):
    monkeypatch.delenv("OHMGATE_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: pytest.fail("data are loaded"))
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("it trains"))
    out = tmp_path / "other.image"
    checkpoint = run_folder / "checkpoints/quantised_0.safetensors"
    assert ohmgate("pack", checkpoint, "--out", out).exit_code == 0
    assert out.read_bytes() == (run_folder / "vowels.image").read_bytes()


def test_inspect_shows_design_and_geometry(ohmgate, run_folder):
    text = ohmgate("inspect", run_folder / "vowels.image").stdout
    assert Design.load("vowels").fingerprint in text
    assert "45 rows (12 inputs + 32 hidden + 1 bias) x 128 columns" in text


def test_diff_tells_equal_from_different(ohmgate, run_folder, tmp_path):
    a = run_folder / "vowels.image"
    same = ohmgate("diff", a, run_folder)
    assert (same.exit_code, same.stdout) == (0, "the images hold the same network\n")
    network = image.read(a)
    network.layers[0].weights[3, 5] += 1 if network.layers[0].weights[3, 5] < 7 else -1
    image.write(tmp_path / "b.image", network)
    changed = ohmgate("diff", a, tmp_path / "b.image")
    assert (changed.exit_code, changed.stdout) == (1, "layer 0: weights: 1 of 5760 codes differ, by at most 1\n")


def test_generate_writes_the_same_bytes_in_any_folder(ohmgate, tmp_path):
    for name in ("a", "b"):
        assert ohmgate("generate", "vowels", "--out", tmp_path / name).exit_code == 0
    folders = (tmp_path / "a", tmp_path / "b")
    a, b = ({str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert a == b
    assert {"vowels.v", "vowels.vlt", "vowels.json", "vowels_registers.md", "ohmgate.h", "ohmgate.c"} <= set(a)


def test_lint_is_clean(ohmgate):
    result = ohmgate("lint", "vowels")
    assert (result.exit_code, result.stdout) == (
        0,
        "vowels: clean with blackbox and behavioural views of the arrays\n",
    )


@pytest.mark.slow
def test_synth_reports_cells_and_no_faults(ohmgate, tmp_path):
    result = ohmgate("synth", "vowels", "--target", "ecp5", "--json", tmp_path / "report.json")
    assert result.exit_code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["latches"] == 0
    assert report["cells"]["TRELLIS_FF"] == report["flip_flops"] > 1000
    assert "| faults | none |" in result.stdout


@pytest.mark.slow
def test_simulate_compares_the_verilog_with_noise_and_waves(ohmgate, run_folder):
    arguments = ("--sequences", 2, "--simulator", "icarus", "--noise", "paper", "--waves")
    result = ohmgate("simulate", run_folder, *arguments)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^\d+ integers compared, 0 differ$", result.stdout, flags=re.MULTILINE)
    folder = run_folder / "simulation/vowels_icarus_waves"
    saved = (folder / "waves.gtkw").read_text()
    assert (folder / "waves.fst").stat().st_size > 1000
    assert "ohmgate_bench.d0.array_0.macro.row_codes[175:0]" in saved
    assert "ohmgate_bench.d0__x__valid" in saved


@pytest.mark.slow
def test_demo_tells_the_whole_story(ohmgate, tmp_path):
    out = tmp_path / "demo"
    arguments = ("--seeds", 1, "--epochs", 2, "--utterances", 3, "--draws", 2)
    result = ohmgate("demo", "--out", out, *arguments)
    assert result.exit_code == 0, result.stderr
    assert "every level gives the same integers" in result.stdout
    results = json.loads((out / "results.json").read_text())
    levels = {level["name"]: level for level in results["levels"]}
    assert list(levels) == [
        "PyTorch evaluation",
        "Integer reference",
        "Noiseless array model",
        "Verilog",
        "Verilog, noisy array",
    ]
    page_verdict = "<b>Every level gives the same integers.</b>"
    compared = {name: level for name, level in levels.items() if name != "Integer reference"}
    assert all((level["mismatches"], level["violations"]) == (0, []) for level in compared.values())
    assert all(level["integers"] > 10_000 for level in compared.values())
    assert page_verdict in (out / "report.html").read_text()
    exact = [levels[n]["accuracy"] for n in ("PyTorch evaluation", "Integer reference", "Noiseless array model")]
    assert exact[0] == exact[1] == exact[2] == results["accuracy"]["quantised_0"]
    lengths = load_dataset("vowels").test.lengths[:3]
    assert results["registers"]["STEPS"] == lengths.sum()
    with np.load(out / "traces/utterance_0_layer_0.npz") as trace:
        assert trace["cell"].shape == (lengths[0], 32)
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=.?(https?:)?//", page)  # nothing is fetched


def test_a_second_program_finds_the_entry_point():
    done = subprocess.run([sys.executable, "-m", "ohmgate.cli.main", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "ohmgate demo" in done.stdout


def test_version_and_short_help(ohmgate):
    assert ohmgate("--version").stdout == f"ohmgate {metadata.version('ohmgate')}\n"
    assert ohmgate("-h").stdout == ohmgate("--help").stdout
    assert ohmgate("pack", "-h").stdout == ohmgate("pack", "--help").stdout


@pytest.mark.parametrize("package", ["model", "hdl", "train"])
def test_a_folder_is_no_package_by_itself(package):
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", f"import {package}"], cwd=root, capture_output=True, text=True)
    assert done.stderr.endswith(f"ImportError: the name of this package is ohmgate.{package}, not {package}\n")


def test_the_package_runs_as_a_module_and_has_the_names_of_a_notebook():
    text = (
        "import ohmgate, sys; print(ohmgate.__version__, 'torch' in sys.modules); print(ohmgate.QuantLSTM.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == f"{metadata.version('ohmgate')} False\nohmgate.train.layers.modules\n"
    done = subprocess.run([sys.executable, "-m", "ohmgate", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ohmgate {metadata.version('ohmgate')}\n"

"""Every error is one sentence on standard error with exit status 2, and leaves nothing behind."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware import image
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.sim.levels import compare_results


def refused(result) -> str:
    assert result.exit_code == 2, result.stdout
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("ohmgate: error: ")
    return lines[-1].removeprefix("ohmgate: error: ")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("train", "vowls"), "design must be one of"),
        (("train", "none.toml"), "cannot read design 'none.toml': No such file or directory"),
        (("train", "vowels", "--seeds", 0), "seeds must be an integer from 1 to 1000, not 0"),
        (("train", "vowels", "--epochs", 0), "epochs must be an integer from 1 to 100000, not 0"),
        (("train", "vowels", "--dataset", "cats"), "data set must be one of"),
        (("train", "har", "--data", "."), "the data folder must have the file 'har.npz'"),
        (("train", "names", "--data", "."), "the data folder must have the file 'names/Arabic.txt'"),
        (("train", "ptb", "--data", "."), "the data folder must have the file 'ptb/ptb.train.txt.gz'"),
        (("train", "har", "--dataset", "vowels"), "a design for vowels must have 12 inputs, not 9"),
        (
            ("train", "other.toml"),
            "--dataset must be given for design 'other', which has no data set of its own: vowels, har, names, ptb; "
            "a design for vowels must have 12 inputs, not 3",
        ),
        (("train", "vowels", "--quantiser", "best"), "weight quantiser must be one of absmax, percentile, sawb"),
        (("train", "vowels", "--weight-noise", -1), "weight noise must be a number from 0 to 1000, not -1.0"),
        (
            ("train", "vowels", "--patience", 3),
            "validation must be above 0 where a run stops early or keeps its best epoch",
        ),
        (
            ("train", "vowels", "--validation", 0.2, "--patience", 3, "--keep", "last"),
            "keep must be best where a run stops early (--patience 3), not 'last'",
        ),
        (("train", "vowels", "--validation", 2), "validation must be a number from 0 to 0.9, not 2.0"),
        (("train", "vowels", "--keep", "first"), "keep must be one of last, best, not 'first'"),
        (("train", "vowels", "--class-weights", "x"), "class weights must be one of none, balanced, not 'x'"),
        (("train", "vowels", "--float-epochs", 1), "float epochs must be a number from 0 to 0.99, not 1.0"),
        (
            ("train", "vowels", "--curve", 51),
            "curve, the read voltage over V0, must be a number from 0 to 50, not 51.0",
        ),
        (("train", "vowels", "--noise-ramp", 2), "noise ramp must be a number from 0 to 1, not 2.0"),
        (("train", "vowels", "--noiseless", 2), "noiseless must be a number from 0 to 1, not 2.0"),
        (("train", "vowels", "--snr", 500), "SNR in dB must be a number from -100 to 300, not 500.0"),
        (
            ("train", "vowels", "--snr", 0),
            "a training at an SNR of fixed power must start from a network that has signals",
        ),
        (
            ("train", "vowels", "--distil", 0.5),
            "a training that distils must start from a float network, which is the teacher",
        ),
        (
            ("train", "vowels", "--snr-site", "rows"),
            "--snr-site and --snr-power must come with --snr, but it is not given",
        ),
        (
            ("train", "vowels", "--snr", 0, "--adc-noise", 1),
            "a training at an SNR must have no other noise, no noise ramp and no float epochs",
        ),
        (("train", "vowels", "--start", "nowhere"), "cannot use 'nowhere': No such file or directory"),
        (
            ("train", "vowels", "--start", "."),
            "run folder '.' must have the checkpoint 'quantised_0' to start from, but has none",
        ),
        (("train", "vowels", "--redraw", "never"), "weight noise redraw must be one of"),
        (("train", "vowels", "--dac-noise", -1), "DAC noise must be a number from 0 to 1000, not -1.0"),
        (("train", "vowels", "--drop-connect", 1), "drop-connect must be a number from 0 up to but not 1, not 1.0"),
        (("generate", "vowls"), "'vowls' must be a design (har, names, ptb, vowels, or a .toml file)"),
        (("demo", "--utterances", 371), "utterances must be an integer from 1 to 370, not 371"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(ohmgate, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    Path("other.toml").write_text('name = "other"\n[[layer]]\nkind = "lstm"\ninputs = 3\nhidden = 1\nadcs = 4\n')
    assert refused(ohmgate(*arguments, "--out", tmp_path / "out")).startswith(sentence)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ("montecarlo", "none.image", "--vote-over", "chips"),
            "--vote-over chips must come with --votes of 2 or more, not 1",
        ),
        (("inspect", "none.image"), "'none.image' must be a design (har, names, ptb, vowels, or a .toml file)"),
        (("diff", "none.image", "b"), "cannot read image 'none.image': No such file or directory"),
        (("pack", "."), "'.' must be a run folder with a config.json in it"),
        (
            ("pack", "none.safetensors", "--seed", 1),
            "--seed chooses a checkpoint of a run folder, which 'none.safetensors' is not",
        ),
        (
            ("array", "vowels", "--spice", "x", "--report", "./x"),
            "--spice and --report must be two files, not both 'x'",
        ),
        (("pack", "none.safetensors"), "cannot use 'none.safetensors': No such file or directory"),
        (("regress", "none.image"), "cannot read image 'none.image': No such file or directory"),
        (("regress", "random", "--dataset", "har"), "--dataset is for an image or a run, not for random"),
        (("regress", "random", "--noise", "paper"), "--noise is for an image or a run, not for random"),
        (("regress", "random", "--back-door"), "--back-door is for an image or a run, not for random"),
        (("regress", "x", "--designs", 3), "--designs is for random, not for an image or a run"),
        (("regress", "random", "--designs", 0), "designs must be an integer from 1 to 100000, not 0"),
        (("regress", "random", "--steps", 3), "steps must be an integer from 200 to 1000000000000, not 3"),
        (("regress", "x", "--workers", 0), "workers must be an integer from 1 to 1024, not 0"),
        (("regress", "x", "--clock", 0), "clock must be a number from 0.001 to 1e+06, not 0.0"),
        (("regress", "x", "--conversion", 1), "conversion must be an integer from 2 to 60000, not 1"),
        (("regress", "random", "--executor", "x"), "executor must be local or dask:ADDRESS, not 'x'"),
        (("simulate", "."), "'.' must be a run folder with a config.json in it"),
        (("simulate", "none.image"), "cannot read image 'none.image': No such file or directory"),
        (("simulate", "none.image", "--simulator", "vcs"), "simulator must be one of verilator, icarus, not 'vcs'"),
        (
            ("simulate", "x", "--noise", "loud"),
            "noise, unless a number, must be one of ideal, paper, paper_adc, paper_cells, paper_wires, reram, pcm, aimc, mram, "
            "nor_flash or a path to a .toml file, not 'loud'",
        ),
        (
            ("simulate", "x", "--noise", "a.toml"),
            "cannot read array configuration 'a.toml': No such file or directory",
        ),
        (("simulate", "x", "--noise", "7"), "weight noise must be a number from 0 to 1, not 7.0"),
        (("synth", "vowels", "--target", "liberty"), "target liberty must have a Liberty file, but none is given"),
        (("synth", "vowels", "--target", "paper"), "target must be one of"),
        (("synth", "vowels", "--liberty", "a.lib"), "a Liberty file is for the target liberty, not for generic"),
        (("timing", "vowels", "--liberty", "a.lib"), "target liberty must have a Liberty file, and 'a.lib' is none"),
        (
            ("timing", "vowels", "--liberty", "README.md", "--clock-ns", "0"),
            "the clock's period must be above 0 and below a million ns, not 0",
        ),
        (("synth", "vowels", "--place"), "place and route is for the target ecp5, not for generic"),
        (("lint", "none.toml"), "cannot read design 'none.toml': No such file or directory"),
    ],
)
def test_what_is_not_there_is_named(ohmgate, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert refused(ohmgate(*arguments)).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, what",
    [
        (("generate", "vowels", "--out", ""), "--out"),
        (("generate", "vowels", "--out="), "--out"),
        (("inspect", ""), "an argument"),
        (("train", "vowels", "--out", "run", "--dataset", ""), "--dataset"),
        (("array", "--trace", "vowels", ""), "an argument"),
    ],
)
def test_an_empty_argument_is_no_path(ohmgate, tmp_path, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    assert refused(ohmgate(*arguments)) == f"{what} must not be empty, as it is where a variable is not set"
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_exit_with_2(ohmgate):
    assert ohmgate("train").exit_code == 2
    assert ohmgate("trian").exit_code == 2
    assert ohmgate("inspect", "--colour").exit_code == 2


def test_a_damaged_image_is_refused_by_section(ohmgate, run_folder, tmp_path):
    data = bytearray((run_folder / "vowels.image").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.image").write_bytes(data)
    assert "section" in refused(ohmgate("inspect", tmp_path / "bad.image"))


def test_a_run_folder_keeps_to_its_run(ohmgate, run_folder, tmp_path):
    before = (run_folder / "config.json").read_bytes()
    sentence = refused(ohmgate("train", "vowels", "--epochs", 3, "--out", run_folder))
    said = f"run folder {str(run_folder)!r} belongs to another run, whose "
    assert (
        sentence
        == f"{said}train.epochs is 2, not 3; choose another folder, with --start {run_folder} to begin with these weights"
    )
    other = tmp_path / "other.toml"
    other.write_text((Path(__file__).parents[2] / "designs/vowels.toml").read_text().replace("adcs = 16", "adcs = 8"))
    sentence = refused(ohmgate("train", other, "--epochs", 2, "--out", run_folder))
    assert sentence == f"{said}design.layer[0].adcs is 16, not 8; choose another folder"
    assert (run_folder / "config.json").read_bytes() == before


def test_an_unfinished_or_float_checkpoint_is_not_packed(ohmgate, run_folder, tmp_path, monkeypatch):
    from ohmgate.train import checkpoint

    path = run_folder / "checkpoints/quantised_0.safetensors"
    state = checkpoint.read_state(path)
    monkeypatch.setattr(checkpoint, "read_state", lambda p: replace(state, epoch=1))
    assert "stopped after epoch 1 of 2" in refused(ohmgate("pack", path, "--out", tmp_path / "a.image"))
    floating = state.run | {"config": state.run["config"] | {"floating": True}}
    monkeypatch.setattr(checkpoint, "read_state", lambda p: replace(state, run=floating))
    assert "must be of a quantised run" in refused(ohmgate("pack", path, "--out", tmp_path / "a.image"))
    assert list(tmp_path.iterdir()) == []


def test_a_seed_that_did_not_run_is_not_packed(ohmgate, run_folder, tmp_path):
    sentence = refused(ohmgate("pack", run_folder, "--seed", 9))
    assert sentence == f"seed must be one of those that run folder {str(run_folder)!r} has (0), not 9"
    (tmp_path / "config.json").write_bytes((run_folder / "config.json").read_bytes())
    assert refused(ohmgate("pack", tmp_path)).endswith(" has (none), not 0")


def test_other_files_beside_the_checkpoints_are_no_seeds(ohmgate, run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    for name in ("quantised_1x", "quantised_007", "quantised_0_copy"):
        (tmp_path / "run/checkpoints" / f"{name}.safetensors").touch()
    assert refused(ohmgate("pack", tmp_path / "run", "--seed", 7)).endswith(" has (0), not 7")
    assert ohmgate("pack", tmp_path / "run/checkpoints/quantised_0.safetensors").exit_code == 0
    assert (tmp_path / "run/checkpoints/quantised_0.image").exists()
    missing = tmp_path / "nothere"
    assert refused(ohmgate("pack", missing)) == f"cannot use '{missing}': No such file or directory"


def test_an_image_goes_into_a_folder_that_is_made_for_it(ohmgate, run_folder, tmp_path):
    assert ohmgate("pack", run_folder, "--out", tmp_path / "new" / "folder" / "x.image").exit_code == 0
    assert (tmp_path / "new/folder/x.image").read_bytes() == (run_folder / "vowels.image").read_bytes()
    (tmp_path / "file").touch()
    sentence = refused(ohmgate("pack", run_folder, "--out", tmp_path / "file" / "x.image"))
    assert sentence == f"cannot use '{tmp_path}/file/x.image': Not a directory"


def test_a_run_without_an_image_says_how_to_make_it(ohmgate, tmp_path):
    config = {"design": Design.load("vowels").to_dict(), "dataset": "vowels"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert refused(ohmgate("simulate", tmp_path)).endswith(f"make it with: ohmgate pack {tmp_path}")


def test_a_design_of_another_fingerprint_is_refused(ohmgate, run_folder):
    sentence = refused(ohmgate("simulate", run_folder, "--design", "har"))
    assert sentence.startswith("design 'har' must have the image's fingerprint")


def test_a_folder_that_cannot_be_written_is_named(ohmgate, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot" in refused(ohmgate("train", "vowels", "--out", tmp_path / "file/run"))
    assert "cannot" in refused(ohmgate("generate", "vowels", "--out", tmp_path / "file/run"))


def test_differing_integers_are_counted_and_named(run_folder):
    network = image.read(run_folder / "vowels.image")
    codes, lengths = np.zeros((2, 3, 12), dtype=np.int64), np.array([3, 2])
    result = reference.run(network, codes, lengths)
    changed = replace(result.layers[0], cell=result.layers[0].cell.copy())
    changed.cell[1, 1, 4] += 5
    changed.cell[1, 2, 4] += 5  # past the sequence's end: not an integer of the network
    other = reference.Result(result.out, [changed, *result.layers[1:]])
    found = compare_results(network, result, other, lengths)
    value = int(result.layers[0].cell[1, 1, 4])
    assert found.mismatches == 1
    assert found.integers == 5 * (45 + 128 + 128 + 32 + 32 + 32) + 2 * (33 + 9 + 1)
    assert str(found.first) == f"layer 0, sequence 1, step 1, unit 4, cell state: expected {value}, got {value + 5}"


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_sentence_and_nothing_half_written(tmp_path):
    """A limit on a file's size stands for it: as with a full disk, a write fails half-way."""
    command = [sys.executable, "-m", "ohmgate.cli.main", "train", "vowels", "--epochs", "1", "--out", "run"]
    child = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert child.returncode == 2
    sentence = child.stderr.splitlines()[-1]
    assert sentence.startswith("ohmgate: error: cannot use 'run/checkpoints/quantised_0.safetensors': ")
    assert "File too large" in sentence
    assert "Traceback" not in child.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["config.json"]


def test_generate_makes_no_folder_for_what_it_refuses(ohmgate, tmp_path):
    path = tmp_path / "wide.toml"
    path.write_text('name = "wide"\n[[layer]]\nkind = "lstm"\ninputs = 1\nhidden = 1\nadcs = 4\nadc_bits = 9\n')
    sentence = refused(ohmgate("generate", path, "--out", tmp_path / "out"))
    assert sentence == "layer 0: ADC bits of a design for RTL must be an integer from 1 to 8, not 9"
    assert [p.name for p in tmp_path.iterdir()] == ["wide.toml"]


@pytest.mark.parametrize("name", ["vowels.v", "vowels.json", "ohmgate.h", "ohmgate.c"])
def test_generate_changes_nothing_where_a_folder_is_in_the_way(ohmgate, tmp_path, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    sentence = refused(ohmgate("generate", "vowels", "--out", tmp_path / "out"))
    assert sentence == f"cannot write the folder {str(tmp_path / 'out')!r}: {name!r} is a folder"
    assert [p.name for p in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, what, status", [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_an_interrupt_is_one_line_and_a_status(number, what, status, tmp_path):
    command = [sys.executable, "-m", "ohmgate.cli.main", "train", "vowels", "--epochs", "5000", "--out", "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("run/checkpoints/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == status
    assert out == ""
    assert err.splitlines()[-1] == f"ohmgate: {what}; finished epochs of a training run are kept"
    assert "Traceback" not in err

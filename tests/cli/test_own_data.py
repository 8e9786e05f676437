"""A user's own .npz file by commands; the whole way of values is the tutorial forecast.md (tests/test_docs.py)."""

import csv
import json
import os

import numpy as np
import pytest

from ohmgate.cli.values import write_values
from ohmgate.firmware import image
from ohmgate.model import reference
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.levels import chip_codes
from tests.cli.test_errors import refused
from tests.sim.test_compare import ideal_record, job

DESIGN = """name = "own"
[[layer]]
kind = "lstm"
inputs = 2
hidden = 4
adcs = 8
[[layer]]
kind = "dense"
inputs = 4
outputs = 3
adcs = 3
adc_bits = 8
output = "codes"
emit = "step"
"""


@pytest.fixture(scope="module")
def own(ohmgate, tmp_path_factory):
    """A folder with own.toml and own.npz, values on every step, and a run of one epoch with its image."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.toml").write_text(DESIGN)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4, 2)), rng.normal(size=(20, 4, 3)) * [1, 50, 2000]
    np.savez(folder / "own.npz", x=x, y=y, outputs=["a in m", "b in s", 'c, "big"'], length=rng.integers(1, 5, 20))
    made = ohmgate(
        "train", folder / "own.toml", "--dataset", folder / "own.npz", "--epochs", 1, "--out", folder / "runs/own"
    )
    assert made.exit_code == 0, made.stderr
    assert "test RMSE" in made.stdout
    assert ohmgate("pack", folder / "runs/own").exit_code == 0
    return folder


def test_a_run_knows_its_file_and_its_scores(own):
    config = json.loads((own / "runs/own/config.json").read_text())
    assert config["dataset"] == "../../own.npz"
    assert len(config["data_sha256"]) == 64
    results = json.loads((own / "runs/own/results.json").read_text())
    assert set(results) == {"rmse", "mae", "rmse_by_output", "epochs", "clipped", "units"}
    by_output = results["rmse_by_output"]["quantised_0"]
    assert list(by_output) == ["a in m", "b in s", 'c, "big"']
    assert results["rmse"]["quantised_0"] ** 2 == pytest.approx(sum(e**2 for e in by_output.values()) / 3)
    assert by_output["a in m"] < by_output["b in s"] < by_output['c, "big"']
    assert results["rmse"]["quantised_0"] > results["mae"]["quantised_0"] > 10
    assert results["units"]["mae"] == "mean absolute error of the test sequences' values, in their own units"
    assert image.read(own / "runs/own/own.image").labels == ("a in m", "b in s", 'c, "big"')


def test_montecarlo_scores_values(ohmgate, own, monkeypatch):
    monkeypatch.chdir(own)
    done = ohmgate("montecarlo", "runs/own", "--draws", 2, "--workers", 1)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("RMSE ")
    again = ohmgate(
        "montecarlo", "runs/own/own.image", "--draws", 2, "--workers", 1, "--dataset", "own.npz", "--out", "x"
    )
    assert again.stdout.splitlines()[0] == done.stdout.splitlines()[0]


def test_a_file_that_has_changed_is_refused(ohmgate, own):
    path, kept = own / "own.npz", (own / "own.npz").read_bytes()
    try:
        path.write_bytes(kept + b"more")
        sentence = refused(ohmgate("montecarlo", own / "runs/own"))
        assert sentence == (
            f"data file {str(path)!r} must be as run folder {str(own / 'runs/own')!r} was trained on it, but has changed; "
            f"take it as it is with --dataset {path}"
        )
        given = ("--dataset", path, "--epochs", 1, "--out", own / "runs/own")
        sentence = refused(ohmgate("train", own / "own.toml", *given))
        assert sentence.startswith(
            f"run folder {str(own / 'runs/own')!r} belongs to another run, whose data_sha256 is "
        )
        os.remove(path)
        assert (
            refused(ohmgate("montecarlo", own / "runs/own")) == f"cannot use {str(path)!r}: No such file or directory"
        )
    finally:
        path.write_bytes(kept)


def test_data_and_design_that_do_not_fit_are_refused(ohmgate, own, tmp_path):
    given = ("--dataset", own / "own.npz", "--out", tmp_path / "run")
    assert refused(ohmgate("train", "vowels", *given)) == "a design for own.npz must have 12 inputs, not 2".replace(
        "12 inputs, not 2", "2 inputs, not 12"
    )
    np.savez(tmp_path / "classes.npz", x=np.zeros((9, 2, 2)), y=np.arange(9) % 3)
    sentence = refused(
        ohmgate("train", own / "own.toml", "--dataset", tmp_path / "classes.npz", "--out", tmp_path / "run")
    )
    assert sentence == (
        "a design for classes.npz must end in a dense layer of 3 outputs that emits at the end, not 3 of dense"
    )
    assert not (tmp_path / "run").exists()
    sentence = refused(ohmgate("simulate", own / "runs/own", "--dataset", "none.npz", "--simulator", "icarus"))
    assert sentence == "cannot use 'none.npz': No such file or directory"


def test_values_of_classes_are_refused(ohmgate, run_folder, tmp_path):
    sentence = refused(ohmgate("simulate", run_folder, "--values", tmp_path / "x.csv", "--simulator", "icarus"))
    assert sentence == "--values needs a last layer that gives codes, not the number of a class"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("emit", ["end", "step"])
def test_every_result_of_a_chip_is_written_in_units(tmp_path, capsys, emit):
    layers = (
        LstmLayer(inputs=3, hidden=4, adcs=4),
        DenseLayer(inputs=4, outputs=2, adcs=2, output="codes", emit=emit),
    )
    one = job(layers)
    one = type(one)(one.network.in_units(output_scale=[2.0, 30.0], output_offset=[0, 100]), one.codes, one.lengths)
    out = reference.run(one.network, one.codes, one.lengths).out
    decoded = one.network.decode(out)
    right = decoded + 1.0
    write_values(tmp_path / "values.csv", one, ideal_record(one), right)
    assert capsys.readouterr().out.endswith("values.csv, RMSE 1\n")
    with (tmp_path / "values.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [
        (b, t) for b, length in enumerate(one.lengths) for t in range(length) if emit == "step" or t == length - 1
    ]
    assert len(rows) == 2 * len(steps) == (16 if emit == "step" else 6)
    for (b, t), pair in zip(steps, zip(rows[::2], rows[1::2])):
        for output, row in enumerate(pair):
            at = (b, output) if emit == "end" else (b, t, output)
            assert (row["sequence"], row["step"], row["output"]) == (str(b), str(t), one.network.labels[output])
            assert (int(row["code"]), float(row["value"]), float(row["right"])) == (out[at], decoded[at], right[at])
    record = ideal_record(one)
    del record.out[1:]
    write_values(tmp_path / "values.csv", one, record, None)
    assert len((tmp_path / "values.csv").read_text().splitlines()) == 3
    record.out.clear()
    assert chip_codes(one, record)[1].shape == (0, 2)


def test_what_no_hardware_takes_is_not_sent_to_pack(ohmgate, own, tmp_path):
    wide = DESIGN.replace("adcs = 8\n", "adcs = 8\ndac_bits = 9\n").replace("adcs = 3\n", "adcs = 3\ndac_bits = 9\n")
    (tmp_path / "own.toml").write_text(wide)
    made = ohmgate(
        "train", tmp_path / "own.toml", "--dataset", own / "own.npz", "--epochs", 1, "--out", tmp_path / "run"
    )
    assert made.exit_code == 0, made.stderr
    assert made.stdout.endswith("; no hardware takes its 9 DAC bits\n")
    assert "image holds at most 8 DAC bits, not 9" in refused(ohmgate("pack", tmp_path / "run"))

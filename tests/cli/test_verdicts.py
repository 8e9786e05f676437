"""Exit status 1: a comparison failed. The verdict names the first difference, counts the others, and keeps them all."""

import csv

import numpy as np
import pytest

from ohmgate.cli import demo
from ohmgate.hdl import element_wise
from ohmgate.hdl.arithmetic import times_full_scale
from ohmgate.model.compare import Comparison, Mismatch
from ohmgate.model.layers import DenseLayer
from ohmgate.model.reference import run
from ohmgate.report import demo as report
from ohmgate.sim.cosim import DeviceResult
from ohmgate.sim.levels import Level, Sequences, rtl_classes
from ohmgate.sim.simulators import missing_tools
from tests.sim.test_compare import HEADS, LAYERS, ideal_record, job


@pytest.mark.slow
def test_simulate_with_a_broken_rounding_ends_with_1(ohmgate, tiny, tmp_path, monkeypatch):
    problem = missing_tools("icarus")
    if problem:
        pytest.skip(problem)
    file = tmp_path / "wrong.csv"
    arguments = ("simulate", tiny / "run", "--simulator", "icarus", "--sequences", 2, "--differences", file)
    right = ohmgate(*arguments, "--out", tmp_path / "right")
    assert (right.exit_code, right.stdout.splitlines()[-1]) == (0, f"every difference: {file}")
    assert file.read_text() == "layer,sequence,step,unit,stage,expected,got,cycle\n"

    monkeypatch.setattr(
        element_wise, "times_full_scale", lambda v, bits: times_full_scale(v, bits) - 2 ** (len(v) - 1)
    )
    wrong = ohmgate(*arguments, "--out", tmp_path / "wrong")
    assert wrong.exit_code == 1
    verdict, *stages = wrong.stdout.splitlines()
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    first = rows[0]
    assert f"integers compared, {len(rows)} differ; first: layer 0, sequence 0, step {first['step']}, " in verdict
    assert verdict.endswith(f"expected {first['expected']}, got {first['got']}, in clock cycle {first['cycle']}")
    cycles = [int(row["cycle"]) for row in rows]
    assert cycles == sorted(cycles)
    counted = sum(int(line.split(": ")[1].split()[0]) for line in stages if line.endswith(" differ"))
    assert counted == len(rows)


def test_a_place_for_differences_is_looked_at_first(ohmgate, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "out"
    given = ("simulate", tiny / "run", "--simulator", "icarus", "--differences", tmp_path / "file/x", "--out", out)
    result = ohmgate(*given)
    assert (result.exit_code, result.stderr) == (
        2, f"ohmgate: error: cannot use '{tmp_path}/file/x': Not a directory\n"
    )  # fmt: skip
    assert not out.exists()


FIRST = Mismatch(0, 3, 1, 2, "hidden code", -3, -4, 77)
FAILED = {
    "a difference": Comparison(100, 1, FIRST, {(0, "hidden code"): (100, 1)}),
    "a broken rule": Comparison(100, 0, None, {}, violations=("rows changed (clock cycle 7)",)),
    "nothing compared": Comparison(0, 0, None, {}),
}


@pytest.mark.parametrize("comparison", FAILED.values(), ids=FAILED)
def test_a_demo_whose_levels_differ_ends_with_1(ohmgate, tmp_path, monkeypatch, comparison):
    agreed = Comparison(100, 0, None, {})
    levels = [Level("Array", "one", 0.9, agreed), Level("Integer reference", "two", 0.9), Level("Verilog", "three", 0.8, comparison)]  # fmt: skip
    story = {"levels": levels, "draws": {}, "floating": [0.9], "quantised": [0.9]}
    monkeypatch.setattr(demo, "check", lambda out: None)
    monkeypatch.setattr(demo, "tell", lambda *given: story)
    monkeypatch.setattr(report, "write_report", lambda out, story: out / "report.html")
    result = ohmgate("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 1
    assert f"Verilog                   80.00 %  {comparison}" in result.stdout.splitlines()
    assert "the levels differ; report:" in result.stdout.splitlines()[-1]
    levels.pop()
    assert ohmgate("demo", "--out", tmp_path / "demo").exit_code == 0


def test_a_level_as_data():
    level = Level("Verilog", "what", 0.5, FAILED["a difference"])
    assert level.to_dict() == {
        "name": "Verilog", "what": "what", "accuracy": 0.5, "integers": 100, "mismatches": 1, "first": str(FIRST),
        "violations": [],
    }  # fmt: skip
    assert Level("Integer reference", "what", 0.5).to_dict() == {
        "name": "Integer reference", "what": "what", "accuracy": 0.5,
    }  # fmt: skip


DEEP = (LAYERS[0], HEADS["table"], DenseLayer(inputs=6, outputs=5, adcs=1, dac_bits=3, output="codes"))


@pytest.mark.parametrize("layers", [LAYERS, DEEP], ids=len)
@pytest.mark.parametrize("lost, accuracy", [(0, 1.0), (1, 0.0), (8, 0.0)])
def test_a_chip_that_loses_results_has_no_class_for_each_sequence(layers, lost, accuracy):
    one = job(layers)
    record = ideal_record(one)
    out = run(one.network, one.codes, one.lengths).out
    best = out[np.arange(3), one.lengths - 1].argmax(axis=1)
    record.out = record.out[: len(record.out) - lost]
    classes = rtl_classes(one.network, DeviceResult(record, Comparison(0, 0, None, {})))
    assert Sequences(one.codes, one.lengths, best).score(classes) == accuracy

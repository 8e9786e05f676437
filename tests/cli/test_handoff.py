"""``ohmgate handoff``: what it leaves, and what it refuses."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware import image
from ohmgate.hdl.flow import synthesis, timing
from ohmgate.model.design import Design
from ohmgate.sim import power
from tests.designs import random_network

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
LIBRARY = Path(__file__).parent.parent / "hdl/flow/small.lib"
ICARUS = pytest.mark.skipif(shutil.which("vvp") is None, reason="needs the Debian package iverilog")
STA = pytest.mark.skipif(shutil.which("sta") is None, reason="needs the Debian package opensta")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def one(ohmgate, tiny, tmp_path_factory):
    """A design's folder with a library's cells, what the command has said, and the chip in these cells."""
    folder, chips = tmp_path_factory.mktemp("one"), []
    mapped = synthesis.map_chip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "map_chip", lambda *given: chips.append(mapped(*given)) or chips[-1])
        done = ohmgate("handoff", tiny / "one.toml", "--liberty", LIBRARY, "--out", folder)
    assert done.exit_code == 0, done.stderr
    return folder, done.stdout.splitlines(), chips[0]


@pytest.fixture
def mapped_before(one, monkeypatch):
    """Maps nothing again: seconds."""
    for module in (synthesis, timing):
        monkeypatch.setattr(module, "map_chip", lambda *_: one[2])


@pytest.fixture
def one_image(tiny, tmp_path):
    """An image of the design."""
    design = Design.load(str(tiny / "one.toml"))
    image.write(tmp_path / "one.image", random_network(design, np.random.default_rng(1)))
    return tmp_path / "one.image"


def test_a_folder_has_what_generate_writes_and_the_macros_views(ohmgate, tiny, one, tmp_path):
    folder, said, _ = one
    generate = ohmgate("generate", tiny / "one.toml", "--testbench", "--out", tmp_path)
    assert generate.exit_code == 0
    there = contents(folder)
    assert contents(tmp_path).items() <= there.items()
    [macro] = [name.removeprefix("blackbox/").removesuffix(".v") for name in there if name.startswith("blackbox/")]
    assert {f"lef/{macro}.lef", f"liberty/{macro}.lib", f"gds/{macro}.gds"} <= set(there)
    listed = {f"{folder}/{name}: {len(content)} bytes" for name, content in there.items()}
    assert listed <= set(said)
    assert set(said) - listed <= {
        "no power.json: the energy is that of a network; give an image or a run folder",
        "no timing.json: static timing needs sta, which this machine lacks: install the Debian package opensta; "
        "synthesis.json has a lower bound",
    }


def test_the_bytes_are_the_same_on_a_second_run(ohmgate, tiny, one, tmp_path):
    assert ohmgate("handoff", tiny / "one.toml", "--liberty", LIBRARY, "--out", tmp_path).exit_code == 0
    assert contents(tmp_path) == contents(one[0])


@ICARUS
def test_both_lists_of_files_simulate_as_they_say_and_the_netlist_does_what_the_rtl_does(one, tmp_path):
    folder = shutil.copytree(one[0], tmp_path / "one")
    verdicts = []
    for name in ("one.f", "one_netlist.f"):
        lines = (folder / name).read_text().splitlines()
        command = lines[1].removeprefix("//").strip()
        done = subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, text=True)
        verdicts.append(done.stdout.strip())
        sources = [line for line in lines if not line.startswith("//")]
        assert all((folder / source).is_file() for source in sources)
        assert ("one.v" in sources, "netlist/one.v" in sources) == (name == "one.f", name != "one.f")
    assert re.fullmatch(r"PASS: \d+ results of \d+ time steps, in \d+ clock cycles", verdicts[0])
    assert verdicts[0] == verdicts[1]
    netlist = folder / "netlist/one.v"
    kinds = set(re.findall(r"^  (\w+) (?:\\\S+|\w+) +\($", netlist.read_text(), re.MULTILINE))
    models = set(re.findall(r"^module \\?(\w+)", (folder / "netlist/cells.v").read_text(), re.MULTILINE))
    macro = {path.stem for path in (folder / "blackbox").iterdir()}
    assert kinds - macro <= models
    assert kinds >= macro


def test_the_reports_are_those_of_the_netlist(one):
    folder = one[0]
    netlist = (folder / "netlist/one.v").read_text()
    report = json.loads((folder / "synthesis.json").read_text())
    for kind, count in report["cells"].items():
        assert len(re.findall(rf"^  {kind} ", netlist, re.MULTILINE)) == count
    assert report["critical_path"]["method"].startswith("a lower bound by ABC")


@STA
def test_the_timing_is_what_ohmgate_timing_says(ohmgate, tiny, one, mapped_before, tmp_path):
    arguments = ("timing", tiny / "one.toml", "--liberty", LIBRARY, "--json", tmp_path / "timing.json")
    assert ohmgate(*arguments).exit_code == 0
    assert (tmp_path / "timing.json").read_bytes() == (one[0] / "timing.json").read_bytes()
    out = tmp_path / "missed"
    done = ohmgate("handoff", tiny / "one.toml", "--liberty", LIBRARY, "--period", 0.5, "--out", out)
    needs = json.loads((out / "timing.json").read_text())["shortest_clock_ns"]
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        2,
        f"ohmgate: error: the timing of one is missed: flip-flop to flip-flop needs {needs:.3f} ns, not 0.5 ns",
    )
    assert {*contents(one[0])} == {*contents(out)}


def test_what_a_machine_lacks_is_left_out_and_said(ohmgate, one_image, mapped_before, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "handoff"
    done = ohmgate("handoff", one_image, "--liberty", LIBRARY, "--dataset", "random", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "no timing.json: static timing needs sta, which this machine lacks: install the Debian package opensta; "
        "synthesis.json has a lower bound",
        "no power.json: a power estimate needs iverilog and vvp, which this machine lacks: install the Debian "
        "package iverilog",
    ]
    there = contents(out)
    assert {"netlist/one.v", "synthesis.json", "one_netlist.f"} <= set(there)
    assert not {"timing.json", "power.json"} & set(there)


def test_a_netlist_with_faults_is_an_error_and_leaves_nothing(ohmgate, tiny, one, tmp_path, monkeypatch):
    broken = replace(one[2], report=replace(one[2].report, latches=1))
    monkeypatch.setattr(synthesis, "map_chip", lambda *_: broken)
    done = ohmgate("handoff", tiny / "one.toml", "--liberty", LIBRARY, "--out", tmp_path / "handoff")
    sentence = "ohmgate: error: the netlist of one has faults: 1 latches"
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, sentence)
    assert not (tmp_path / "handoff").exists()


@ICARUS
def test_the_energy_is_what_ohmgate_power_says(ohmgate, one_image, mapped_before, monkeypatch, tmp_path):
    monkeypatch.setattr(power, "map_chip", synthesis.map_chip)
    given = (one_image, "--liberty", LIBRARY)
    assert ohmgate("handoff", *given, "--out", tmp_path / "handoff").exit_code == 0
    assert ohmgate("power", *given, "--json", tmp_path / "power.json").exit_code == 0
    assert (tmp_path / "power.json").read_bytes() == (tmp_path / "handoff/power.json").read_bytes()
    assert json.loads((tmp_path / "power.json").read_text())["total_pj_per_cycle"] > 0


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--technology-lef", "none.lef"), "cannot read the technology LEF 'none.lef': No such file or directory"),
        (("--period", 0), "the clock's period must be from 0.01 to 1000000 ns, not 0.0"),
        (("--cell-pitch", 0), "the cells' pitch must be from 0.01 to 100 um, not 0.0"),
        (("--liberty", "none.lib"), "target liberty must have a Liberty file, and 'none.lib' is none"),
        (("--dataset", "random"), "--dataset is for the energy, which needs --liberty and an image or a run folder"),
        (
            ("--dataset", "random", "--liberty", LIBRARY),
            "--dataset is for the energy, which needs --liberty and an image or a run folder",
        ),
    ],
)
def test_what_is_refused_leaves_nothing(ohmgate, tiny, tmp_path, options, sentence):
    done = ohmgate("handoff", tiny / "one.toml", *options, "--out", tmp_path / "handoff")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f"ohmgate: error: {sentence}")
    assert not (tmp_path / "handoff").exists()

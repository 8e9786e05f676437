"""FuseSoC lints, simulates and synthesises the generated core, and makes it for another core that asks for it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ohmgate.hdl.flow.verilator import tool_path
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.layers import LstmLayer
from ohmgate.sim.testbench import bench_files
from tests.designs import random_inputs, random_network

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
pytest.importorskip("fusesoc", reason="needs fusesoc, of the extra dev")
from ohmgate.hdl.generator import ohmgate_generator

LAYER = LstmLayer(inputs=2, hidden=2, adcs=4)
TWINS = Design("twins", (LAYER, LAYER))
SYSTEM = """CAPI=2:
name: ::system:1.0
filesets:
  rtl:
    files: [system.v]
    file_type: verilogSource
    depend: ["::twins:1.0"]
targets:
  default:
    filesets: [rtl]
  lint:
    filesets: [rtl]
    toplevel: system
    flags: {FLAG: true}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wno-fatal, -Wno-lint, -Wno-style]
"""


GENERATOR = Path(ohmgate_generator.__file__).parent
ASKS = """CAPI=2:
name: ::system:1.0
filesets:
  rtl:
    files: [system.v]
    file_type: verilogSource
    depend: ["::ohmgate_generator:1.0"]
generate:
  lstm:
    generator: ohmgate
    parameters: {PARAMETERS}
targets:
  default: &default
    filesets: [rtl]
    generate: [lstm]
  lint:
    <<: *default
    toplevel: system
    flags: {behavioural: true}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wno-fatal, -Wno-lint, -Wno-style]
"""


@pytest.fixture(scope="module")
def twins() -> dict[str, str | bytes]:
    """Files of the chip, with a test bench."""
    rng = np.random.default_rng(5)
    return handoff_files(TWINS, bench=bench_files(random_network(TWINS, rng), *random_inputs(TWINS, rng, 3, 4)))


def fusesoc(folder: Path, target: str, core: str, *roots: Path) -> subprocess.CompletedProcess[str]:
    """As a user whose environment is active."""
    command = [sys.executable, "-c", "from fusesoc.main import main; main()", "--cores-root", "."]
    for root in roots:
        command += ["--cores-root", str(root)]
    command += ["run", "--target", target, core]
    with tool_path():
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
        )


def test_the_core_lints_and_lint_sees_a_latch(twins, tmp_path):
    write_together(tmp_path, twins)
    done = fusesoc(tmp_path, "lint", "twins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "V e r i l a t i o n   R e p o r t" in done.stdout
    assert "%Warning" not in done.stdout + done.stderr
    chip = tmp_path / "twins.v"
    text = chip.read_text()
    chip.write_text(text.replace("endmodule", "reg q; always @* if (rst) q = clk;\nendmodule", 1))
    broken = fusesoc(tmp_path, "lint", "twins")
    assert broken.returncode != 0
    assert "LATCH" in broken.stdout + broken.stderr


@pytest.mark.skipif(shutil.which("vvp") is None, reason="needs the Debian package iverilog")
def test_the_core_simulates_and_a_wrong_result_is_an_error(twins, tmp_path):
    write_together(tmp_path, twins)
    done = fusesoc(tmp_path, "sim", "twins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^PASS: (\d+) results of \1 time steps, in \d+ clock cycles$", done.stdout, re.MULTILINE)
    chip = tmp_path / "twins.v"
    text = chip.read_text()
    wrong = re.sub(r"^  assign y__payload = (.*);", r"  assign y__payload = \1 ^ 10'h1;", text, flags=re.MULTILINE)
    assert wrong != text
    chip.write_text(wrong)
    broken = fusesoc(tmp_path, "sim", "twins")
    assert broken.returncode != 0
    assert re.search(r"^FAIL: \d+ of \d+ results differ$", broken.stdout, re.MULTILINE)


@pytest.mark.skipif(shutil.which("yosys") is None, reason="needs a yosys with Tcl, as the Debian package yosys")
def test_the_core_is_synthesised_with_its_arrays_as_black_boxes(twins, tmp_path):
    write_together(tmp_path, twins)
    done = fusesoc(tmp_path, "synth", "twins")
    assert done.returncode == 0, done.stdout + done.stderr
    [netlist] = tmp_path.glob("build/*/synth/*.json")
    cells = [cell["type"] for cell in json.loads(netlist.read_text())["modules"]["twins"]["cells"].values()]
    assert cells.count(LAYER.macro_name) == 2
    assert {"TRELLIS_FF", "LUT4"} <= set(cells)
    assert not [kind for kind in cells if kind.startswith("$") and kind != "$scopeinfo"]


def test_a_core_that_asks_for_a_chip_gets_it_from_the_generator(tmp_path):
    TWINS.save(tmp_path / "mine.toml")
    asks = ASKS.replace("PARAMETERS", "design: mine.toml, period: 5")
    write_together(tmp_path, {"system.core": asks, "system.v": "module system; twins chip(); endmodule\n"})
    done = fusesoc(tmp_path, "lint", "system", GENERATOR)
    assert done.returncode == 0, done.stdout + done.stderr
    [constraints] = tmp_path.glob("build/**/twins.sdc")
    assert "create_clock -name clk -period 5 " in constraints.read_text()


def test_what_the_generator_refuses_ends_fusesoc_with_its_sentence(tmp_path):
    asks = ASKS.replace("PARAMETERS", "design: vowels, clock: 5")
    write_together(tmp_path, {"system.core": asks, "system.v": "module system; vowels chip(); endmodule\n"})
    done = fusesoc(tmp_path, "lint", "system", GENERATOR)
    assert done.returncode != 0
    sentence = "generator ohmgate: parameters must be design, technology_lef, cell_pitch, period, not clock"
    assert sentence in (done.stdout + done.stderr).splitlines()


def test_arguments_of_the_generator(tmp_path):
    (tmp_path / "mine.toml").write_text("")
    given = {"design": "mine.toml", "technology_lef": "no.lef", "cell_pitch": 0.38, "period": 5}
    assert ohmgate_generator.arguments(given, tmp_path) == [
        "handoff", f"{tmp_path}/mine.toml", "--technology-lef=no.lef", "--cell-pitch=0.38", "--period=5", "--out", ".",
    ]  # fmt: skip
    assert ohmgate_generator.arguments({"design": "vowels"}, tmp_path) == ["handoff", "vowels", "--out", "."]
    with pytest.raises(ValueError, match="^the parameter design must be a preset or a .toml file, but is not given$"):
        ohmgate_generator.arguments({}, tmp_path)


@pytest.mark.parametrize("flag, brought", [("behavioural", True), ("blackbox", True), ("other", False)])
def test_another_core_gets_the_views_of_the_arrays_by_a_flag(twins, tmp_path, flag, brought):
    write_together(tmp_path, twins)
    write_together(
        tmp_path,
        {"system.core": SYSTEM.replace("FLAG", flag), "system.v": "module system; twins chip(); endmodule\n"},
    )
    done = fusesoc(tmp_path, "lint", "system")
    assert (done.returncode == 0) == brought, done.stdout + done.stderr
    assert brought or f"Cannot find file containing module: '{LAYER.macro_name}'" in done.stdout + done.stderr

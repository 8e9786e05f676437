"""FuseSoC lints the generated core, and another core depends on it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ohmgate.hdl.flow.verilator import tool_path
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.layers import LstmLayer

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
pytest.importorskip("fusesoc", reason="needs fusesoc, of the extra dev")
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


def fusesoc(folder: Path, core: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from fusesoc.main import main; main()", "--cores-root", ".", "run"]
    with tool_path():
        return subprocess.run(
            [*command, "--target", "lint", core], cwd=folder, capture_output=True, text=True, timeout=200, check=False
        )


def test_the_core_lints_and_lint_sees_a_latch(tmp_path):
    write_together(tmp_path, handoff_files(TWINS))
    done = fusesoc(tmp_path, "twins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "V e r i l a t i o n   R e p o r t" in done.stdout
    assert "%Warning" not in done.stdout + done.stderr
    chip = tmp_path / "twins.v"
    text = chip.read_text()
    chip.write_text(text.replace("endmodule", "reg q; always @* if (rst) q = clk;\nendmodule", 1))
    broken = fusesoc(tmp_path, "twins")
    assert broken.returncode != 0
    assert "LATCH" in broken.stdout + broken.stderr


@pytest.mark.parametrize("flag, brought", [("behavioural", True), ("blackbox", True), ("other", False)])
def test_another_core_gets_the_views_of_the_arrays_by_a_flag(tmp_path, flag, brought):
    files = handoff_files(TWINS)
    write_together(tmp_path, files)
    write_together(
        tmp_path,
        {"system.core": SYSTEM.replace("FLAG", flag), "system.v": "module system; twins chip(); endmodule\n"},
    )
    done = fusesoc(tmp_path, "system")
    assert (done.returncode == 0) == brought, done.stdout + done.stderr
    assert brought or f"Cannot find file containing module: '{LAYER.macro_name}'" in done.stdout + done.stderr

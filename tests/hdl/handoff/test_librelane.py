"""LibreLane takes the generated configuration, lints the chip with it, and refuses broken ones."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ohmgate.hdl.flow.verilator import tool_path
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.layers import LstmLayer

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
PYTHON = os.environ.get("OHMGATE_LIBRELANE") or (sys.executable if find_spec("librelane") else None)
pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="set OHMGATE_LIBRELANE to a Python that has librelane, which brings 200 MB"
)
LAYER = LstmLayer(inputs=2, hidden=2, adcs=4)
TWINS = Design("twins", (LAYER, LAYER))  # two instances of one macro
MACRO = LAYER.macro_name


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("twins")
    write_together(folder, handoff_files(TWINS, period=12.5))
    return folder


def librelane(folder: Path, *step: str) -> subprocess.CompletedProcess[str]:
    assert PYTHON is not None
    script = Path(__file__).parent / "librelane_check.py"
    command = [PYTHON, script, folder / "config.yaml", folder / "pdk", *step]
    with tool_path():
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_it_loads_with_every_instance_and_lints_without_a_warning(twins, tmp_path):
    shutil.copytree(twins, tmp_path / "copy")
    done = librelane(tmp_path / "copy", "Verilator.Lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"MACRO {MACRO} array_0.macro array_1.macro" in done.stdout.splitlines()
    [log] = (tmp_path / "copy").glob("runs/check/*-verilator-lint/verilator-lint.log")
    assert "V e r i l a t i o n   R e p o r t" in log.read_text()
    assert "%Warning" not in log.read_text()
    assert "%Error" not in log.read_text()


BROKEN = {
    "a macro without a layout": (f"    gds: [dir::gds/{MACRO}.gds]\n", "", "gds"),
    "a LEF that is not there": (f"lef/{MACRO}.lef", "lef/other.lef", "does not exist"),
    "a clock of no time": ("CLOCK_PERIOD: 12.5", "CLOCK_PERIOD: fast", "CLOCK_PERIOD"),
    "a macro that lies on its face": ("orientation: N", "orientation: Q", "orientation"),
    "no Verilog": ("VERILOG_FILES: [dir::twins.v]\n", "", "VERILOG_FILES"),
    "no name": ("DESIGN_NAME: twins\n", "", "DESIGN_NAME"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_refused(twins, tmp_path, what):
    old, new, said = BROKEN[what]
    shutil.copytree(twins, tmp_path / "copy")
    config = tmp_path / "copy" / "config.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    done = librelane(tmp_path / "copy")
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(said, done.stdout.partition("REFUSED")[2])

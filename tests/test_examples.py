"""The examples run, and end with what they promise."""

import re
import subprocess
import sys
from pathlib import Path

from ohmgate.firmware import image

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_a_module_of_ones_own_becomes_a_chip(tmp_path):
    command = [sys.executable, EXAMPLES / "own_model.py", tmp_path / "a folder"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "converted 2 layers: lstm, head"
    assert lines[1] == f"{500 * (24 * (4 * 16 * 2 + 2 * 16) + 3 + 1)} integers compared, 0 differ"
    percent = [float(each) for each in re.findall(r"([\d.]+)%", done.stdout)]
    assert len(percent) == 4
    assert min(percent[:2]) > 90  # float and quantised; chance is 33
    assert 70 < percent[3] <= percent[2] < 100  # chips with noise
    network = image.read(tmp_path / "a folder/tones.bin")
    layers = [(each.kind, each.inputs, each.outputs, each.adcs, each.output) for each in network.design.layers]
    assert layers == [("lstm", 1, 16, 16, "codes"), ("dense", 16, 3, 3, "argmax")]
    assert network.labels == ("low", "middle", "high")
    assert "module tones" in (tmp_path / "a folder/tones.v").read_text()

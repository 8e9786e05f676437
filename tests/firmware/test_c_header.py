"""The generated C header: every register and field, legal C++ too; both files written whole."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ohmgate.firmware import c_header
from ohmgate.model.diagnostic_registers import DIAG_REGISTERS
from ohmgate.model.pulses import PULSE_REGISTERS
from ohmgate.model.registers import DATA_REGISTERS, REGISTERS


def test_writing_the_sources_leaves_its_files_with_the_same_bytes(tmp_path):
    names = [path.name for path in c_header.write(tmp_path)]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names) == [
        "ohmgate.c", "ohmgate.h", "ohmgate_host.c", "ohmgate_link.c", "ohmgate_run.c",
    ]  # fmt: skip
    before = [(tmp_path / name).read_bytes() for name in names]
    c_header.write(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_the_header_has_every_register_and_field():
    defined = dict(re.findall(r"^#define OHMGATE_(\w+) (\w+)u\b", c_header.header(), re.MULTILINE))
    for register in REGISTERS + DATA_REGISTERS + DIAG_REGISTERS + PULSE_REGISTERS:
        assert int(defined[f"REG_{register.name}"], 0) == register.address
        for field in register.fields:
            assert int(defined[f"{register.name}_{field.name}_MASK"], 0) == field.mask
            assert int(defined[f"{register.name}_{field.name}_SHIFT"], 0) == field.lsb


def test_the_header_has_the_links_numbers():
    """Against the tables of docs/link.md."""
    page = (Path(__file__).parents[2] / "docs" / "link.md").read_text(encoding="utf-8")
    ops = {name: int(code, 16) for name, code in re.findall(r"^\| ([A-Z_]+) (0x\w\w) \|", page, re.MULTILINE)}
    states = {name: int(code) for code, name in re.findall(r"^\| (\d) ([A-Z]+) \|", page, re.MULTILINE)}
    assert (len(ops), len(states)) == (12, 6)
    defined = dict(re.findall(r"^#define OHMGATE_LINK_(\w+) (\w+)u\b", c_header.header(), re.MULTILINE))
    for name, number in [*ops.items(), *((f"STATUS_{name}", number) for name, number in states.items())]:
        assert int(defined[name], 0) == number
    offsets = [int(defined[f"HEADER_{name}"]) for name in ("SESSION", "NUMBER", "OP", "ARGUMENT", "BYTES")]
    assert offsets == [0, 2, 4, 5, 7]
    sizes = ("ANSWER", "PAYLOAD_BYTES", "BODY_BYTES", "CRC_BYTES", "INFO_BYTES", "INFO_PROTOCOL", "INFO_BOARD")
    assert [int(defined[name], 0) for name in sizes] == [0x80, 240, 251, 4, 38, 4, 22]


def test_the_header_is_legal_cplusplus(tmp_path):
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    c_header.write(tmp_path)
    source = tmp_path / "use.cpp"
    source.write_text('#include "ohmgate.h"\nint main() { return ohmgate_check(0, 0) == OHMGATE_OK; }\n')
    subprocess.run([compiler, "-Wall", "-Werror", "-pedantic", "-fsyntax-only", source], check=True)

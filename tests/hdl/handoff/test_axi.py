"""The AXI wrapper on Icarus, by cocotbext-axi; its C access, and what the script that packages it names."""

import re
import subprocess
from pathlib import Path

import pytest
from cocotb_tools.runner import get_results, get_runner

from ohmgate.firmware import c_header
from ohmgate.hdl.handoff.axi import axi, axi_name, stream_bits
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.hdl.handoff.vivado import BUS
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim import simulators

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
CELL = {"cell_bits": 12, "cell_fraction": 8, "activation_bits": 5, "tanh_bits": 5, "tanh_fraction": 3}
DESIGNS = {
    "every step": Design("steps", (LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, output="value", **CELL),)),
    "whole bytes": Design("whole", (LstmLayer(inputs=2, hidden=2, adcs=4, **CELL),), data_registers=True),
    "the end": Design(
        "ends",
        (
            LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=3, **CELL),
            DenseLayer(inputs=2, outputs=3, adcs=3, dac_bits=3, output="argmax", emit="end"),
        ),
    ),
}


@pytest.mark.parametrize("kind", ["every step", "the end", pytest.param("whole bytes", marks=pytest.mark.full)])
def test_registers_load_a_network_and_streams_give_the_reference_s_results(tmp_path, monkeypatch, kind):
    pytest.importorskip("cocotbext.axi", reason="needs cocotbext-axi, of the extra dev")
    if problem := simulators.missing_tools("icarus"):
        pytest.skip(problem)
    design = DESIGNS[kind]
    write_together(tmp_path, {name: text for name, text in handoff_files(design).items() if name.endswith(".v")})
    design.save(tmp_path / "design.toml")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    runner = get_runner("icarus")
    sources = [
        tmp_path / f"{design.name}.v",
        *(tmp_path / "behavioural").glob("*.v"),
        tmp_path / f"axi/{axi_name(design)}.v",
    ]
    options = {"build_args": ["-g2005"], "timescale": ("1ns", "1ps"), "build_dir": tmp_path / "build"}
    runner.build(sources=sources, hdl_toplevel=axi_name(design), always=True, **options)
    results = runner.test(
        hdl_toplevel=axi_name(design),
        hdl_toplevel_lang="verilog",
        test_module="axi_bench",
        build_dir=tmp_path / "build",
        test_dir=tmp_path,
        extra_env={"AXI_DESIGN": str(tmp_path / "design.toml"), "COCOTB_LOG_LEVEL": "WARNING"},
    )
    assert get_results(results) == (4, 0)


def test_streams_have_whole_bytes():
    assert stream_bits(DESIGNS["every step"]) == {"x": (9, 16), "y": (20, 24)}
    assert stream_bits(DESIGNS["whole bytes"]) == {"x": (8, 8), "y": (8, 8)}
    assert stream_bits(DESIGNS["the end"]) == {"x": (9, 16), "y": (2, 8)}
    assert stream_bits(Design.load("names")) == {"x": (400, 400), "y": (800, 800)}


def test_every_port_has_what_vivado_recognises_it_by():
    text = axi(DESIGNS["every step"])
    header = text[text.index("(\n") : text.index(");\n")]
    attributes = re.findall(
        r'X_INTERFACE_INFO = "(\S+) (\S+) (\S+)"[^\n]*\n    (input|output) wire (\[.*\] )?(\w+)', header
    )
    assert len(attributes) == header.count("wire") == 2 + 19 + 4 + 4
    for kind, name, signal, _direction, _width, port in attributes:
        if kind.startswith("xilinx.com:signal"):
            assert (name, port) in (("aclk", "aclk"), ("aresetn", "aresetn"))
        else:
            assert port == f"{name}_{signal.lower()}"
            assert kind == f"xilinx.com:interface:{'aximm' if name == 's_axi' else 'axis'}:1.0"
    assert 'ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn"' in text
    assert "POLARITY ACTIVE_LOW" in text


def test_the_script_that_packages_names_files_that_are_there(tmp_path):
    design = DESIGNS["the end"]
    write_together(tmp_path, handoff_files(design))
    text = (tmp_path / "axi/package_ip.tcl").read_text()
    named = [name.replace("$here", str(tmp_path / "axi")) for name in re.findall(r"\$here/[\w./]+\.\w+", text)]
    assert len(named) == 5
    for name in named:
        assert Path(name).is_file(), name
    assert "create_clock -name aclk -period 10 [get_ports aclk]" in (tmp_path / "axi/ends_axi_ooc.xdc").read_text()


C = """
#include <stdio.h>
#include "ohmgate_axi.h"
static uint32_t device[32];
int main(void)
{
    ohmgate_bus bus = ohmgate_axi((uintptr_t)device);
    uint32_t value = 0;
    if (bus.write32(bus.context, 0x2C, 7) || bus.read32(bus.context, 0x2C, &value)) return 1;
    printf("%u %u\\n", (unsigned)value, (unsigned)device[11]);
    return 0;
}
"""


def test_the_bus_in_c_reads_and_writes_words_of_memory(tmp_path):
    write_together(tmp_path, {**c_header.sources(), "ohmgate_axi.h": BUS, "main.c": C})
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["gcc", *flags, "-o", "main", "main.c"], cwd=tmp_path, check=True)
    assert subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout == "7 7\n"

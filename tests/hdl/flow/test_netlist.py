"""Standard cells: clock gates, names, trees of buffers, areas of blocks; with small.lib, whose areas are round."""

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ohmgate.hdl.flow.latches import instance
from ohmgate.hdl.flow.liberty import Latch, read_library
from ohmgate.hdl.flow.netlist import Block, Netlist, block
from ohmgate.hdl.flow.standard_cells import BEHIND, FAN_OUT
from ohmgate.hdl.flow.synthesis import Source, map_verilog
from ohmgate.model.formats import DesignError

SMALL = Path(__file__).parent / "small.lib"
GATED = """
module top(input clk, input rst, input e, input [7:0] a, output reg [7:0] q, output reg [7:0] z, output reg [6:0] few);
    always @(posedge clk) if (e) q <= a;
    always @(posedge clk) if (rst) z <= 0; else if (e) z <= a;
    always @(posedge clk) if (a[7]) few <= a[6:0];
endmodule
"""


def instances(verilog: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Cells of a netlist by their names: kind, and the net at each pin."""
    found = {}
    for kind, name, pins in re.findall(r"^  (\w+) (\\\S+|\w+) +\(\n(.*?)\n  \);", verilog, re.M | re.S):
        nets = {pin: net.strip() for pin, net in re.findall(r"\.(\w+)\((.*)\),?$", pins, re.M)}
        found[name.removeprefix("\\")] = (kind, nets)
    return found


def test_a_library_is_read_packed_or_not(tmp_path):
    (tmp_path / "small.lib.gz").write_bytes(gzip.compress(SMALL.read_bytes()))
    library, packed = read_library(SMALL), read_library(tmp_path / "small.lib.gz")
    assert library.text == packed.text == SMALL.read_text()
    assert (library.name, packed.name) == ("small.lib", "small.lib.gz")
    assert library.buffer == packed.buffer == ("BUF", "A", "Z")
    assert (library.high, library.low) == (("ONE", "Z"), ("ZERO", "Z"))
    assert library.clock_pins == {"DFF": "CK", "LATCH": "G", "LATCH_LOW": "GN"}
    assert library.latch == Latch("LATCH", "D", "G", "Q", open_at=1)
    assert library.latch_of_low == Latch("LATCH_LOW", "D", "GN", "Q", open_at=0)
    assert library.inverter == ("INV", "A", "Z")
    assert library.clock_gates == ("GATE",)
    assert (library.areas["DFF"], library.areas["NAND2_STRONG"]) == (6.0, 3.0)
    assert "dont_use" in library.text
    assert "dont_use" not in library.with_clock_gates


@pytest.mark.parametrize(
    "file, cells",
    [
        ("nangate45_typ", "BUF_X1 LOGIC1_X1 DFF_X1 CLKGATE_X1 INV_X1 DLH_X1 DLL_X1"),
        ("sky130hd_tt", "buf_1 conb_1 dfxtp_1 dlclkp_1 clkinv_1 dlxtp_1 dlxtn_1"),
        ("sg13g2_typ_1p20V_25C", "buf_1 tiehi dfrbp_1 lgcp_1 inv_1 dlhq_1 none"),
    ],
)
def test_three_libraries_are_read(file, cells):
    path = Path(os.environ.get("OHMGATE_PDK", ".")) / f"{file}.lib.gz"
    if not path.is_file():
        pytest.skip(f"set OHMGATE_PDK to a folder with {path.name}")
    library = read_library(path)
    prefix = {"sky130hd_tt": "sky130_fd_sc_hd__", "sg13g2_typ_1p20V_25C": "sg13g2_"}.get(file, "")
    buffer, high, flip_flop, gate, inverter, latch, low = (prefix + name for name in cells.split())
    assert (library.buffer[0], library.high[0], library.inverter[0]) == (buffer, high, inverter)
    assert {flip_flop, latch} <= set(library.clock_pins)
    assert gate in library.clock_gates
    assert [found.cell if found else f"{prefix}none" for found in (library.latch, library.latch_of_low)] == [
        latch,
        low,
    ]


@pytest.mark.parametrize(
    "cell, what",
    [
        ("BUF", "a buffer"),
        ("INV", "an inverter"),
        ("ONE", "a cell of a constant 1"),
        ("ZERO", "a cell of a constant 0"),
    ],
)
def test_a_library_that_lacks_a_cell_is_refused(tmp_path, cell, what):
    text = re.sub(rf"^  cell \({cell}(_STRONG)?\) .*?^  }}\n", "", SMALL.read_text(), flags=re.M | re.S)
    (tmp_path / "less.lib").write_text(text)
    with pytest.raises(DesignError) as error:
        read_library(tmp_path / "less.lib")
    assert str(error.value) == f"a library for synthesis must have {what}, but less.lib has none"


def test_a_packed_library_that_is_cut_off_is_refused(tmp_path):
    (tmp_path / "cut.lib.gz").write_bytes(gzip.compress(SMALL.read_bytes())[:-20])
    with pytest.raises(DesignError) as error:
        read_library(tmp_path / "cut.lib.gz")
    assert str(error.value) == f"{str(tmp_path / 'cut.lib.gz')!r} must be a whole gzip file"


def test_flip_flops_of_one_enable_share_a_clock_gate():
    """Eight are enough, with a reset, too; seven are not."""
    cells = instances(map_verilog(Source("top", GATED), SMALL).verilog)
    gates = {name: nets for name, (kind, nets) in cells.items() if kind == "GATE"}
    assert sorted(gates) == ["q[0]_gate", "z[0]_gate"]
    assert gates["q[0]_gate"]["E"] == "e"
    assert {nets["CK"] for nets in gates.values()} == {"clk"}
    clocks = {name: nets["CK"] for name, (kind, nets) in cells.items() if kind == "DFF"}
    assert len(clocks) == 23
    for name, clock in clocks.items():
        word = name.partition("[")[0]
        assert clock == (gates[f"{word}[0]_gate"]["GCK"] if word in ("q", "z") else "clk")


def test_without_clock_gates_an_enable_is_logic(tmp_path):
    kept = instances(map_verilog(Source("top", GATED), SMALL, clock_gating=False).verilog)
    (tmp_path / "none.lib").write_text(SMALL.read_text().replace("clock_gating_integrated_cell", "own_kind"))
    library_without = instances(map_verilog(Source("top", GATED), tmp_path / "none.lib").verilog)
    for cells in (kept, library_without):
        assert {nets["CK"] for kind, nets in cells.values() if kind == "DFF"} == {"clk"}
        assert "GATE" not in {kind for kind, _nets in cells.values()}


def test_a_flip_flop_that_drives_many_gets_a_tree_of_buffers():
    """300 flip-flops: 19 buffers, which are too many for one output, so two more before them."""
    clocks = "\n".join(f"always @(posedge clocks[{k}]) w[{k}] <= r;" for k in range(300))  # as equal ones are merged
    ports = "input clk, input a, input [299:0] clocks, output reg [299:0] w"
    verilog = f"module top({ports}); reg r; always @(posedge clk) r <= a;\n{clocks}\nendmodule\n"
    chip = map_verilog(Source("top", verilog), SMALL)
    cells = instances(chip.verilog)
    assert chip.largest_fan_out <= FAN_OUT
    assert sum(kind == "BUF" for kind, _nets in cells.values()) == 19 + 2
    drivers = {nets[pin]: nets for kind, nets in cells.values() for pin in ("Z", "Q") if pin in nets}
    for name, (kind, nets) in cells.items():
        if kind == "DFF" and name != "r_reg":
            net = nets["D"]
            while net != "r":
                net = drivers[net]["A"]


def module(cells: dict[str, tuple[str, dict[str, int], dict[str, int]]]) -> dict[str, Any]:
    """A module of Yosys's JSON: each cell's kind, and the nets at its inputs and outputs."""
    known = {name: instance(*cell) for name, cell in cells.items()}
    return {"cells": known, "netnames": {"all": {"bits": list(range(2, 200))}}}


def test_logic_behind_a_macro_is_marked_up_to_registers():
    netlist = Netlist(
        module(
            {
                "macro": ("box", {"x": 2}, {"y": 3}),
                "first": ("$_AND_", {"A": 3, "B": 4}, {"Y": 5}),
                "second": ("$_NOT_", {"A": 5}, {"Y": 6}),
                "register": ("$_SDFFCE_PP0P_", {"D": 6, "C": 7, "R": 8, "E": 8}, {"Q": 9}),
                "after": ("$_NOT_", {"A": 9}, {"Y": 2}),
                "beside": ("$_OR_", {"A": 4, "B": 9}, {"Y": 10}),
            }
        ),
        read_library(SMALL),
    )
    assert netlist.mark_logic_behind(("box",))
    assert {name for name, cell in netlist.cells.items() if BEHIND in cell["attributes"]} == {"first", "second"}
    assert not netlist.mark_logic_behind(("another",))


def test_loads_of_both_parts_of_the_logic_get_one_buffer():
    """16 inverters of each part and 2 flip-flops: buffers of 2, 16 and 3 loads leave 16."""
    cells = {"driver": ("DFF", {"D": 2, "CK": 3}, {"Q": 4})}
    cells |= {f"r_{k}": ("DFF", {"D": 4, "CK": 3}, {"Q": 10 + k}) for k in range(2)}
    cells |= {f"{part}_{k}": ("INV", {"A": 4}, {"Z": 20 + k}) for part in ("behind", "other") for k in range(16)}
    netlist = Netlist(module(cells), read_library(SMALL))
    for k in range(16):
        netlist.cells[f"behind_{k}"]["attributes"][BEHIND] = "1"
    netlist.repair_fan_out()
    loads = netlist.pins("input")
    assert netlist.largest_fan_out() == FAN_OUT
    assert len(loads[4]) == FAN_OUT
    assert sum(name.startswith("other") and "buffer" not in name for name, _pin in loads[4]) == 13
    assert sorted(len(loads[bit]) for bit in range(200, 203)) == [2, 3, 16]


def test_areas_of_blocks_add_up():
    verilog = """module top(input clk, input a, input b, output c);
        part one(clk, a, b, c);
    endmodule
    module part(input clk, input a, input b, output reg c);
        reg r;
        always @(posedge clk) begin r <= a; c <= ~(r & b); end
    endmodule"""
    report = map_verilog(Source("top", verilog), SMALL).report
    assert report.blocks == {"one": Block(13.5, 12.0)}  # two DFFs of 6 and a NAND2
    assert report.area == 13.5
    assert "| one | 14 | 12 |" in report.markdown()


@pytest.mark.parametrize(
    "name, of",
    [
        ("accelerator.layer_0.lane_12.kept_low[3]_reg", "layer_0.lane"),
        ("accelerator.layer_0.cells[3][31]_reg", "layer_0.cells"),
        ("accelerator.layer_0.tables.table_2[15][7]_gate", "layer_0.tables.table"),
        ("accelerator.layer_0.cells[0][31]_first", "layer_0.cells"),
        ("accelerator.layer_0.hidden$98.whole[0]_reg", "layer_0.hidden"),
        ("accelerator.registers.$signal$64[1]_reg", "registers"),
        ("array_1.macro", "array_1"),
        ("lonely_reg", "top"),
    ],
)
def test_a_block_is_the_path_of_a_name(name, of):
    assert block(name) == of

"""Standard cells: clock gates, names, trees of buffers, areas of blocks; with small.lib, whose areas are round."""

import gzip
import os
import re
from pathlib import Path

import pytest

from ohmgate.hdl.flow.liberty import read_library
from ohmgate.hdl.flow.netlist import Block, block
from ohmgate.hdl.flow.standard_cells import FAN_OUT
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
    assert library.clock_pins == {"DFF": "CK"}
    assert library.clock_gates == ("GATE",)
    assert (library.areas["DFF"], library.areas["NAND2_STRONG"]) == (6.0, 3.0)
    assert "dont_use" in library.text
    assert "dont_use" not in library.with_clock_gates


@pytest.mark.parametrize(
    "file, cells",
    [
        ("nangate45_typ", ("BUF_X1", "LOGIC1_X1", "DFF_X1", "CLKGATE_X1")),
        ("sky130hd_tt", tuple(f"sky130_fd_sc_hd__{name}_1" for name in ("buf", "conb", "dfxtp", "dlclkp"))),
        ("sg13g2_typ_1p20V_25C", tuple(f"sg13g2_{name}" for name in ("buf_1", "tiehi", "dfrbp_1", "lgcp_1"))),
    ],
)
def test_three_libraries_are_read(file, cells):
    path = Path(os.environ.get("OHMGATE_PDK", ".")) / f"{file}.lib.gz"
    if not path.is_file():
        pytest.skip(f"set OHMGATE_PDK to a folder with {path.name}")
    library = read_library(path)
    buffer, high, flip_flop, gate = cells
    assert (library.buffer[0], library.high[0]) == (buffer, high)
    assert flip_flop in library.clock_pins
    assert gate in library.clock_gates


@pytest.mark.parametrize(
    "cell, what", [("BUF", "buffer"), ("ONE", "cell of a constant 1"), ("ZERO", "cell of a constant 0")]
)
def test_a_library_that_lacks_a_cell_is_refused(tmp_path, cell, what):
    text = re.sub(rf"^  cell \({cell}(_STRONG)?\) .*?^  }}\n", "", SMALL.read_text(), flags=re.M | re.S)
    (tmp_path / "less.lib").write_text(text)
    with pytest.raises(DesignError) as error:
        read_library(tmp_path / "less.lib")
    assert str(error.value) == f"a library for synthesis must have a {what}, but less.lib has none"


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
        ("accelerator.layer_0.hidden$98.whole[0]_reg", "layer_0.hidden"),
        ("accelerator.registers.$signal$64[1]_reg", "registers"),
        ("array_1.macro", "array_1"),
        ("lonely_reg", "top"),
    ],
)
def test_a_block_is_the_path_of_a_name(name, of):
    assert block(name) == of

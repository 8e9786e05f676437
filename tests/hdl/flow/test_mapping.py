"""Mapping to FPGAs: the families' steps, and which memories become block RAM."""

import json

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ohmgate.hdl.board.block_ram import BLOCK_RAM
from ohmgate.hdl.component import Component
from ohmgate.hdl.flow.mapping import FAMILIES, gates, luts
from ohmgate.hdl.flow.yosys import run_yosys

BLOCK = {"ecp5": "DP16KD", "ice40": "SB_RAM40_4K", "gowin": "SPX9"}
LUT = {"ecp5": "LUT4", "ice40": "SB_LUT4", "gowin": "LUT4"}


def memory(ports: int) -> str:
    """A memory of 512 bytes with so many read ports, and an adder whose carries feed logic."""
    reads = "".join(f"reg [7:0] q{k}; always @(posedge clk) q{k} <= cells[a ^ {k}];\n" for k in range(ports))
    total = " ^ ".join(f"q{k}" for k in range(ports))
    return f"""
module top(input clk, input we, input [8:0] a, input [7:0] d, output reg [7:0] y);
reg [7:0] cells [0:511];
always @(posedge clk) if (we) cells[a] <= d;
{reads}
always @(posedge clk) y <= ({total}) + (a[7:0] > y ? d : 8'd3);
endmodule
"""


def cells(folder, family: str, text: str, read: str = "read_verilog", **allowed: bool) -> dict[str, int]:
    (folder / "top.v").write_text(text)
    commands = [
        f"{read} top.v",
        *gates(family, "top", **allowed),
        *luts(family, "top"),
        "tee -o cells.json stat -json",
    ]
    run_yosys(commands, folder)
    text = (folder / "cells.json").read_text()
    return json.loads(text[text.index("{") : text.rindex("}") + 1])["design"]["num_cells_by_type"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_memory_becomes_block_ram_and_logic_becomes_luts(tmp_path, family):
    found = cells(tmp_path, family, memory(1))
    assert found[BLOCK[family]] == 1
    assert found[LUT[family]] >= 8
    assert not [name for name in found if name.startswith("$") and name != "$scopeinfo"]


@pytest.mark.parametrize("family, words, blocks", [("ecp5", 64, 0), ("ecp5", 65, 4), ("ice40", 64, 8)])
def test_a_shallow_memory_is_lut_ram_where_there_is_one(tmp_path, family, words, blocks):
    """128 bits wide, as a cell state's halves of names: block RAM of an ECP5 has 36 bits, of an iCE40 16."""
    text = f"""
module top(input clk, input we, input [6:0] a, input [127:0] d, output reg [127:0] q);
reg [127:0] cells [0:{words - 1}];
always @(posedge clk) begin if (we) cells[a] <= d; q <= cells[a]; end
endmodule
"""
    assert sum(count for name, count in cells(tmp_path, family, text).items() if BLOCK[family] in name) == blocks


def test_a_table_of_constants_is_no_ram(tmp_path):
    cases = "".join(f"5'd{k}: y <= 8'd{k * k * 37 % 256};\n" for k in range(32))
    text = f"""
module top(input clk, input [4:0] a, output reg [7:0] y);
always @(posedge clk) case (a)
{cases}endcase
endmodule
"""
    assert not [name for name in cells(tmp_path, "ecp5", text) if "DPR" in name]


def test_a_memory_with_many_read_ports_does_not(tmp_path):
    assert cells(tmp_path, "ecp5", memory(8))["DP16KD"] == 7  # one port shares the block of the write port
    many = cells(tmp_path, "ecp5", memory(9))
    assert "DP16KD" not in many
    assert many["TRELLIS_DPR16X4"] == 9 * 2 * 512 // 16


def test_block_ram_can_be_left_alone(tmp_path):
    found = cells(tmp_path, "ecp5", memory(1), block_ram=False)
    assert "DP16KD" not in found
    assert found["TRELLIS_DPR16X4"] == 2 * 512 // 16


MULTIPLIER = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16", "gowin": "MULT18X18"}


@pytest.mark.parametrize("family", FAMILIES)
def test_multipliers_are_used_where_there_are_some(tmp_path, family):
    text = "module top(input [11:0] a, input [11:0] b, output [23:0] y); assign y = a * b; endmodule"
    counts = [cells(tmp_path, family, text, multipliers=there).get(MULTIPLIER[family], 0) for there in (True, False)]
    assert counts == [1, 0]


class OneMemory(Component):
    """512 words of 32 bits that are written and read at once; ``attrs`` are the memory's."""

    def __init__(self, **attrs: str):
        self.attrs = attrs
        super().__init__({"at": In(9), "set": In(9), "we": In(1), "d": In(32), "q": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.cells = cells = Memory(shape=32, depth=512, init=[], attrs=self.attrs)
        read, write = cells.read_port(), cells.write_port()
        m.d.comb += [read.addr.eq(self.at), read.en.eq(1), self.q.eq(read.data)]
        m.d.comb += [write.addr.eq(self.set), write.en.eq(self.we), write.data.eq(self.d)]
        return m


def test_a_memory_that_may_read_anything_while_it_is_written_needs_no_flip_flops(tmp_path):
    def flip_flops(**attrs: str) -> int:
        text = rtlil.convert(OneMemory(**attrs), name="top", emit_src=False)
        return cells(tmp_path, "ecp5", text, "read_rtlil").get("TRELLIS_FF", 0)

    assert flip_flops() > 32
    assert flip_flops(**BLOCK_RAM) == 0

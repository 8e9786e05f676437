"""Pairs of latches in place of flip-flops: which, how they are wired, what they do, and their timing by hand."""

import re
import shutil
from pathlib import Path

import pytest

from ohmgate.hdl.flow.cell_models import read_cells
from ohmgate.hdl.flow.standard_cells import ONE_HOT
from ohmgate.hdl.flow.synthesis import Source, map_verilog
from ohmgate.hdl.flow.timing import REGISTERS, time_chip
from ohmgate.hdl.flow.yosys import run_yosys
from ohmgate.model.programs import run_program

from .test_netlist import instances

SMALL = Path(__file__).parent / "small.lib"
#: Eight words of the same data, an enable each; two that share theirs with too few; and what reads them.
WORDS = """
module top(input clk, input [9:0] e, input [7:0] a, input [7:0] b, output reg [7:0] q, output [7:0] r, output [7:0] s);
    reg [7:0] d, other_0, other_1;
    reg [7:0] words [0:7];
    integer k;
    always @(posedge clk) begin
        d <= a;
        for (k = 0; k < 8; k = k + 1) if (e[k]) words[k] <= d;
        if (e[8]) other_0 <= b;
        if (e[9]) other_1 <= b;
        q <= words[3];
    end
    assign r = other_0 & words[0] ^ words[1] & words[2], s = other_1 ^ words[4] & words[5] ^ words[6] & words[7];
endmodule
"""
ICARUS = pytest.mark.skipif(shutil.which("vvp") is None, reason="gates run on the Debian package iverilog")
TIMER = pytest.mark.skipif(shutil.which("sta") is None, reason="static timing needs the Debian package opensta")


def without(tmp_path: Path, *cells: str) -> Path:
    """The library, but without these cells."""
    text = SMALL.read_text()
    for cell in cells:
        text = re.sub(rf"^  cell \({cell}\) .*?^  }}\n", "", text, flags=re.M | re.S)
    (tmp_path / "less.lib").write_text(text)
    return tmp_path / "less.lib"


def test_words_with_the_same_data_share_their_first_latches():
    cells = instances(map_verilog(Source("top", WORDS), SMALL).verilog)
    firsts = {name: nets for name, (kind, nets) in cells.items() if kind == "LATCH_LOW"}
    seconds = {name: nets for name, (kind, nets) in cells.items() if kind == "LATCH"}
    assert sorted(firsts) == [f"words[0][{bit}]_first" for bit in range(8)]
    assert sorted(seconds) == [f"words[{word}][{bit}]_reg" for word in range(8) for bit in range(8)]
    gates = {name.partition("[0]_gate")[0]: nets["GCK"] for name, (kind, nets) in cells.items() if kind == "GATE"}
    for word in range(8):
        for bit in range(8):
            first, second = firsts[f"words[0][{bit}]_first"], seconds[f"words[{word}][{bit}]_reg"]
            assert (first["GN"], first["D"]) == ("clk", rf"\d[{bit}]")
            assert (second["D"], second["G"]) == (first["Q"], gates[f"words[{word}]"])
    kept = {name.partition("[")[0] for name, (kind, _nets) in cells.items() if kind == "DFF"}
    assert kept == {"d", "q", "other_0", "other_1"}  # two share b, and d and q have no clock gate


def test_a_library_without_a_latch_for_the_low_clock_gets_an_inverter(tmp_path):
    cells = instances(map_verilog(Source("top", WORDS), without(tmp_path, "LATCH_LOW")).verilog)
    kind, low = cells["clk_low"]
    assert (kind, low["A"]) == ("INV", "clk")
    firsts = [nets for name, (_kind, nets) in cells.items() if name.endswith("_first")]
    assert len(firsts) == 8
    assert {nets["G"] for nets in firsts} == {low["Z"]}


@pytest.mark.parametrize("how", ["no latches", "no clock gates"])
def test_without_latches_or_clock_gates_there_are_flip_flops(tmp_path, how):
    if how == "no latches":
        chip = map_verilog(Source("top", WORDS), without(tmp_path, "LATCH", "LATCH_LOW"))
    else:
        chip = map_verilog(Source("top", WORDS), SMALL, clock_gating=False)
    kinds = [kind for kind, _nets in instances(chip.verilog).values()]
    assert (kinds.count("DFF"), kinds.count("LATCH")) == (96, 0)


BENCH = """
module tb;
    reg clk = 0;
    reg [9:0] e;
    reg [7:0] a, b;
    wire [23:0] is, must;
    integer k, wrong = 0, seen = 0;
    top dut(.clk(clk), .e(e), .a(a), .b(b), .q(is[7:0]), .r(is[15:8]), .s(is[23:16]));
    model reference(.clk(clk), .e(e), .a(a), .b(b), .q(must[7:0]), .r(must[15:8]), .s(must[23:16]));
    initial begin
        for (k = 0; k < 400; k = k + 1) begin
            e = $random; a = $random; b = $random;
            if (k < 3) e = 1023;
            #1 clk = 1;
            #1 if (k > 3 && is !== must) wrong = wrong + 1;
            if (k > 3 && is[7:0] != 0) seen = seen + 1;
            e = $random; a = $random; b = $random;  // too late
            #1 clk = 0;
            #1 if (k > 3 && is !== must) wrong = wrong + 1;
        end
        $display("wrong %0d seen %0d", wrong, seen > 100);
    end
endmodule
"""


@ICARUS
@pytest.mark.parametrize("lacks", [(), ("LATCH_LOW",)], ids=["both latches", "an inverter"])
def test_latches_do_what_the_flip_flops_did(tmp_path, lacks):
    """Inputs change after each edge, too: nothing passes both latches at once."""
    pytest.importorskip("liberty", reason="models of cells need the PyPI package liberty-parser")
    chip = map_verilog(Source("top", WORDS), without(tmp_path, *lacks))
    models = read_cells(chip.library, set(chip.report.cells)).models
    text = "\n".join([BENCH, chip.verilog, WORDS.replace("module top", "module model"), models])
    (tmp_path / "all.v").write_text(text)
    assert run_program(["iverilog", "-g2005", "-o", "tb", "-s", "tb", "all.v"], tmp_path).returncode == 0
    assert run_program(["vvp", "-n", "tb"], tmp_path).stdout.strip() == "wrong 0 seen 1"


@TIMER
def test_a_first_latch_counts_as_open_from_the_end_of_the_period():
    """It takes 0.15 ns, and 0.007 for seven loads more; through a second latch 0.12; setup of q 0.1."""
    report = time_chip(map_verilog(Source("top", WORDS), SMALL))
    path = report.setup[REGISTERS]
    assert path.needs_ns == pytest.approx(0.15 + 0.007 + 0.12 + 0.1, abs=1e-4)
    assert re.fullmatch(r"q\[\d\]_reg/D", path.end)
    assert path.start.startswith("words[3]")
    assert report.hold.slack_ns == pytest.approx(0.15 - 0.05)  # from a second latch, which opens with the edge, to q


@TIMER
def test_hold_of_a_second_latch_is_against_the_first_one_that_opens():
    """At the falling edge: 0.157 ns to the second one, which closes and holds 0.03."""
    report = time_chip(map_verilog(Source("top", WORDS.replace("q <= words[3]", "q <= ~words[3]")), SMALL))
    assert report.hold.slack_ns == pytest.approx(0.15 + 0.007 - 0.03)
    assert re.fullmatch(r"words\[\d\]\[\d\]_reg/D", report.hold.end)


@pytest.mark.parametrize("inputs, address", [("ABCDEFGH", "STU"), ("ABCDEFGHIJKLMNOP", "STUV")])
def test_multiplexers_as_and_and_or_are_multiplexers(tmp_path, inputs, address):
    """Proved for all inputs, against an index."""
    size, ports = len(inputs), f"input {', '.join(inputs + address)}, output Y"
    pins = ", ".join(f".{name}({name})" for name in [*inputs, *address, "Y"])
    (tmp_path / "one_hot.v").write_text(ONE_HOT)
    (tmp_path / "both.v").write_text(f"""
module gold({ports}); wire [{size - 1}:0] all = {{{", ".join(reversed(inputs))}}};
    assign Y = all[{{{", ".join(reversed(address))}}}]; endmodule
module gate({ports}); \\$_MUX{size}_ mux ({pins}); endmodule
""")
    commands = ["read_verilog -icells both.v", "proc", "techmap -map one_hot.v gate", "opt_clean", "stat gate"]
    commands += ["select -assert-none gate/t:$_MUX*", "miter -equiv -make_assert gold gate miter", "flatten miter"]
    run_yosys([*commands, "sat -verify -prove-asserts miter"], tmp_path)

"""Static timing, against sums made by hand with the delays of small.lib."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ohmgate.hdl.flow.synthesis import MappedChip, Source, map_chip, map_verilog
from ohmgate.hdl.flow.timing import REGISTERS, check, time_chip
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer
from ohmgate.model.programs import ProgramError

SMALL = Path(__file__).parent / "small.lib"
PATHS = """
module top(input clk, input rst, input e, input [7:0] a, input b, output reg [7:0] q, output reg s, output c);
    reg r;
    assign c = ~r;
    always @(posedge clk) begin r <= b; s <= ~r; end
    always @(posedge clk) if (rst) q <= 0; else if (e) q <= a;
endmodule
"""
TOOL = pytest.mark.skipif(shutil.which("sta") is None, reason="static timing needs the Debian package opensta")


@pytest.fixture(scope="module")
def mapped() -> MappedChip:
    return map_verilog(Source("top", PATHS), SMALL)


@TOOL
def test_paths_are_the_sums_of_their_delays(mapped):
    """DFF 0.2 ns, INV 0.05, NAND2 0.07; setup 0.1 of a flip-flop and 0.15 of a clock gate; hold 0.05."""
    report = time_chip(mapped)
    assert report.setup[REGISTERS].needs_ns == pytest.approx(0.2 + 0.05 + 0.1)
    assert (report.setup[REGISTERS].start, report.setup[REGISTERS].end) == ("r_reg/Q", "s_reg/D")
    assert [kind for _pin, kind, _at in report.setup[REGISTERS].points] == ["DFF", "INV", "INV", "DFF"]
    assert report.setup["register to port"].needs_ns == pytest.approx(0.2 + 0.05)
    into_gate = report.setup["port to register"]  # e and rst go to the gate of q
    assert (into_gate.needs_ns, into_gate.end) == (pytest.approx(0.05 + 0.07 + 0.15), "q[0]_gate/E")
    assert report.hold.slack_ns == pytest.approx(0.2 + 0.05 - 0.05)
    assert report.faults() == []
    assert report.tool.startswith("OpenSTA ")


@TOOL
def test_a_clock_that_is_missed_is_told(mapped):
    assert time_chip(mapped, 0.36).faults() == []
    report = time_chip(mapped, 0.34)
    assert report.faults() == ["flip-flop to flip-flop needs 0.350 ns, not 0.34 ns"]
    assert report.setup[REGISTERS].slack_ns == pytest.approx(-0.01)
    found = json.loads(report.json())
    assert (found["clock_ns"], found["shortest_clock_ns"], found["faults"]) == (0.34, 0.35, report.faults())
    lines = report.markdown().splitlines()
    assert "| shortest clock period | 0.350 ns, so 2857 MHz |" in lines
    assert f"| {REGISTERS} | 0.350 | r_reg/Q | s_reg/D |" in lines
    assert "| 0.250 | s_reg/D | DFF |" in lines


def test_hold_that_is_missed_is_told(mapped):
    if shutil.which("sta") is None:
        pytest.skip("static timing needs the Debian package opensta")
    report = time_chip(mapped)
    late = replace(report, hold=replace(report.hold, slack_ns=-0.02))
    assert late.faults() == ["hold is missed by 0.020 ns at s_reg/D"]


@TOOL
def test_arrays_are_apart_from_ports():
    design = Design("tiny", (LstmLayer(inputs=2, hidden=2, adcs=4, cell_bits=12, cell_fraction=8),))
    report = time_chip(map_chip(design, SMALL))
    assert report.setup["array to register"].start.startswith("array_0.macro.")
    assert report.setup["register to array"].end.startswith("array_0.macro.")
    assert not report.setup["port to register"].start.startswith("array_")
    assert report.fingerprint == design.fingerprint
    assert report.largest_fan_out <= 16


@TOOL
def test_a_chip_without_flip_flops_has_no_timing():
    chip = map_verilog(Source("top", "module top(input clk, input a, output q); assign q = ~a; endmodule\n"), SMALL)
    with pytest.raises(DesignError) as error:
        time_chip(chip)
    assert str(error.value) == "static timing must have a path from flip-flop to flip-flop, but top has none"


@pytest.mark.parametrize("period", [0, -1, float("nan"), 1e6])
def test_a_period_that_is_none_is_refused(period):
    with pytest.raises(DesignError) as error:
        check(period)
    assert str(error.value) == f"the clock's period must be above 0 and below a million ns, not {period:g}"


@pytest.mark.parametrize(
    "script, sentence",
    [
        ("kill -9 $$", "sta was ended by the signal SIGKILL, as the system does where memory runs out"),
        ("echo 'Error: time.tcl, 3 cannot read'", "sta: time.tcl, 3 cannot read"),
        ("exit 3", "sta: ended with status 3"),
        ("true", "sta: ended with status 0"),
    ],
)
def test_a_timer_that_fails_is_one_sentence(monkeypatch, tmp_path, mapped, script, sentence):
    (tmp_path / "sta").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "sta").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ProgramError) as error:
        time_chip(mapped)
    assert str(error.value) == sentence

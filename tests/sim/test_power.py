"""Gate-level energy, against sums made by hand with small.lib: 1 fF an input, 1 V, and constant energies."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ohmgate.hdl.chip import Chip
from ohmgate.hdl.flow.cell_models import read_cells
from ohmgate.hdl.flow.emit import emit
from ohmgate.hdl.flow.liberty import read_library
from ohmgate.hdl.flow.synthesis import Source, map_chip, map_verilog
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer
from ohmgate.sim.gate_level import Activity, count_edges, run_bench, run_gates
from ohmgate.sim.power import KINDS, energies, power_of
from ohmgate.sim.random_designs import random_inputs, random_network

pytest.importorskip("liberty", reason="a power estimate needs the PyPI package liberty-parser")
SMALL = Path(__file__).parent.parent / "hdl/flow/small.lib"
ICARUS = pytest.mark.skipif(shutil.which("vvp") is None, reason="gates run on the Debian package iverilog")
TINY = Design("tiny", (LstmLayer(inputs=2, hidden=2, adcs=4, cell_bits=12, cell_fraction=8),))


def test_edges_of_a_dump_are_counted_bit_by_bit():
    dump = r"""$scope module dut $end
$var wire 1 ! clk $end
$var reg 4 " word [3:0] $end
$var wire 1 # \a.b[2] $end
$var wire 1 ! same $end
$enddefinitions $end
#0
$dumpvars
0!
bx "
z#
$end
#5
1!
b101 "
1#
#10
0!
b1111 "
0#
#15
1!
b0 "
x#
""".splitlines(keepends=True)
    assert count_edges(dump) == {
        "clk": (2, 1), "same": (2, 1), "a.b[2]": (0, 1),
        "word[0]": (0, 1), "word[1]": (1, 1), "word[2]": (0, 1), "word[3]": (1, 1),
    }  # fmt: skip


def test_cells_are_read_with_their_units():
    cells = read_cells(read_library(SMALL), {"INV", "DFF", "GATE", "ONE"})
    assert cells.voltage == 1.0
    assert cells.leakage == {"INV": 1e-9, "DFF": 1e-9, "GATE": 1e-9, "ONE": 0.0}
    assert cells.pins["INV"]["A"].capacitance == pytest.approx(1e-15)
    assert cells.pins["INV"]["Z"].rise.at(5e-15) == pytest.approx(2e-15)
    assert cells.pins["DFF"]["CK"].fall.at(0.0) == pytest.approx(4e-15)
    assert cells.pins["DFF"]["Q"].rise.at(1e-12) == pytest.approx(5e-15)
    assert set(re.findall(r"reg IQ[^;]*;", cells.models)) == {"reg IQ = 1'b0;"}
    assert (cells.pins["GATE"]["IQ"].direction, cells.pins["GATE"]["GCK"].direction) == ("internal", "output")


def test_energies_are_the_sums_of_their_edges():
    """r (DFF) drives an INV and a port; clk goes up and down ten times, a and r go up twice and down once."""
    verilog = "module top(input clk, input a, output reg r, output c); assign c = ~r; always @(posedge clk) r <= a; endmodule\n"
    chip = map_verilog(Source("top", verilog), SMALL)
    cells = read_cells(chip.library, set(chip.report.cells))
    edges = {"clk": (10, 10), "a": (2, 1), "r": (2, 1), "c": (1, 2)}
    found = energies(chip, cells, Activity("PASS", 10, edges))
    assert list(found) == list(KINDS)
    assert found["clock pins"] == pytest.approx((20 * 0.5 + 20 * 4.0) * 1e-3 / 10)  # 1 fF at 1 V; 4 fJ an edge
    assert found["registers"] == pytest.approx((3 * 0.5 + 3 * 5.0) * 1e-3 / 10)  # the INV's input, and the edges of Q
    assert found["logic"] == pytest.approx(
        (3 * 0.5 + 3 * 2.0) * 1e-3 / 10, abs=1e-4
    )  # the net of a; the edges of INV


@pytest.fixture(scope="module")
def tiny():
    rng = np.random.default_rng(3)
    network = random_network(TINY, rng)
    return map_chip(TINY, SMALL), network, *random_inputs(TINY, rng, 3, 5)


@ICARUS
@pytest.mark.full
def test_the_gated_netlist_gives_the_results_of_the_rtl_in_its_cycles(tiny):
    """And energies that are there, with fewer clock pins in motion than without clock gates."""
    chip, network, codes, lengths = tiny
    report = power_of(chip, network, codes, lengths)
    assert report.verdict.startswith(f"PASS: {lengths.sum()} results of {lengths.sum()} time steps")
    plain = power_of(map_chip(TINY, SMALL, clock_gating=False), network, codes, lengths, clock_gating=False)
    assert plain.verdict == report.verdict
    assert plain.cycles == report.cycles
    assert report.energy_pj_per_cycle["clock pins"] < 0.8 * plain.energy_pj_per_cycle["clock pins"]
    flip_flops = plain.energy_pj_per_cycle["clock pins"] / (2 * (0.5 + 4.0) * 1e-3)  # each edge: C V^2 / 2, and 4 fJ
    assert flip_flops == pytest.approx(chip.report.flip_flops, rel=0.001)
    assert (report.clock_gating, plain.clock_gating) == (True, False)
    found = json.loads(report.json())
    assert found["total_pj_per_cycle"] == pytest.approx(sum(found["energy_pj_per_cycle"].values()))
    assert f"| all | {report.total_pj_per_cycle:.2f} | |" in report.markdown()


def test_a_netlist_that_gives_other_results_is_an_error(tiny, monkeypatch):
    chip, network, codes, lengths = tiny
    cells = read_cells(chip.library, set(chip.report.cells))
    monkeypatch.setattr("ohmgate.sim.gate_level._run", lambda *_: "FAIL: 1 of 9 results differ")
    with pytest.raises(DesignError) as error:
        run_gates(chip.verilog, cells, network, codes, lengths)
    assert (
        str(error.value) == "the netlist of tiny must give the reference's results, but: FAIL: 1 of 9 results differ"
    )


@ICARUS
def test_a_netlist_that_takes_other_cycles_is_an_error(tiny, monkeypatch):
    chip, network, codes, lengths = tiny
    monkeypatch.setattr("ohmgate.sim.power.run_bench", lambda *_: "PASS: in other cycles")
    monkeypatch.setattr("ohmgate.sim.power.run_gates", lambda *_: Activity("PASS: in these", 1, {}))
    with pytest.raises(DesignError) as error:
        power_of(chip, network, codes, lengths)
    assert (
        str(error.value)
        == "the netlist of tiny must do what the RTL does, but: PASS: in these, not: PASS: in other cycles"
    )


@ICARUS
def test_what_the_bench_says_of_wrong_results_is_told(tiny):
    _chip, network, codes, lengths = tiny
    right = emit(Chip(TINY), "tiny")
    wrong = re.sub(r"^  assign y__payload = (.*);", r"  assign y__payload = \1 ^ 10'h1;", right, flags=re.MULTILINE)
    assert wrong != right
    assert run_bench(wrong, network, codes, lengths) == f"FAIL: {lengths.sum()} of {lengths.sum()} results differ"


@ICARUS
def test_verilog_that_icarus_refuses_is_one_sentence(tiny):
    _chip, network, codes, lengths = tiny
    with pytest.raises(DesignError, match=r"^iverilog: .*tiny.v:.*"):
        run_bench(emit(Chip(TINY), "tiny") + "module", network, codes, lengths)

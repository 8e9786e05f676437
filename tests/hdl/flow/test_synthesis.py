"""Synthesis: no latches, no undriven or multiply driven nets, and figures that add up."""

import gc
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ohmgate.hdl.flow import synthesis
from ohmgate.hdl.flow.place import place_and_route
from ohmgate.hdl.flow.synthesis import AREA_UNIT, Source, synthesise, synthesise_verilog
from ohmgate.hdl.flow.synthesis_report import CriticalPath, SynthesisReport
from ohmgate.hdl.flow.yosys import SynthesisError, run_yosys
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.programs import ProgramError


def tiny() -> Design:
    return Design("tiny", (LstmLayer(inputs=2, hidden=2, adcs=4, cell_bits=12, cell_fraction=8),))


def check(report, design: Design) -> None:
    assert report.faults() == []
    assert report.fingerprint == design.fingerprint
    assert report.flip_flops > sum(layer.inputs * layer.dac_bits for layer in design.layers)
    lstm = [layer for layer in design.layers if layer.kind == "lstm"]
    assert report.memories >= 5 * len(lstm)  # four tables and the cells; Yosys makes ROMs of constant tables too
    bits = sum(4 * 2**x.adc_bits * x.activation_bits + x.hidden * x.cell_bits for x in lstm)
    assert report.memory_bits >= bits


@pytest.fixture
def liberty() -> Path:
    folder = os.environ.get("OHMGATE_PDK")
    file = Path(folder or ".") / "nangate45_typ.lib.gz"
    if not folder or not file.is_file():
        pytest.skip("set OHMGATE_PDK to a folder with nangate45_typ.lib.gz")
    return file


def test_a_small_design_in_generic_gates():
    report = synthesise(tiny())
    check(report, tiny())
    assert report.black_boxes == (tiny().layers[0].macro_name,)
    assert (report.area, report.critical_path) == (None, None)
    assert json.loads(report.json())["flip_flops"] == report.flip_flops
    assert f"| flip-flops | {report.flip_flops} |" in report.markdown()
    assert f"| cells | {sum(report.cells.values())} of Yosys's own gates |" in report.markdown()
    assert "| faults | none |" in report.markdown()


@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_a_design_that_is_too_wide_is_refused_without_warnings(target, recwarn):
    """Amaranth warns of modules that an error left unused: there are none yet."""
    gc.collect()  # what other tests left unused
    recwarn.clear()
    with pytest.raises(DesignError) as error:
        synthesise(Design("wide", (DenseLayer(inputs=2, outputs=2, adcs=1, weight_bits=9),)), target)
    assert str(error.value) == "layer 0: weight bits of a design for RTL must be an integer from 1 to 8, not 9"
    del error
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vowels", "har"])
def test_presets_in_generic_gates(name):
    check(synthesise(Design.load(name)), Design.load(name))


@pytest.mark.full
@pytest.mark.parametrize("name", ["names", "ptb"])
def test_large_presets_in_generic_gates(name):
    check(synthesise(Design.load(name)), Design.load(name))


@pytest.mark.slow
def test_demo_on_ecp5():
    report = synthesise(Design.load("vowels"), "ecp5")
    check(report, Design.load("vowels"))
    assert report.cells["TRELLIS_FF"] == report.flip_flops
    assert report.cells["MULT18X18D"] >= 4
    assert (
        report.cells["TRELLIS_DPR16X4"] == 4 * 16 // 4 + 4 * 4 * 8 // 4
    )  # halves of cells of 4 lanes, 4 tables read 4 times
    assert not any("LATCH" in kind.upper() for kind in report.cells)


@pytest.mark.slow
def test_tables_with_many_read_ports_on_ecp5():
    check(synthesise(Design.load("har"), "ecp5"), Design.load("har"))


@pytest.mark.full
def test_demo_placed_on_ecp5():
    path = synthesise(Design.load("vowels"), "ecp5", place=True).critical_path
    assert 5_000 < path.picoseconds < 50_000
    assert "left out" in path.method


@pytest.mark.slow
def test_demo_in_standard_cells(liberty):
    report = synthesise(Design.load("vowels"), "liberty", liberty)
    check(report, Design.load("vowels"))
    assert report.cells["DFF_X1"] + report.cells["DLH_X1"] == report.flip_flops
    assert report.cells["DLH_X1"] >= 8 * 64 + 2 * 4 * 4 * 16 * 8 // 8  # cell states and tables
    assert 0 < report.sequential_area < report.area
    assert report.area_unit == AREA_UNIT
    assert 300 < report.critical_path.picoseconds < 5_000
    assert report.black_boxes == tuple(sorted(x.macro_name for x in Design.load("vowels").layers))


def test_every_number_of_a_report_has_its_unit():
    path = CriticalPath(1234.4, "a", "b", "a guess")
    report = SynthesisReport(
        design="one", fingerprint="f", target="liberty cells.lib", cells={"INV": 3, "DFF": 4}, cell_unit="standard cells",
        flip_flops=4, memories=2, memory_bits=96, area=187256.2, sequential_area=1000.0, area_unit=AREA_UNIT,
        critical_path=path, latches=0, net_problems=(), black_boxes=(), expected_black_boxes=(),
    )  # fmt: skip
    unit = "in the library's unit (um2 in those of Nangate, SkyWater and IHP)"
    assert report.markdown().splitlines()[4:12] == [
        "| fingerprint | f |",
        "| cells | 7 standard cells |",
        "| flip-flops | 4 |",
        "| memories in the RTL | 2 (96 bits) |",
        f"| area | 187256, {unit} |",
        "| of which sequential | 1000 of the same |",
        "| critical path | 1234 ps, so 810 MHz, a to b (a guess) |",
        "| faults | none |",
    ]
    found = json.loads(report.json())
    assert (found["area_unit"], found["cell_unit"]) == (unit, "standard cells")
    assert found["critical_path"]["megahertz"] == pytest.approx(810.11, abs=0.01)
    wires = replace(report, critical_path=replace(path, picoseconds=0.0))
    assert "| critical path | 0 ps, a to b (a guess) |" in wires.markdown()
    assert json.loads(wires.json())["critical_path"]["megahertz"] is None


GOOD = "module top(input clk, input a, output reg q); always @(posedge clk) q <= a; endmodule\n"


@pytest.mark.parametrize(
    "verilog, fault",
    [
        ("module top(input a, output q); wire u; assign q = a ^ u; endmodule\n", "is used but has no driver"),
        ("module top(input a, input b, output q); assign q = a; assign q = b; endmodule\n", "multiple conflicting"),
        ("module top(input a, output q); box_1 x(.a(a), .q(q)); endmodule\n", "black boxes are"),
    ],
)
def test_faults_are_found(verilog, fault):
    boxes = "(* blackbox *)\nmodule box_1 (input a, output q);\nendmodule\n"
    assert any(fault in found for found in synthesise_verilog(Source("top", verilog, boxes)).faults())
    assert synthesise_verilog(Source("top", GOOD)).faults() == []


def test_a_latch_is_found():
    verilog = "module top(input e, input a, output reg q); always @* if (e) q = a; endmodule\n"
    report = synthesise_verilog(Source("top", verilog))
    assert report.faults() == ["1 latches"]


def test_an_unsupported_target_a_missing_library_and_broken_verilog_are_refused():
    with pytest.raises(DesignError, match=r"^target must be one of generic, ecp5, liberty, not 'xc7'$"):
        synthesise(tiny(), "xc7")
    with pytest.raises(DesignError, match=r"^target liberty must have a Liberty file, and 'no.lib' is none$"):
        synthesise(tiny(), "liberty", Path("no.lib"))
    with pytest.raises(SynthesisError, match=r"^yosys: .*syntax error"):
        synthesise_verilog(Source("top", "module top(; endmodule"))


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


@pytest.mark.parametrize(
    "harm, name",
    [
        (lambda folder: (folder / "rtl.json").unlink(), "rtl.json"),
        (lambda folder: cut(folder / "mapped.json"), "mapped.json"),
        (lambda folder: cut(folder / "rtl_check.txt"), "rtl_check.txt"),
        (lambda folder: (folder / "mapped_check.txt").write_text(""), "mapped_check.txt"),
    ],
    ids=["missing", "statistics", "check", "empty"],
)
def test_files_that_yosys_did_not_write_to_the_end_are_no_result(monkeypatch, harm, name):
    """As on a disk that fills up: a check that is cut off warns of less than there is."""

    def harmed(commands, folder):
        log = run_yosys(commands, folder)
        harm(folder)
        return log

    monkeypatch.setattr(synthesis, "run_yosys", harmed)
    with pytest.raises(ProgramError) as error:
        synthesise_verilog(Source("top", GOOD))
    assert str(error.value) == f"yosys left no whole {name}"


@pytest.mark.parametrize(
    "script, sentence",
    [
        ("kill -9 $$", "nextpnr-ecp5 was ended by the signal SIGKILL, as the system does where memory runs out"),
        ("echo 'ERROR: no room' >&2; exit 1", "nextpnr: ERROR: no room"),
        ("exit 4", "nextpnr: ended with status 4"),
        ("echo '{\"critical_paths\": [' > timing.json", "nextpnr left no whole timing.json"),
        ("true", "nextpnr left no whole timing.json"),
    ],
)
def test_place_and_route_that_fails_is_one_sentence(monkeypatch, tmp_path, script, sentence):
    (tmp_path / "nextpnr-ecp5").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nextpnr-ecp5").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ProgramError) as error:
        place_and_route(tmp_path / "netlist.json")
    assert str(error.value) == sentence

"""Constraints and settings of flows: what they name is there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ohmgate.hdl.flow.synthesis import map_chip
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.files import write_together
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")
LAYER = LstmLayer(inputs=2, hidden=2, adcs=4)
TWINS = Design("twins", (LAYER, LAYER))  # two instances of one macro


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    write_together(folder, handoff_files(TWINS, period=12.5))
    return folder


def test_make_reads_the_settings_and_every_file_is_there(twins, tmp_path):
    names = ("VERILOG_FILES", "SDC_FILE", "ADDITIONAL_LEFS", "ADDITIONAL_LIBS", "ADDITIONAL_GDS")
    printed = "".join(f"\t@echo {name} $({name})\n" for name in (*names, "DESIGN_NAME"))
    (tmp_path / "Makefile").write_text(f"include {twins}/config.mk\nshow:\n{printed}")
    done = subprocess.run(
        ["make", "--no-print-directory", "show"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = {name: values for name, *values in (line.split() for line in done.stdout.splitlines())}
    assert found.pop("DESIGN_NAME") == ["twins"]
    macro = LAYER.macro_name
    views = (f"lef/{macro}.lef", f"liberty/{macro}.lib", f"gds/{macro}.gds")
    files = ("twins.v", "twins.sdc", *views)
    assert found == {name: [f"{twins}/{file}"] for name, file in zip(names, files)}
    assert all((twins / file).is_file() for file in files)


def test_constraints_name_the_clock_and_every_port_and_say_what_is_a_guess(twins):
    text = (twins / "twins.sdc").read_text()
    assert "create_clock -name clk -period 12.5 [get_ports clk]\n" in text
    [inputs] = re.findall(r"set_input_delay -max 2.5 -clock clk \[get_ports \{(.*)\}\]", text)
    [outputs] = re.findall(r"set_output_delay -max 2.5 -clock clk \[get_ports \{(.*)\}\]", text)
    assert inputs == "rst x__payload* x__valid y__ready bus__adr* bus__dat_w* bus__sel* bus__cyc bus__stb bus__we"
    assert outputs == "x__ready y__payload* y__valid bus__dat_r* bus__ack bus__err"
    assert "-min" not in text
    assert "the period is a guess" not in text
    for name in ("array_0.macro", "array_1.macro"):
        assert f"set_multicycle_path -setup 2 -to [get_pins {{{name}/mult* {name}/shift*}}]\n" in text
        assert f"set_multicycle_path -hold 1 -to [get_pins {{{name}/mult* {name}/shift*}}]\n" in text
    guessed = handoff_files(TWINS)
    for file in ("twins.sdc", "config.yaml"):
        assert "PLACEHOLDER: the period is a guess, as none was given." in guessed[file]
    assert "CLOCK_PERIOD: 10\n" in guessed["config.yaml"]


@pytest.mark.parametrize("period", [0.0, -1.0, 2e6, float("inf"), float("nan")])
def test_a_period_that_no_clock_has_is_refused(period):
    with pytest.raises(DesignError, match=f"the clock's period must be from 0.01 to 1000000 ns, not {period}"):
        handoff_files(TWINS, period=period)


@pytest.mark.skipif(not shutil.which("sta"), reason="needs OpenSTA (Debian: opensta)")
def test_opensta_takes_the_constraints_with_the_mapped_chip(twins):
    folder = os.environ.get("OHMGATE_PDK")
    library = Path(folder or ".") / "nangate45_typ.lib.gz"
    if not folder or not library.is_file():
        pytest.skip("set OHMGATE_PDK to a folder with nangate45_typ.lib.gz")
    mapped = map_chip(TWINS, library)
    (twins / "netlist.v").write_text(mapped.verilog)
    (twins / "cells.lib").write_text(mapped.library.text)
    (twins / "read.tcl").write_text(
        f"read_liberty cells.lib\nread_liberty liberty/{LAYER.macro_name}.lib\nread_verilog netlist.v\n"
        "link_design twins\nread_sdc twins.sdc\ncheck_setup -verbose\n"
        "puts GAINS:[llength [get_pins {array_1.macro/mult* array_1.macro/shift*}]]\n"
        "report_checks -path_delay max -to [get_pins array_1.macro/mult*]\nputs INPUTS\n"
        "report_checks -path_delay min -from [all_inputs]\n"
    )
    command = ["sta", "-no_splash", "-exit", "read.tcl"]
    done = subprocess.run(command, cwd=twins, check=True, capture_output=True, text=True)
    said, _, hold_of_inputs = (done.stdout + done.stderr).partition("INPUTS\n")
    head, _, gains = said.partition("GAINS:")
    assert head == ""  # no warning, and nothing that check_setup misses
    assert gains.startswith(f"{4 * (8 + 6)}\n")
    assert re.search(
        r"^ +25\.00 +25\.00 +clock clk \(rise edge\)$", gains, flags=re.MULTILINE
    )  # two cycles of 12.5 ns
    assert hold_of_inputs.strip() == "No paths found."

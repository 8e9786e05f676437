"""The leaf with a macro: its ports written out by hand, and each on the wire of its name."""

import re

import pytest
from amaranth.back import rtlil

from ohmgate.hdl.array_macro import ArrayMacro, macro_ports
from ohmgate.hdl.macro_views import black_box
from ohmgate.model.layers import DenseLayer, LstmLayer

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=5, weight_bits=3, adc_bits=6, bias_rows=2, cell_bits=20,
                 cell_fraction=15, activation_bits=9)  # fmt: skip
HEAD = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=5, weight_bits=1, adc_bits=7, output="codes",
                  conversion_cycles=4, bias_rows=0)  # fmt: skip
OWN = LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=2, input_dac_bits=7, weight_bits=3)
TINY = DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=1, weight_bits=1, adc_bits=1, bias_rows=0)

MACRO_PORTS = {  # name, width; inputs of the macro first
    "lstm": (LSTM, """
        clk 1, rst 1, row_codes 35, select 1, convert 1, hidden_drive 1, mult 32, shift 24, program_row 4,
        program_column 4, program_level 3, program_strobe 1, cancel 1, seal 1, unseal 1; codes 48, done 1, program_done 1, sealed 1"""),
    "own input bits": (OWN, """
        clk 1, rst 1, row_codes 25, select 1, convert 1, hidden_drive 1, mult 32, shift 24, program_row 3,
        program_column 3, program_level 3, program_strobe 1, cancel 1, seal 1, unseal 1; codes 16, done 1, program_done 1, sealed 1"""),
    "fixed head": (HEAD, """
        clk 1, rst 1, row_codes 20, select 2, convert 1, mult 8, shift 6, program_row 2, program_column 3,
        program_level 1, program_strobe 1, cancel 1, seal 1, unseal 1; codes 14, program_done 1, sealed 1"""),
    "one cell": (TINY, """
        clk 1, rst 1, row_codes 1, select 1, convert 1, mult 8, shift 6, program_row 1, program_column 1,
        program_level 1, program_strobe 1, cancel 1, seal 1, unseal 1; codes 1, done 1, program_done 1, sealed 1"""),
}  # fmt: skip


@pytest.mark.parametrize("kind", MACRO_PORTS)
def test_ports_of_a_macro(kind):
    layer, text = MACRO_PORTS[kind]
    inputs, outputs = ([tuple(port.split()) for port in part.split(",")] for part in text.split(";"))
    found = {direction: [] for direction in ("input", "output")}
    for port in macro_ports(layer):
        found[port.direction].append((port.name, str(port.width)))
    assert sorted(found["input"]) == sorted(inputs)
    assert sorted(found["output"]) == sorted(outputs)
    assert black_box(layer).startswith(f"`ifndef {layer.macro_name.upper()}_BLACKBOX\n")


@pytest.mark.parametrize("kind", MACRO_PORTS)
def test_every_port_of_the_macro_is_on_the_wire_of_its_name(kind):
    layer, _ = MACRO_PORTS[kind]
    text = rtlil.convert(ArrayMacro(layer), emit_src=False)
    name, body = re.search(r"cell \\(ohmgate_\S+) \\macro\n(.*?)\n  end", text, flags=re.DOTALL).groups()
    wires = dict(re.findall(r"connect \\(\S+) \\(\S+)", body))
    assert name == layer.macro_name
    assert sorted(wires) == sorted(port.name for port in macro_ports(layer))
    assert {port: wire.split("__")[-1] for port, wire in wires.items()} == {port: port for port in wires}


def test_row_codes_are_inputs_and_hidden_units_in_order():
    [rows] = [port for port in macro_ports(LSTM) if port.name == "row_codes"]
    assert rows.fields == ({"name": "row_codes", "lsb": 0, "width": 35, "elements": 7, "element_width": 5},)
    [rows] = [port for port in macro_ports(OWN) if port.name == "row_codes"]
    assert rows.fields == (
        {"name": "inputs", "lsb": 0, "width": 21, "elements": 3, "element_width": 7},
        {"name": "hidden", "lsb": 21, "width": 4, "elements": 2, "element_width": 2},
    )

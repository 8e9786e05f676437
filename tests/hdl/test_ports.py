"""Ports written out by hand: what a macro, a stream and a chip have, bit by bit."""

import pytest

from ohmgate.hdl.array_macro import macro_ports
from ohmgate.hdl.chip import chip_ports
from ohmgate.hdl.flow.keywords import KEYWORDS
from ohmgate.hdl.macro_views import black_box
from ohmgate.hdl.streams import input_layout, output_layout
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=5, weight_bits=3, adc_bits=6, bias_rows=2, cell_bits=20,
                 cell_fraction=15, activation_bits=9)  # fmt: skip
HEAD = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=5, weight_bits=1, adc_bits=7, output="codes",
                  conversion_cycles=4, bias_rows=0)  # fmt: skip
TINY = DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=1, weight_bits=1, adc_bits=1, bias_rows=0)

MACRO_PORTS = {  # name, width; inputs of the macro first
    "lstm": (LSTM, """
        clk 1, rst 1, row_codes 35, select 1, convert 1, hidden_drive 1, mult 32, shift 24, program_row 4,
        program_column 4, program_level 3, program_strobe 1, cancel 1; codes 48, done 1, program_done 1"""),
    "fixed head": (HEAD, """
        clk 1, rst 1, row_codes 20, select 2, convert 1, mult 8, shift 6, program_row 2, program_column 3,
        program_level 1, program_strobe 1, cancel 1; codes 14, program_done 1"""),
    "one cell": (TINY, """
        clk 1, rst 1, row_codes 1, select 1, convert 1, mult 8, shift 6, program_row 1, program_column 1,
        program_level 1, program_strobe 1, cancel 1; codes 1, done 1, program_done 1"""),
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


STREAMS = {  # layout of the values: bits of all, of one; then first and last
    "codes of an LSTM": (output_layout(LSTM), 20, 5),
    "values of an LSTM": (output_layout(LstmLayer(inputs=3, hidden=4, adcs=8, activation_bits=9, output="value")), 36, 9),
    "table of a dense layer": (output_layout(DenseLayer(inputs=4, outputs=6, adcs=2, output_bits=3)), 18, 3),
    "codes of a head": (output_layout(HEAD), 42, 7),
    "inputs": (input_layout(LSTM), 15, 5),
}  # fmt: skip


@pytest.mark.parametrize("kind", STREAMS)
def test_fields_of_a_stream(kind):
    layout, width, one = STREAMS[kind]
    fields = [(name, field.offset, field.width) for name, field in layout]
    assert fields == [("values", 0, width), ("first", width, 1), ("last", width + 1, 1)]
    assert layout["values"].shape.length == width // one


@pytest.mark.parametrize("outputs, bits", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)])
def test_a_label_has_the_bits_of_the_largest_one(outputs, bits):
    layout = output_layout(DenseLayer(inputs=1, outputs=outputs, adcs=1, output="argmax"))
    assert (layout["values"].width, layout.size) == (bits, bits + 2)


def test_signed_values_are_signed():
    """A reader of the side-car or of the Amaranth layout gets numbers, where codes are patterns."""
    for layer, signed in ((LSTM, False), (HEAD, True), (LstmLayer(inputs=1, hidden=1, adcs=4, output="value"), True)):
        shape = output_layout(layer)["values"].shape.elem_shape
        assert getattr(shape, "signed", False) == signed


BUS = [("bus__adr", "input", 5), ("bus__dat_w", "input", 32), ("bus__dat_r", "output", 32), ("bus__sel", "input", 4),
       ("bus__cyc", "input", 1), ("bus__stb", "input", 1), ("bus__we", "input", 1), ("bus__ack", "output", 1),
       ("bus__err", "output", 1)]  # fmt: skip
TRACE = [("gates_valid", 1), ("gates", 72), ("cell_valid", 1), ("cell", 40), ("hidden_valid", 1), ("hidden", 10)]


@pytest.mark.parametrize("trace", [False, True])
def test_ports_of_a_chip(trace):
    design = Design("two", (LSTM, HEAD))
    expected = [("clk", "input", 1), ("rst", "input", 1), *BUS,
                ("x__payload", "input", 17), ("x__valid", "input", 1), ("x__ready", "output", 1),
                ("y__payload", "output", 44), ("y__valid", "output", 1), ("y__ready", "input", 1)]  # fmt: skip
    if trace:
        expected += [(f"trace_0__{name}", "output", width) for name, width in TRACE]
    assert sorted(port[:3] for port in chip_ports(design, trace)) == sorted(expected)


def test_keywords_are_those_that_another_reader_of_systemverilog_knows():
    lexer = pytest.importorskip("pygments.lexers.hdl").SystemVerilogLexer()  # of pytest itself
    assert [word for word in KEYWORDS if "Token.Name" in str(next(lexer.get_tokens(f"{word} x"))[0])] == []
    assert len(KEYWORDS) == 248


def test_row_codes_are_inputs_and_hidden_units_in_order():
    [rows] = [port for port in macro_ports(LSTM) if port.name == "row_codes"]
    assert rows.fields == ({"name": "row_codes", "lsb": 0, "width": 35, "elements": 7, "element_width": 5},)

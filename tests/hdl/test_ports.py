"""Streams written out by hand, bit by bit; words that no port may have."""

import pytest

from ohmgate.hdl.flow.keywords import KEYWORDS
from ohmgate.hdl.streams import input_layout, output_layout
from ohmgate.model.layers import DenseLayer, LstmLayer

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=5, weight_bits=3, adc_bits=6, bias_rows=2, cell_bits=20,
                 cell_fraction=15, activation_bits=9)  # fmt: skip
HEAD = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=5, weight_bits=1, adc_bits=7, output="codes",
                  conversion_cycles=4, bias_rows=0)  # fmt: skip

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


def test_keywords_are_those_that_another_reader_of_systemverilog_knows():
    lexer = pytest.importorskip("pygments.lexers.hdl").SystemVerilogLexer()  # of pytest itself
    assert [word for word in KEYWORDS if "Token.Name" in str(next(lexer.get_tokens(f"{word} x"))[0])] == []
    assert len(KEYWORDS) == 248

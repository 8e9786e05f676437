"""The macro's view: where its inputs lie in a call, and that C++ and Python mean the same rules."""

import re
from importlib import resources

import pytest

from ohmgate.hdl.array_macro import macro_ports
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.agent_view import RULES
from ohmgate.sim.native.array_view import array_view, call_words, seen_fields

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, input_dac_bits=5)
DENSE = DenseLayer(inputs=40, outputs=6, adcs=6, adc_bits=8)


def test_the_inputs_that_decide_a_conversion_lie_side_by_side():
    # 3 inputs of 5 bits and 4 hidden codes of 3 bits; M = 2; a gain of 8 and 6 bits for each gate
    assert seen_fields(LSTM) == {
        "row_codes": (0, 27),
        "select": (27, 1),
        "hidden_drive": (28, 1),
        "mult": (29, 32),
        "shift": (61, 24),
    }
    assert seen_fields(DENSE) == {"row_codes": (0, 160), "select": (160, 1), "mult": (161, 8), "shift": (169, 6)}


def test_a_call_has_room_for_every_layer():
    assert call_words([LSTM]) == (3, 2)  # 85 bits, and 8 codes of 4 bits; two words at least
    assert call_words([DENSE]) == (6, 2)  # 175 bits, 48 bits
    assert call_words([LSTM, DENSE]) == (6, 2)


@pytest.mark.parametrize("layer", [LSTM, DENSE], ids=["lstm", "dense"])
def test_a_view_has_the_macros_ports(layer):
    view = array_view(layer, call_words([LSTM, DENSE]))
    assert view.startswith(f"module {layer.macro_name} (")
    for port in macro_ports(layer):
        assert re.search(rf"{port.direction} wire .*\b{port.name}\b", view), port
    width = sum(width for _, width in seen_fields(layer).values())
    assert f"{192 - width}'d0, shift, mult, " in view


def test_the_rules_have_one_order_in_python_and_c():
    text = resources.files("ohmgate.sim.native").joinpath("simulator.cpp").read_text(encoding="utf-8")
    [table] = re.findall(r"rules\[\] = \{(.*?)\};", text, flags=re.DOTALL)
    assert re.findall(r'"(.*?)"', table) == list(RULES)

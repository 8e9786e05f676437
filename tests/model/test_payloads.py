"""Payloads of the streams, against the layouts that the RTL itself uses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmgate.hdl.streams import input_layout, output_layout
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.payloads import context_of, output_numbers, result_payload, step_payload

HEADS = [
    (LstmLayer(inputs=2, hidden=2, adcs=4), [-7, 3], [0b1001, 0b0011]),
    (LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=1), [-1, 1], [1, 0]),
    (LstmLayer(inputs=2, hidden=2, adcs=4, activation_bits=9, output="value"), [-256, 255], [0x100, 0x0FF]),
    (DenseLayer(inputs=2, outputs=3, adcs=3, output_bits=1), [1, -1, 1], [0, 1, 0]),
    (DenseLayer(inputs=2, outputs=2, adcs=2, output="codes", adc_bits=1), [-1, 0], [1, 0]),
    (DenseLayer(inputs=2, outputs=2, adcs=2, output="codes", adc_bits=5), [-16, 15], [0b10000, 0b01111]),
]


@given(st.integers(1, 32).flatmap(lambda b: st.tuples(st.just(b), st.lists(st.integers(0, 2**b - 1), min_size=1))))
def test_bit_fields_round_trip(case):
    bits, values = case
    number = sum(v << bits * k for k, v in enumerate(values))
    assert unpack(number, bits, len(values)).tolist() == values
    assert pack(np.array(values), bits) == number
    low = 2 ** (bits - 1)
    assert signed(np.array(values), bits).tolist() == [v - 2**bits if v >= low else v for v in values]


@pytest.mark.parametrize("marks", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("head, values, patterns", HEADS)
def test_a_result_is_laid_out_as_the_rtl_does(head, values, patterns, marks):
    layout, (first, last) = output_layout(head), marks
    bits = layout.const({"first": first, "last": last}).as_value().value
    bits |= sum(pattern << head.result_bits // len(values) * k for k, pattern in enumerate(patterns))
    assert result_payload(head, np.array(values), bool(first), bool(last)) == bits
    assert output_numbers(head, bits).tolist() == [*values, first, last]
    shared = output_layout(head, 6).const({"first": first, "last": last, "context": 5}).as_value().value
    shared |= bits
    assert result_payload(head, np.array(values), bool(first), bool(last), 5) == shared
    assert output_numbers(head, shared).tolist() == [*values, first, last]
    assert (context_of(head, shared), context_of(head, bits)) == (5, 0)


@pytest.mark.parametrize("outputs, label, number", [(9, 8, 0b10_1000), (2, 1, 0b101), (1, 0, 0b100)])
def test_a_label_comes_before_its_marks(outputs, label, number):
    head = DenseLayer(inputs=2, outputs=outputs, adcs=1, output="argmax")
    assert result_payload(head, np.array([label]), False, True) == number
    assert output_numbers(head, number).tolist() == [label, 0, 1]


@pytest.mark.parametrize(
    "dac_bits, inputs, codes, patterns",
    [(4, 0, [-7, 5], [9, 5]), (4, 8, [-127, 5], [0x81, 5]), (1, 0, [1, -1], [0, 1])],
)
def test_a_time_step_is_laid_out_as_the_rtl_does(dac_bits, inputs, codes, patterns):
    layer = LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=dac_bits, input_dac_bits=inputs)
    for first, last in [(False, False), (True, False), (False, True)]:
        expected = input_layout(layer).const({"values": patterns, "first": first, "last": last}).as_value().value
        assert step_payload(layer, np.array(codes), first, last) == expected
        fields = {"values": patterns, "first": first, "last": last, "context": 9}
        assert (
            step_payload(layer, np.array(codes), first, last, 9)
            == input_layout(layer, 16).const(fields).as_value().value
        )

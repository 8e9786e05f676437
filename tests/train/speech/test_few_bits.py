"""Configurations of few bits, and which examples ranges are measured on."""

from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.speech.few_bits import evenly, head_of, trained_at


def test_arrays_and_their_head():
    config = trained_at(3, 2)
    assert config == QuantConfig(
        weight_bits=3, dac_bits=3, adc_bits=3, quantiser="lsq", learn_range=True, leak=0.1, input_drive=2
    )
    assert trained_at(4, 1, quantiser="sawb", per_gate=True) == QuantConfig(
        quantiser="sawb", per_gate=True, learn_range=True, leak=0.1
    )
    assert head_of(config, 8) == QuantConfig(
        weight_bits=3, dac_bits=3, adc_bits=8, quantiser="lsq", learn_range=True, leak=0.1
    )


def test_examples_are_spread_evenly():
    assert evenly(9, 3).tolist() == [0, 4, 8]
    assert evenly(2, 5).tolist() == [0, 1]
    assert evenly(948, 100)[[0, -1]].tolist() == [0, 947]

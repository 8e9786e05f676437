"""How a layer is quantised: every rule has its sentence, and the outermost legal values are taken."""

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.layers.config import FLOAT, QuantConfig, check_config
from ohmgate.train.layers.linear import LinearArray

RULES = [
    ({"weight_bits": 0}, "weight bits must be an integer from 1 to 16, not 0 (or 32 for float)"),
    ({"dac_bits": 17}, "DAC bits must be an integer from 1 to 16, not 17 (or 32 for float)"),
    ({"adc_bits": True}, "ADC bits must be an integer from 1 to 16, not True (or 32 for float)"),
    ({"bias_rows": 65}, "bias rows must be an integer from 0 to 64, not 65"),
    ({"adc_range": 0}, "ADC range must be a number above 0 and at most 1024, not 0"),
    ({"adc_range": 1025}, "ADC range must be a number above 0 and at most 1024, not 1025"),
    ({"tables": "x"}, "tables must be one of loaded, constant, not 'x'"),
    ({"quantiser": "x"}, "weight quantiser must be one of absmax, percentile, sawb, pact, lsq, not 'x'"),
    ({"range_noise": -1, "quantiser": "sawb"}, "noise of a weight range must be a number from 0 to 1000, not -1"),
    ({"range_noise": 0.1}, "quantiser must be sawb where a weight range reckons with noise, not absmax"),
    ({"per_gate": 1}, "a range per gate must be true or false, not 1"),
    ({"learn_range": 1}, "learning of ADC ranges must be true or false, not 1"),
    ({"learn_tables": 1}, "learning of gate tables must be true or false, not 1"),
    ({"forget_ceiling": None}, "the forget gate's ceiling must be true or false, not None"),
    (
        {"learn_tables": True, "tables": "constant"},
        "gate tables can be learned only where they are loaded, not constant",
    ),
    (
        {"forget_ceiling": True, "tables": "constant"},
        "gate tables can be given a ceiling only where they are loaded, not constant",
    ),
    (
        {"learn_tables": True, "adc_bits": 32},
        "gate tables can be learned only where ADCs have codes, not where they are float",
    ),
    (
        {"forget_ceiling": True, "adc_bits": 32},
        "gate tables can be given a ceiling only where ADCs have codes, not where they are float",
    ),
    ({"leak": 1.5}, "leak must be a number from 0 to 1, not 1.5"),
    ({"activation_bits": 17}, "activation bits must be an integer from 2 to 16, not 17"),
    ({"cell_bits": 33}, "cell bits must be an integer from 4 to 32, not 33"),
    ({"cell_fraction": 32}, "cell fraction bits must be an integer from 0 to 31, not 32"),
    ({"tanh_bits": 13}, "tanh index bits must be an integer from 1 to 12, not 13"),
    ({"tanh_fraction": 25}, "tanh fraction bits must be an integer from 0 to 24, not 25"),
    ({"output": "x"}, "LSTM output must be one of codes, value, not 'x'"),
    ({"input_drive": 17}, "input drive must be an integer from 1 to 16, not 17"),
    (
        {"input_dac_bits": 32},
        "input DAC bits must be an integer from 1 to 16, not 32 (or 0 for those of the other rows)",
    ),
    ({"input_dac_bits": 8, "dac_bits": 32}, "input DAC bits must be 0 where the DACs are float, not 8"),
]


@pytest.mark.parametrize("fields, sentence", RULES, ids=[sentence for _, sentence in RULES])
def test_every_rule_has_its_sentence(fields, sentence):
    with pytest.raises(DesignError) as error:
        QuantConfig(**fields)
    assert str(error.value) == sentence


def test_the_outermost_legal_values():
    QuantConfig(
        weight_bits=1, dac_bits=16, adc_bits=FLOAT, bias_rows=64, adc_range=1024, activation_bits=16, cell_bits=4,
        cell_fraction=3, tanh_bits=12, tanh_fraction=3, input_drive=16, input_dac_bits=16, quantiser="sawb", range_noise=1000,
    )  # fmt: skip
    QuantConfig(weight_bits=FLOAT, bias_rows=0, activation_bits=2, cell_fraction=0, tanh_bits=1, tanh_fraction=0)


def test_a_configuration_is_one():
    assert check_config(None) is None
    with pytest.raises(
        DesignError, match=r"^a layer's configuration must be a QuantConfig, not \{'weight_bits': 4\}$"
    ):
        check_config({"weight_bits": 4})


@pytest.mark.parametrize("inputs, outputs, sentence", [
    (0, 1, "inputs must be an integer from 1 to 1048576, not 0"),
    (1, 2**20 + 1, "outputs must be an integer from 1 to 1048576, not 1048577"),
])  # fmt: skip
def test_the_size_of_a_linear_layer(inputs, outputs, sentence):
    with pytest.raises(DesignError) as error:
        LinearArray(inputs, outputs, QuantConfig())
    assert str(error.value) == sentence

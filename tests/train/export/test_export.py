"""Modules become descriptions, and every array of any model gives the reference's integers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from ohmgate.model import reference
from ohmgate.model.formats import DesignError, full_scale, quantise_symmetric
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export, verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import Noise
from tests.designs import seeds


class Tagger(nn.Module):
    """LSTM layers in both directions, then a head on every step."""

    def __init__(self, bits: tuple[int, int, int], layers: int, bidirectional: bool) -> None:
        super().__init__()
        names = ("weight_bits", "dac_bits", "adc_bits")
        fields = dict(zip(names, bits))
        self.lstm = QuantLSTM(4, 6, layers, bidirectional=bidirectional, **fields)
        self.head = QuantLinear(12 if bidirectional else 6, 3, weight_bits=bits[0], dac_bits=bits[1], adc_bits=8)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out.data if hasattr(out, "data") and hasattr(out, "batch_sizes") else out)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_stacks_and_both_directions_are_the_reference(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = Tagger(tuple(int(b) for b in rng.integers(1, 9, 3)), int(rng.integers(1, 4)), bool(rng.integers(0, 2)))
    steps, batch = (int(v) for v in rng.integers(1, 9, 2))
    report = verify_modules(model, torch.rand(steps, batch, 4) * 2 - 1)
    assert report.mismatches == 0, str(report)
    arrays = len(model.lstm.arrays)
    assert report.integers == steps * batch * (arrays * (4 * 6 * 2 + 2 * 6) + 3)


def test_packed_sequences_are_the_reference():
    torch.manual_seed(0)
    model = Tagger((4, 4, 4), 2, True)
    report = verify_modules(model, pack_sequence([torch.rand(n, 4) for n in (7, 5, 2)]))
    assert report.mismatches == 0
    assert report.integers > 0


def test_a_stack_with_a_head_exports_as_one_network():
    torch.manual_seed(0)
    model = Tagger((4, 3, 4), 2, False)
    x = torch.rand(2, 5, 4) * 2 - 1
    network = export(model, x.transpose(0, 1), name="tagger", labels=("a", "b", "c"))
    assert (network.design.name, network.labels) == ("tagger", ("a", "b", "c"))
    assert [layer.kind for layer in network.design.layers] == ["lstm", "lstm", "dense"]
    result = reference.run(network, quantise_symmetric(x.numpy(), 3))
    model.eval()
    out = model(x.transpose(0, 1)).transpose(0, 1)
    step = model.head.converter(model.head.alpha()).step[0]
    assert out.detach().numpy() == pytest.approx((result.out + 0.5) * step)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_values_of_a_last_layer_are_the_references(seed):
    """Outputs are finer than the codes that are fed back, and both are the reference's; so is the state."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    bits = int(rng.integers(1, 5))
    config = QuantConfig(dac_bits=bits, activation_bits=int(rng.integers(4, 13)), output="value")
    model = QuantLSTM(3, 5, 2, config=config).eval()
    assert [array.config.output for array in model.arrays] == ["codes", "value"]
    x = torch.rand(6, 4, 3) * 2 - 1
    report = verify_modules(model, x)
    assert report.mismatches == 0, str(report)
    assert report.integers == 6 * 4 * (2 * (4 * 5 * 2 + 2 * 5) + 5)
    network = export(model)
    result = reference.run(network, quantise_symmetric(x.transpose(0, 1).numpy(), bits))
    outputs, (hidden, _) = model(x)
    last = network.design.layers[1]
    assert last.output_unit == 2.0 ** (1 - config.activation_bits)
    assert torch.equal(outputs.transpose(0, 1).double(), torch.from_numpy(result.out) * last.output_unit)
    codes = torch.from_numpy(result.layers[1].hidden[:, -1])
    assert torch.equal(hidden[1], (codes / full_scale(bits)).float())


def test_the_input_scale_is_the_first_arrays():
    """What the module computes of real inputs beyond 1, host and reference compute of the same inputs."""
    torch.manual_seed(0)
    linear = QuantLinear(4, 3, adc_bits=8)
    x = torch.rand(20, 4) * 16 - 8
    with torch.no_grad():
        linear.full_scale.fill_(8.0)
    network = export(linear)
    assert network.input_scale == (0.125,) * 4
    out = reference.run(network, network.encode(x.double().numpy())[:, None]).out[:, 0]
    step = linear.converter(linear.alpha()).step[0]
    assert linear.eval()(x).numpy() == pytest.approx((out + 0.5) * step)


def test_arrays_that_do_not_fit_are_refused():
    """Of a list in the caller's order by number; of a model by name, with what is between them."""
    lstm, wide, narrow = QuantLSTM(4, 6).arrays[0], QuantLinear(6, 2), QuantLinear(6, 2, dac_bits=3)
    with torch.no_grad():
        wide.full_scale.fill_(3.5)
    table = LinearArray(4, 4, QuantConfig(), function="tanh", output_bits=4)
    for arrays, sentence in (
        ([lstm, wide], "array 1 must have inputs within -1 to 1 to follow array 0, not 3.5"),
        ([lstm, narrow], "array 1 must have DACs of the 4 bits that array 0 hands on, not 3"),
        ([table, lstm, table], "array 2 must take the 6 outputs of array 1, but takes 4"),
        ([QuantLinear(4, 4), lstm], "array 0 must have an output function to come before array 1"),
        ([LinearArray(4, 4, QuantConfig(), function="tanh"), lstm], "array 0 must hand on codes, not values, to come before array 1"),
        ([QuantLSTM(4, 6, output="value").arrays[0], wide], "array 0 must hand on codes, not values, to come before array 1"),
        ([QuantLSTM(4, 6)], "what is exported in the order given must be arrays, not a QuantLSTM"),
        ([], "a model to export must have at least one quantised layer, but it has none"),
    ):  # fmt: skip
        with pytest.raises(DesignError) as error:
            export(arrays)
        assert str(error.value) == sentence
    layers = nn.Sequential(QuantLinear(4, 5), nn.ReLU(), QuantLinear(5, 2))
    with pytest.raises(DesignError) as error:
        export(layers, torch.rand(3, 4))
    sentence = (
        "layer '0' must have an output function to come before layer '2'; between them the forward calls '1' (ReLU)"
    )
    assert str(error.value) == sentence
    chain = nn.ModuleList([table, lstm])  # has no forward either
    assert [layer.kind for layer in export(chain, name="listed").design.layers] == ["dense", "lstm"]


def test_a_layer_alone_needs_no_inputs_as_long_as_nobody_changes_its_forward():
    lstm = QuantLSTM(3, 4, 2)
    x = torch.rand(5, 2, 3) * 2 - 1
    assert export(lstm).layers == export(lstm, x).layers
    lstm.arrays[0].register_forward_hook(lambda array, arguments, output: (-output[0], *output[1:]))
    with pytest.raises(DesignError, match="^a model to export must be given example inputs"):
        export(lstm)
    sentence = (
        r"^array 1 of the model must get exactly the codes that array 0 of the model gave on every step, "
        r"but \d+ of 40 differ, and nothing is called between them$"
    )
    with pytest.raises(DesignError, match=sentence):
        export(lstm, x)


def test_an_output_function_without_bits_stays_float():
    torch.manual_seed(0)
    array = LinearArray(4, 3, QuantConfig(weight_bits=8, dac_bits=8, adc_bits=8), function="tanh")
    x = torch.rand(5, 4) * 2 - 1
    assert torch.allclose(array.eval()(x).float(), array.train()(x), atol=1e-6)
    with pytest.raises(DesignError, match=r"^layer 0: output bits must be an integer from 1 to 16, not 32$"):
        export([array])


def test_noise_shows_in_verification():
    model = Tagger((4, 4, 4), 1, False)
    model.lstm.arrays[0].eval_noise = Noise(adc=1.0)
    report = verify_modules(model, torch.rand(5, 3, 4))
    assert report.mismatches > 0
    assert (report.first.layer, report.first.stage) == (0, "ADC code")


def test_sentences():
    for act in (export, verify_export, verify_modules):
        verb = "verify" if act is verify_modules else "export"
        sentence = rf"^a model to {verb} must have at least one quantised layer, but it has none$"
        with pytest.raises(DesignError, match=sentence):
            act(nn.Linear(2, 2), torch.zeros(1, 2))
    state = (torch.zeros(1, 1, 3), torch.ones(1, 1, 3))
    sentence = r"^only sequences without an initial state can be verified: the hardware has none$"
    with pytest.raises(DesignError, match=sentence):
        verify_modules(QuantLSTM(2, 3), torch.zeros(1, 1, 2), state)
    array = QuantLinear(2, 3)
    for act, sentence in (
        (lambda: export([array], torch.zeros(1, 2)), "arrays in a given order are not run: they must come without inputs (a name is name=)"),
        (lambda: export(array, lengths=[1]), "lengths must come with the example inputs that have them, but there are none"),
        (lambda: export(nn.Sequential(array)), "a model to export must be given example inputs, as in export(model, x): its forward decides which array follows which"),
    ):  # fmt: skip
        with pytest.raises(DesignError) as error:
            act()
        assert str(error.value) == sentence


@pytest.mark.parametrize("bits, same", [(1, False), (4, True)])
def test_a_state_of_zeros_is_none_above_one_bit(bits, same):
    """Rows driven with the code 0 add nothing; one bit has no such code."""
    torch.manual_seed(0)
    model, x = QuantLSTM(2, 3, dac_bits=bits), torch.rand(5, 2, 2) * 2 - 1
    state = (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    if same:
        assert torch.equal(model.eval()(x, state)[0], model(x)[0])
        assert verify_modules(model, x, state).mismatches == 0
    else:
        with pytest.raises(DesignError, match="^only sequences without an initial state can be verified"):
            verify_modules(model, x, state)

"""The whole model against its export, and what the export of a forward depends on."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export, verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import set_noise
from ohmgate.train.network import DesignNetwork
from tests.forward_shapes import CHAINS, LENGTHS, OTHERS, B, N, Net, T, a, b, inputs


def test_the_order_of_registration_is_another_network():
    """As it was exported before. Every array by itself is the reference's, so that this comparison is not enough."""
    model, x = Net(CHAINS["in another order than registered"][0]), inputs()
    registered = export([model.a.arrays[0], model.b.arrays[0], model.fc])
    report = verify_modules(model, x)
    assert (report.mismatches, report.integers) == (0, T * B * (2 * (4 * N * 2 + 2 * N) + 3))
    assert str(report) == "each array by itself, not the network that they form: 2460 integers compared, 0 differ"
    assert str(verify_export(model, x)) == "2460 integers compared, 0 differ"
    wrong = verify_export(model, x, network=registered)
    codes = registered.encode(x.transpose(0, 1).double().numpy())
    equal = (reference.run(registered, codes).out == reference.run(export(model, x), codes).out).mean()
    assert equal < 0.1
    assert wrong.mismatches > 1000
    assert (wrong.first.layer, wrong.first.step, wrong.first.stage) == (0, 0, "ADC code")


def test_relu_between_arrays_would_be_another_network():
    model, x = Net(OTHERS["relu"][0]), inputs()
    assert verify_modules(model, x).mismatches == 0
    as_before = export([model.a.arrays[0], model.b.arrays[0], model.fc])
    out = reference.run(as_before, as_before.encode(x.transpose(0, 1).double().numpy())).out
    values = torch.from_numpy((out + 0.5) * model.fc.real_steps().numpy()).transpose(0, 1)
    assert (model.eval()(x).double() - values).abs().lt(1e-6).double().mean() < 0.3
    with pytest.raises(DesignError, match="calls relu$"):
        verify_export(model, x, network=as_before)


def test_one_weight_more_is_another_network():
    model, x = Net(CHAINS["in another order than registered"][0]), inputs()
    network = export(model, x)
    weights = network.layers[2].weights
    weights[0, 1] += 1 if weights[0, 1] < 0 else -1
    report = verify_export(model, x, network=network)
    assert (report.first.layer, report.first.stage, report.first.unit) == (2, "ADC code", 1)


def test_a_branch_that_the_example_does_not_take_shows_on_inputs_that_do():
    model = Net(lambda m, x: m.fc(b(m, a(m, x)) * (1 if x.shape[1] < 8 else 0.5)))
    x = inputs()
    network = export(model, x)
    assert verify_export(model, x, network=network).mismatches == 0
    with pytest.raises(DesignError, match="^layer 'fc' must get exactly the codes .* the forward calls mul$"):
        verify_export(model, torch.cat([x, x], 1), network=network)


def test_lengths_of_padded_sequences_are_told():
    model, x = Net(OTHERS["padded without lengths"][0]), inputs()
    network = export(model, x, lengths=LENGTHS)
    assert network.design.layers[-1].emit == "end"
    report = verify_export(model, x, network=network, lengths=torch.tensor(LENGTHS))
    assert (report.mismatches, report.integers) == (0, sum(LENGTHS) * 2 * (4 * N * 2 + 2 * N) + 3 * B)
    for wrong in (LENGTHS[:2], (3, 5, 2, 6), (3, 5, 0, 5), (3.0, 5.0, 2.0, 5.0)):
        with pytest.raises(DesignError) as error:
            export(model, x, lengths=wrong)
        assert str(error.value) == "lengths must be one integer from 1 to 5 for each of the 4 sequences"


def test_a_network_to_compare_with_has_the_models_layers():
    model, x = Net(CHAINS["the last step"][0]), inputs()
    for arrays, sentence in (
        ([model.a.arrays[0], model.fc], "the network to compare with must have the model's layers, lstm 6 to 6, lstm 6 to 6, dense 6 to 3, not lstm 6 to 6, dense 6 to 3"),
        ([model.a.arrays[0], model.b.arrays[0], model.fc], "the network to compare with must emit at the end, as the model reads its head there alone"),
    ):  # fmt: skip
        with pytest.raises(DesignError) as error:
            verify_export(model, x, network=export(arrays))
        assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["vowels", "har"])
def test_a_designs_network_exports_as_itself(name):
    """With a dense layer ahead of the LSTM, in padded sequences, too; the head of its design gives labels."""
    torch.manual_seed(0)
    design = Design.load(name)
    model, lengths = DesignNetwork(design), torch.tensor([3, 6, 4, 1])
    x = torch.rand(4, 6, design.layers[0].inputs) * 2 - 1
    network = export(model, x)
    assert network.layers == model.export().layers
    kinds = [(layer.kind, layer.inputs, layer.outputs) for layer in design.layers]
    assert [(layer.kind, layer.inputs, layer.outputs) for layer in network.design.layers] == kinds
    assert network.design.layers[-1].emit == "end"
    report = verify_export(model, x, lengths, lengths=lengths, network=model.export())
    assert report.mismatches == 0
    assert report.integers > int(lengths.sum()) * 32 * 10


class Encoder(nn.Module):
    """A dense layer with a table in each of two ways to lay out steps, an LSTM, a dense layer with a table."""

    def __init__(self, swap: Callable, function: str = "relu") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = LinearArray(4, N, QuantConfig(), function=function, output_bits=4)
        self.lstm = QuantLSTM(N, N, batch_first=True)
        self.decode = LinearArray(N, 2, QuantConfig(), function="tanh", output_bits=3)
        self.swap = swap

    def forward(self, x):
        return self.decode(self.lstm(self.swap(self.encode(x)))[0].flatten(0, 1))


def test_a_dense_layer_ahead_of_an_lstm_may_see_its_steps_in_any_order():
    x = torch.rand(B, T, 4) * 2 - 1
    model = Encoder(lambda codes: codes)
    report = verify_export(model, x)
    assert (report.mismatches, report.integers) == (0, B * T * (2 * N + 4 * N * 2 + 2 * N + 4))
    model = Encoder(lambda codes: codes.transpose(0, 1))
    assert verify_export(model, x.transpose(0, 1)).mismatches == 0
    model = Encoder(lambda codes: codes.flip(1))
    sentence = r"^layer 'lstm' must get exactly the codes that layer 'encode' gave on every step, but \d+ of 120 differ; between them the forward calls flip$"
    with pytest.raises(DesignError, match=sentence):
        export(model, x)
    model = Encoder(torch.relu)  # of codes that a relu made: nothing changes
    assert verify_export(model, x).mismatches == 0
    with pytest.raises(DesignError, match="calls relu$"):
        export(Encoder(torch.relu, "tanh"), x)


def test_dense_layers_alone_have_no_steps():
    torch.manual_seed(0)
    model = nn.Sequential(LinearArray(4, 5, QuantConfig(), function="tanh", output_bits=4), QuantLinear(5, 2))
    network = export(model, torch.rand(7, 4) * 2 - 1)
    assert network.design.layers[-1].emit == "step"
    assert verify_export(model, torch.rand(2, 3, 4) * 2 - 1).integers == 6 * (2 * 5 + 2)


def test_a_users_hook_counts_as_done_between():
    model, x = Net(CHAINS["sequences first"][0]), inputs()
    model.b.register_forward_hook(lambda module, arguments, output: (output[0] * 2, output[1]))
    with pytest.raises(DesignError, match="calls mul, transpose$"):
        export(model, x)


def test_export_leaves_modes_noise_and_hooks_as_they_were():
    model, x = Net(CHAINS["in another order than registered"][0]), inputs()
    set_noise(model, evaluate=Noise(adc=1.0), seed=3)
    expected = model.eval()(x)
    set_noise(model, seed=3)
    model.train().b.eval()
    network = export(model, x)
    assert (model.training, model.b.training, model.b.arrays[0].training) == (True, False, False)
    assert torch.equal(model.eval()(x), expected)  # no draw of the noise's stream was taken
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    report = verify_export(model, x, network=network)  # there it acts, as in `verify`
    assert (report.first.layer, report.first.stage) == (0, "ADC code")


def test_bits_decide_how_many_passes_tell_codes_apart():
    """One bit, one unit, one sequence: a sign that is turned shows, and so does one that this sequence hides."""
    torch.manual_seed(0)
    calls = []

    class Small(nn.Module):
        def __init__(self, between):
            super().__init__()
            self.one, self.other = (QuantLSTM(1, 1, dac_bits=1) for _ in range(2))
            self.between = between

        def forward(self, x):
            calls.append(1)
            return self.other(self.between(self.one(x)[0]))[0]

    x = torch.tensor([[[0.5]], [[-0.5]]])
    export(Small(lambda y: y), x)
    assert len(calls) == 1 + 64  # one code of 1 bit tells as much a pass
    hidden = Small(lambda y: y).one.eval()(x)[0]
    top = int(hidden.flatten()[0])
    with pytest.raises(DesignError, match="must get exactly the codes"):
        export(Small(lambda y: torch.where(y == top, y, top)), x[:1].expand(2, 1, 1))


def test_the_network_does_not_depend_on_the_example():
    model = Net(CHAINS["the last step"][0])
    one, other = export(model, inputs()), export(model, 0 * inputs()[:3])
    assert (one.layers, one.design) == (other.layers, other.design)

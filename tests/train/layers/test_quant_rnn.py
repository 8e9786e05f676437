"""QuantRNN is nn.RNN where quantisation is off, and arrays where it is on."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import ohmgate
from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.train.calibrate import calibrate
from ohmgate.train.convert import convert
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export, verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantRNN
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import set_noise

FLOAT = {"weight_bits": 32, "dac_bits": 32, "adc_bits": 32}
FINE = {"weight_bits": 8, "dac_bits": 8, "adc_bits": 8}


def pair(layers: int = 2, bidirectional: bool = True, fields=FLOAT, **options) -> tuple[QuantRNN, nn.RNN]:
    torch.manual_seed(1)
    theirs = nn.RNN(5, 7, layers, bidirectional=bidirectional, **options)
    ours = QuantRNN(5, 7, layers, bidirectional=bidirectional, **options, **fields)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(a, b) -> bool:
    return torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layers, bidirectional", [(1, False), (1, True), (3, False), (2, True)])
@pytest.mark.parametrize("batch_first, bias", [(False, True), (True, False)])
def test_outputs_states_and_shapes(layers, bidirectional, batch_first, bias, training):
    """Of a batch and of a single sequence, with an initial state and without."""
    ours, theirs = (each.train(training) for each in pair(layers, bidirectional, batch_first=batch_first, bias=bias))
    x, arrays = torch.rand(3, 4, 5) * 2 - 1, layers * (2 if bidirectional else 1)
    state, single = torch.rand(arrays, 3 if batch_first else 4, 7) * 2 - 1, torch.rand(arrays, 7) * 2 - 1
    for given in ((x,), (x, state), (x[0],), (x[0], single)):
        (a, ha), (b, hb) = ours(*given), theirs(*given)
        assert (a.shape, ha.shape) == (b.shape, hb.shape)
        assert close(a, b)
        assert close(ha, hb)
    assert torch.equal(ours(input=x, hx=state)[0], ours(x, state)[0])


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("lengths", [[6, 4, 1], [2, 6, 3, 5], [3, 5, 3, 5, 5]])
def test_packed_sequences(lengths, with_state):
    ours, theirs = pair()
    packed = pack_sequence([torch.rand(n, 5) for n in lengths], enforce_sorted=lengths == sorted(lengths)[::-1])
    state = torch.rand(4, len(lengths), 7) if with_state else None
    (a, ha), (b, hb) = ours(packed, state), theirs(packed, state)
    assert torch.equal(a.batch_sizes, b.batch_sizes)
    assert close(a.data, b.data)
    assert close(ha, hb)
    assert pad_packed_sequence(a)[1].tolist() == lengths


def test_gradients_are_those_of_nn_rnn():
    ours, theirs = pair()
    x = torch.rand(6, 3, 5)
    for module in (ours, theirs):
        module(x)[0].square().sum().backward()
    for suffix, array in ours.by_suffix().items():
        w_ih, w_hh, bias = (getattr(theirs, name + suffix).grad for name in ("weight_ih", "weight_hh", "bias_hh"))
        assert torch.allclose(array.cells.grad, torch.cat([w_ih.T, w_hh.T, bias[None]]), atol=1e-5)


@pytest.mark.parametrize(
    "fields", [{}, {"input_drive": 4, "bias_rows": 3}, {"input_dac_bits": 7}, {"dac_bits": 8}], ids=str
)
def test_a_state_dict_goes_to_nn_rnn_and_back(fields):
    """By all names, those in reverse too: what is read is the float module's, with b_ih + b_hh in b_ih."""
    ours, theirs = pair(fields=fields)
    back = nn.RNN(5, 7, 2, bidirectional=True)
    back.load_state_dict({name: getattr(ours, name) for name in theirs.state_dict()})
    for name, value in theirs.named_parameters():
        if not name.startswith("bias"):
            assert close(getattr(back, name), value), name
        elif name.startswith("bias_ih"):
            assert close(getattr(back, name), value + getattr(theirs, name.replace("_ih", "_hh"))), name
        else:
            assert not getattr(back, name).any()
    x = torch.rand(6, 3, 5)
    assert close(back(x)[0], theirs(x)[0])
    again = QuantRNN(5, 7, 2, bidirectional=True, **fields)
    again.load_state_dict(ours.state_dict())
    assert torch.equal(again.eval()(x)[0], ours.eval()(x)[0])
    again.load_state_dict(back.state_dict())
    assert all(close(one.cells, other.cells) for one, other in zip(again.arrays, ours.arrays))


def test_options_by_place_are_those_of_the_float_module():
    ours, theirs = (kind(5, 7, 2, "tanh", False, True, 0.5, True) for kind in (QuantRNN, nn.RNN))
    for name in ("num_layers", "nonlinearity", "batch_first", "dropout", "bidirectional"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert [array.input_dropout for array in ours.arrays] == [0.0, 0.0, 0.5, 0.5]
    assert ours.config.bias_rows == 0
    assert ours.flatten_parameters() is None
    assert torch.equal(copy.deepcopy(ours).eval()(torch.ones(1, 2, 5))[0], ours.eval()(torch.ones(1, 2, 5))[0])


def test_a_quantised_sequence_alone_and_in_a_batch():
    """Of a padded batch, that is packed; and in two parts, by the state."""
    torch.manual_seed(0)
    module = QuantRNN(5, 6, 2, bidirectional=True).eval()
    long, short = torch.rand(9, 5) * 2 - 1, torch.rand(4, 5) * 2 - 1
    padded = torch.zeros(9, 2, 5)
    padded[:, 0], padded[:4, 1] = long, short
    out, state = module(pack_padded_sequence(padded, [9, 4]))
    alone, state_alone = module(short)
    assert torch.equal(pad_packed_sequence(out)[0][:4, 1], alone)
    assert torch.equal(state[:, 1], state_alone)
    forwards = QuantRNN(5, 6, 2, dac_bits=3).eval()
    first, state = forwards(long[:3])
    assert torch.equal(torch.cat([first, forwards(long[3:], state)[0]]), forwards(long)[0])


@pytest.mark.parametrize("bits, bidirectional, layers", [(1, False, 2), (4, True, 2), (8, False, 3), (4, True, 1)])
def test_a_converted_model_is_exported_to_the_references_integers(bits, bidirectional, layers):
    """nn.RNN, trained with noise after conversion: 0 integers differ, and values are the model's."""
    torch.manual_seed(2)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.RNN(3, 6, layers, batch_first=True, bidirectional=bidirectional)
            self.head = nn.Linear(12 if bidirectional else 6, 2)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    x = torch.rand(5, 7, 3) * 2 - 1
    model, report = convert(Net(), QuantConfig(weight_bits=bits, dac_bits=bits, adc_bits=bits))
    assert report.converted == (("rnn", "RNN"), ("head", "Linear"))
    assert isinstance(model.rnn, QuantRNN)
    set_noise(model, train=Noise(adc=0.3, weight=0.1), seed=1)
    optimiser = torch.optim.SGD(model.parameters(), 0.05)
    for _ in range(3):
        optimiser.zero_grad()
        model(x).square().mean().backward()
        optimiser.step()
    network = export(model, x)
    assert [layer.kind for layer in network.design.layers] == ["rnn"] * layers * (1 + bidirectional) + ["dense"]
    report = verify_export(model, x, network=network)
    assert (report.mismatches, report.integers) == (0, 5 * 7 * (2 * 6 * layers * (1 + bidirectional) + 2))
    assert verify_modules(model.rnn, x).mismatches == 0
    out = reference.run(network, network.encode(x.double().numpy())).out
    assert torch.allclose(model.eval()(x).double(), torch.from_numpy(network.decode(out)), atol=1e-6)


def test_a_float_model_is_near_its_export():
    torch.manual_seed(3)
    model = nn.RNN(3, 8, 2, batch_first=True)
    x = 3 * (torch.rand(6, 9, 3) * 2 - 1)
    wanted = model(x)[0].detach()
    quantised, report = ohmgate.convert(model, QuantConfig(**FINE))
    assert str(report) == "converted 1 layers: (the model)"
    calibrate(quantised, lambda: quantised(x))
    network = export(quantised)
    values = network.decode(reference.run(network, network.encode(x.double().numpy())).out)
    assert (torch.from_numpy(values) - wanted).abs().max() < 0.05
    assert wanted.abs().max() > 0.7


def test_noise_and_learning_reach_all_layers():
    torch.manual_seed(0)
    module = QuantRNN(3, 8, 2, bidirectional=True, quantiser="lsq", learn_range=True)
    set_noise(module, train=Noise(adc=0.3, weight=0.1, dac=0.1))
    x = torch.rand(5, 4, 3) * 2 - 1
    assert not torch.equal(module(x)[0], module(x)[0])
    module(x)[0].square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_an_initial_state_is_not_exported():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = QuantRNN(3, 4), QuantLinear(4, 2)

        def forward(self, x, state):
            return self.head(self.rnn(x, state)[0])

    torch.manual_seed(0)
    x, zeros = torch.rand(5, 2, 3), torch.zeros(1, 2, 4)
    assert verify_export(Net(), x, zeros).mismatches == 0
    with pytest.raises(DesignError, match=r"^only sequences without an initial state can be exported: the hardware "):
        export(Net(), x, zeros + 1)


def test_a_relu_stays_float():
    with pytest.warns(UserWarning, match=r"STAYS FLOAT: 0: its nonlinearity \(relu\) has no array$"):
        model, _ = convert(nn.Sequential(nn.RNN(3, 4, nonlinearity="relu")))
    assert type(model[0]) is nn.RNN


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: QuantRNN(3, 4, nonlinearity="relu"), "nonlinearity must be 'tanh', as hidden codes end at 1, not 'relu'"),
        (lambda: QuantRNN(3, 4, output="value"), "output of an RNN must be 'codes', as it has no other, not 'value'"),
        (lambda: setattr(QuantRNN(3, 4), "nonlinearity", "relu"), "nonlinearity of a QuantRNN must stay 'tanh', with which it was made, not become 'relu'"),
        (lambda: QuantRNN(3, 4)(torch.zeros(2, 2, 3), torch.zeros(1, 1, 4)), "the initial state must have shape (1, 2, 4), not (1, 1, 4)"),
        (lambda: QuantRNN(3, 4)(torch.zeros(2, 2, 3), (1, 2)), "the initial state must be h_0, one tensor, not (1, 2)"),
        (lambda: QuantRNN(3, 4)(torch.zeros(2, 2, 5)), "inputs must have 2 or 3 axes, the last of 3, not shape (2, 2, 5)"),
        (lambda: QuantRNN(3, 4).load_state_dict(nn.LSTM(3, 4).state_dict()), "bias_ih_l0 and bias_hh_l0 must have 4 numbers"),
        (lambda: QuantRNN(3, 4).load_state_dict(nn.RNN(2, 4).state_dict()), "weight_ih_l0 must have shape (4, 3), not (4, 2)"),
        (lambda: QuantRNN(3, 4, proj_size=2), "a quantised layer has no option 'proj_size'"),
        (lambda: export(QuantRNN(3, 4), emit="end"), "emit must be left out where the last layer is an RNN, which has no choice, not 'end'"),
        (lambda: export(QuantRNN(3, 4, bidirectional=True)), "the model must come before another array, which takes the outputs of both directions, but is the last"),
    ],
)  # fmt: skip
def test_sentences(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence

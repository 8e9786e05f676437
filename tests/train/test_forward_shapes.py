"""Export follows what a forward runs: shapes of forward that are a chain of arrays, and shapes that are none."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.config import QuantConfig
from ohmgate.train.export import export
from ohmgate.train.linear import LinearArray
from ohmgate.train.modules import QuantLinear, QuantLSTM
from ohmgate.train.network import DesignNetwork
from ohmgate.train.noise import Noise
from ohmgate.train.verify import verify_export, verify_modules
from ohmgate.train.whole_model import set_noise

T, B, N = 5, 4, 6
LENGTHS = (3, 5, 2, 5)


class Net(nn.Module):
    """``a`` is registered first, ``b`` has other inputs' weights; the forward is the one given."""

    def __init__(self, forward: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.fc = QuantLSTM(N, N), QuantLSTM(N, N), QuantLinear(N, 3, adc_bits=8)
        self.norm, self.act = nn.LayerNorm(N), nn.ReLU()
        self.run = forward

    def forward(self, *inputs):
        return self.run(self, *inputs)


def a(m, x):
    return m.a(x)[0]


def b(m, x):
    return m.b(x)[0]


def inputs() -> torch.Tensor:
    return torch.rand(T, B, N, generator=torch.Generator().manual_seed(1)) * 2 - 1


def packed(x, lengths=LENGTHS):
    return pack_sequence([x[:n, i] for i, n in enumerate(lengths)], enforce_sorted=False)


def padded(x):
    """Unpacked, sequences first, to more steps than any sequence has."""
    return pad_packed_sequence(x, batch_first=True, total_length=T + 2)[0]


def at_the_end(x):
    return x[torch.tensor(LENGTHS) - 1, torch.arange(B)]


def steps_first(out):
    return out.transpose(0, 1)


def as_packed(out):
    return packed(out.transpose(0, 1)).data


def as_padded(out):
    return padded(packed(out.transpose(0, 1)))


#: what runs, the arrays in that order, the lengths, and how the network's results (B, T, 3) or (B, 3) are laid out
CHAINS = {
    "in another order than registered": (lambda m, x: m.fc(a(m, b(m, x))), "ba", None, steps_first),
    "the host's functions after it": (lambda m, x: m.fc(b(m, a(m, x))).sub(7).add(7), "ab", None, steps_first),
    "the host's layer ahead": (lambda m, x: m.fc(b(m, a(m, m.norm(x)))), "ab", None, steps_first),
    "the last step": (lambda m, x: m.fc(b(m, a(m, x))[-1]), "ab", None, None),
    "the last state": (lambda m, x: m.fc(m.b(a(m, x))[1][0][-1]), "ab", None, None),
    "sequences first": (lambda m, x: m.fc(b(m, a(m, x)).transpose(0, 1)), "ab", None, lambda out: out),
    "flattened": (lambda m, x: m.fc(b(m, a(m, x)).reshape(-1, N)), "ab", None, lambda out: steps_first(out).reshape(-1, 3)),
    "dropout": (lambda m, x: m.fc(dropout(b(m, a(m, x)).contiguous(), 0.5, m.training)), "ab", None, steps_first),
    "shorter types": (lambda m, x: m.fc(b(m, a(m, x).bfloat16()).half()), "ab", None, steps_first),
    "a state of zeros": (lambda m, x: m.fc(m.b(a(m, x), (torch.zeros(1, B, N),) * 2)[0]), "ab", None, steps_first),
    "packed": (lambda m, x: m.fc(b(m, a(m, packed(x))).data), "ab", LENGTHS, as_packed),
    "packed, the last state": (lambda m, x: m.fc(m.b(a(m, packed(x)))[1][0][-1]), "ab", LENGTHS, None),
    "packed, then padded": (lambda m, x: m.fc(padded(b(m, a(m, packed(x))))), "ab", LENGTHS, as_padded),
    "packed on the way": (lambda m, x: m.fc(m.b(pack_padded_sequence(a(m, x), LENGTHS, enforce_sorted=False))[1][0][0]), "ab", LENGTHS, None),
    "clipped where no code is": (lambda m, x: m.fc(b(m, a(m, x)).clamp(-1, 1)), "ab", None, steps_first),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_exports_as_what_runs(name):
    """Values of the whole model are the network's on the codes of its inputs, and so are all integers."""
    forward, order, lengths, layout = CHAINS[name]
    model, x = Net(forward), inputs()
    network = export(model, x)
    expected = [getattr(model, array).arrays[0] for array in order] + [model.fc]
    assert network.layers == tuple(array.layer_data() for array in expected)
    assert network.design.layers[-1].emit == ("end" if layout is None else "step")
    first = model.norm(x) if "ahead" in name else x
    result = reference.run(network, network.encode(first.detach().transpose(0, 1).double().numpy()), lengths)
    out = torch.from_numpy(result.out)
    rows = torch.as_tensor(lengths or (T,) * B)
    live = torch.arange(T) < rows[:, None]
    values = (out.double() + 0.5) * model.fc.real_steps()
    if layout is not None:
        values = layout(torch.where(live[..., None], values, 0.0))
    computed = model.eval()(x).detach()
    if "padded" in name:  # what the head makes of padding is no result
        computed[~torch.arange(T + 2).lt(rows[:, None])] = 0
    assert torch.allclose(computed.double(), values, atol=1e-6)
    report = verify_export(model, x)
    heads = len(rows) if layout is None else int(rows.sum())
    assert (report.mismatches, report.integers) == (0, int(rows.sum()) * 2 * (4 * N * 2 + 2 * N) + 3 * heads)


EVERY = "layer 'fc' must get exactly the codes that layer 'b' gave on every step, but # of 120 differ"
LAST = EVERY.replace("every step", "the last step of each sequence (step 5, as no lengths= are given)").replace(
    "120", "24"
)
INNER = EVERY.replace("'b'", "'a'").replace("'fc'", "'b'")
CALLS = "; between them the forward calls "
ONCE = "must run once in the forward of a model to export, but"


#: what runs, and the sentence that refuses it; # is any number above 0
OTHERS = {
    "relu": (lambda m, x: m.fc(torch.relu(b(m, a(m, x)))), EVERY + CALLS + "relu"),
    "a module": (lambda m, x: m.fc(m.act(b(m, a(m, x)))), EVERY + CALLS + "'act' (ReLU)"),
    "layer norm": (lambda m, x: m.fc(m.norm(b(m, a(m, x)))), EVERY + CALLS + "'norm' (LayerNorm)"),
    "scaled": (lambda m, x: m.fc(b(m, 3 * a(m, x))), INNER + CALLS + "mul"),
    "residual": (lambda m, x: (lambda y: m.fc(y + b(m, y)))(a(m, x)), EVERY + CALLS + "add"),
    "tanh": (lambda m, x: m.fc(b(m, a(m, x).tanh())), INNER.replace("differ", "random codes in their place differ") + CALLS + "tanh"),
    "mean over steps": (lambda m, x: m.fc(b(m, a(m, x)).mean(0)), LAST + CALLS + "mean"),
    "first step": (lambda m, x: m.fc(b(m, a(m, x))[0]), LAST + CALLS + "getitem"),
    "cell state": (lambda m, x: m.fc(m.b(a(m, x))[1][1][-1]), LAST + CALLS + "getitem"),
    "padded without lengths": (lambda m, x: m.fc(at_the_end(b(m, a(m, x)))), LAST + CALLS + "tensor, sub, arange, getitem"),
    "padding read at the end": (lambda m, x: m.fc(pad_packed_sequence(b(m, a(m, packed(x, (4, 3, 5, 2)))))[0][-1]),
                                "layer 'fc' must get exactly the codes that layer 'b' gave on the last step of each sequence, but # of 24 differ"
                                + CALLS + "pad_packed_sequence, index_select, cpu, getitem"),
    "reversed": (lambda m, x: m.fc(b(m, a(m, x).flip(0))), INNER + CALLS + "flip"),
    "reversed for the head": (lambda m, x: m.fc(b(m, a(m, x)).flip(0)), EVERY + CALLS + "flip"),
    "delayed": (lambda m, x: m.fc(b(m, a(m, x).roll(1, 0))), INNER + CALLS + "roll"),
    "channels permuted": (lambda m, x: m.fc(b(m, a(m, x)[..., [0, 2, 1, 3, 4, 5]])), INNER + CALLS + "getitem"),
    "sequences exchanged": (lambda m, x: m.fc(b(m, a(m, x).flip(1))), INNER + CALLS + "flip"),
    "time and batch mixed up": (lambda m, x: m.fc(b(m, a(m, x).transpose(0, 1))),
                                "layer 'b' must get every step that layer 'a' gave, 4 sequences of 5 steps, but gets 5 sequences of 4 steps" + CALLS + "transpose"),
    "every other step": (lambda m, x: m.fc(b(m, a(m, x))[::2]),
                         "layer 'fc' must get every step that layer 'b' gave, 4 sequences of 5 steps, or the last one of each sequence, but gets 12 rows" + CALLS + "getitem"),
    "two branches": (lambda m, x: m.fc(a(m, x) + b(m, x)), INNER + ", and nothing is called between them"),
    "another input": (lambda m, x: (a(m, x), m.fc(b(m, x)))[1], INNER + ", and nothing is called between them"),
    "head on another": (lambda m, x: (lambda y: (b(m, y), m.fc(y))[1])(a(m, x)), EVERY + ", and nothing is called between them"),
    "run twice": (lambda m, x: m.fc(b(m, b(m, a(m, x)))), f"layer 'b' {ONCE} runs 2 times"),
    "never run": (lambda m, x: m.fc(b(m, x)), f"layer 'a' {ONCE} never runs"),
    "in pieces": (lambda m, x: m.fc(torch.cat([b(m, a(m, x[:2])), b(m, a(m, x[2:]))])), f"layer 'a' {ONCE} runs 2 times"),
    "a state handed on": (lambda m, x: m.fc(m.b(*m.a(x))[0]), "only sequences without an initial state can be exported: the hardware has none"),
    "of one step": (lambda m, x: m.fc(b(m, a(m, x[:1]))),
                    "example inputs must have sequences of 2 steps or more to tell whether layer 'fc' is read on every step or on the last, but all have 1"),
    "of no sequence": (lambda m, x: m.fc(b(m, a(m, x[:, :0]))), "example inputs must be of 1 sequence or more, but there is none"),
    "other layers for other codes": (lambda m, x: (lambda y: m.fc(b(m, y)[-1 if y.abs().mean() < 0.4 else 0 :]))(a(m, x)),
                                     "a forward to export must call the same layers whatever their codes are, but does not"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_forward_is_refused_with_what_was_found(name):
    forward, sentence = OTHERS[name]
    model, x = Net(forward), inputs()
    pattern = re.escape(sentence).replace(re.escape("#"), "[1-9][0-9]*")
    for act in (export, verify_export):
        with pytest.raises(DesignError) as error:
            act(model, x)
        assert re.fullmatch(pattern, str(error.value)), str(error.value)


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

"""Bidirectional layers in a model of one's own: an array for each direction, one network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ohmgate
from ohmgate.analog.config import PRESETS
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.train.calibrate import calibrate
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM, QuantRNN
from tests.designs import seeds

T, B, N = 7, 5, 4
LENGTHS = torch.tensor([7, 3, 1, 6, 4])
ROWS = torch.arange(B)


class Net(nn.Module):
    def __init__(self, forward, layers: int = 2, batch_first: bool = True, kind=QuantLSTM, **fields) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm = kind(3, N, layers, bidirectional=True, batch_first=batch_first, **fields)
        self.fc, self.run = QuantLinear(2 * N, 2, adc_bits=8), forward

    def forward(self, x):
        return self.run(self, x)


def inputs(batch_first: bool = True) -> torch.Tensor:
    x = torch.rand(B, T, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return x if batch_first else x.transpose(0, 1)


def packed(m, x):
    return m.lstm(pack_padded_sequence(x, LENGTHS, batch_first=m.lstm.batch_first, enforce_sorted=False))


def padded(m, x):
    return pad_packed_sequence(packed(m, x)[0], batch_first=m.lstm.batch_first)[0]


def states(m, x):
    """h_n of both directions of the last layer, side by side."""
    return torch.cat(list(m.lstm(x)[1][0][-2:]), dim=1)


#: what runs; are sequences first; the lengths; the values of the head's outputs as the model lays them out
SHAPES = {
    "every step": (lambda m, x: m.fc(m.lstm(x)[0]), True, None, lambda y: y),
    "steps first": (lambda m, x: m.fc(m.lstm(x)[0]), False, None, lambda y: y.transpose(0, 1)),
    "the last step": (lambda m, x: m.fc(m.lstm(x)[0][:, -1]), True, None, None),
    "the last of the steps first": (lambda m, x: m.fc(m.lstm(x)[0][-1]), False, None, None),
    "packed": (lambda m, x: m.fc(packed(m, x)[0].data), True, LENGTHS, lambda y: pack_padded_sequence(y, LENGTHS, batch_first=True, enforce_sorted=False).data),
    "packed, then padded": (lambda m, x: m.fc(padded(m, x)), True, LENGTHS, lambda y: y),
    "packed, the last step": (lambda m, x: m.fc(padded(m, x)[ROWS, LENGTHS - 1]), True, LENGTHS, None),
    "packed, steps first": (lambda m, x: m.fc(padded(m, x)[LENGTHS - 1, ROWS]), False, LENGTHS, None),
}  # fmt: skip


@pytest.mark.parametrize("kind, layers", [(QuantLSTM, 1), (QuantLSTM, 2), (QuantRNN, 2)])
@pytest.mark.parametrize("name", SHAPES)
def test_both_directions_export_as_what_runs(name, kind, layers):
    """The whole model's values are the network's, and every array is where the model has it."""
    forward, first, lengths, layout = SHAPES[name]
    model, x = Net(forward, layers, first, kind), inputs(first)
    network = export(model, x)
    arrays = [*model.lstm.arrays, model.fc]
    assert network.layers == tuple(array.layer_data() for array in arrays)
    *lstms, head = network.design.layers
    assert [(each.inputs, each.direction, each.max_steps, each.joined) for each in lstms] == [
        (m, *what) for m in (3, 2 * N)[:layers] for what in (("forward", 0, False), ("reverse", T, True))
    ]
    assert head.emit == ("end" if layout is None else "step")
    result = reference.run(network, network.encode(inputs().double().numpy()), lengths)
    values = network.decode(result.out)
    live = torch.arange(T) < (torch.full((B,), T) if lengths is None else lengths)[:, None]
    values = torch.from_numpy(np.asarray(values))
    computed = model.eval()(x).detach().double()
    if layout is not None:
        values = layout(values.where(live[..., None], torch.zeros(())))
    if "padded" in name:  # what the head makes of padding is no result
        computed = computed.where(live[..., None], torch.zeros(()))
    assert torch.allclose(computed, values, atol=1e-6)
    report = verify_export(model, x)
    steps, heads = int(live.sum()), B if layout is None else int(live.sum())
    stages = 4 * N * 2 + 2 * N if kind is QuantLSTM else 2 * N  # ADC codes, gates, c and h; of an RNN ADC codes and h
    assert (report.mismatches, report.integers) == (0, 2 * layers * steps * stages + 2 * heads)


class Random(nn.Module):
    """A dense layer with a table, or none; bidirectional layers; another one forwards, or none; a head."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        w, d, n = (int(b) for b in rng.integers(1, 9, 3))
        bits = {"weight_bits": w, "dac_bits": d, "adc_bits": n}
        hidden, more = (int(v) for v in rng.integers(1, 6, 2))
        tiles = {"tile_rows": int(rng.choice([0, 0, 4]))}
        dense, self.more, self.last = (bool(v) for v in rng.integers(0, 2, 3))
        self.ahead = (
            LinearArray(3, 3, QuantConfig(**bits), function="tanh", output_bits=d) if dense else nn.Identity()
        )
        own = {} if dense else {"input_drive": int(rng.integers(1, 4)), "input_dac_bits": int(rng.choice([0, 5]))}
        kinds = [(QuantLSTM, QuantRNN)[k] for k in rng.integers(0, 2, 2)]
        self.both = kinds[0](3, hidden, int(rng.integers(1, 4)), bidirectional=True, **bits, **tiles, **own)
        self.one = kinds[1](2 * hidden, more, **bits, **tiles)
        self.head = QuantLinear(more if self.more else 2 * hidden, 2, weight_bits=w, dac_bits=d, adc_bits=8, **tiles)

    def forward(self, x, lengths):
        """``x`` (T, B, 3)."""
        out = self.both(pack_padded_sequence(self.ahead(x), lengths, enforce_sorted=False))[0]
        out = pad_packed_sequence(self.one(out)[0] if self.more else out)[0]
        return self.head(out[lengths - 1, torch.arange(len(lengths))] if self.last else out)


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_random_models_are_the_reference_and_the_noiseless_array(seed):
    """All widths, drives, row tiles, lengths; with padding, and with what comes before and after both directions."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = Random(rng)
    if not model.more:
        del model.one
    steps, batch = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    lengths = torch.from_numpy(rng.integers(1, steps + 1, batch))
    lengths[0] = steps
    x = torch.from_numpy(rng.uniform(-1, 1, (steps, batch, 3))).float()
    network = export(model, x, lengths, max_steps=steps + 3)
    assert network.design.max_steps == steps + 3
    report = verify_export(model, x, lengths, network=network)
    assert report.mismatches == 0, str(report)
    codes = network.encode(x.transpose(0, 1).double().numpy())
    exact = reference.run(network, codes, lengths.numpy())
    read = reference.run(network, codes, lengths.numpy(), convert_through(build_arrays(network, PRESETS["ideal"])))
    for one, other in zip(exact.layers, read.layers):
        assert (one.adc == other.adc).all()
    assert (exact.out == read.out).all()


def test_a_float_model_goes_all_the_way():
    """nn.LSTM in float is the oracle of steps and joins; at 8 bits the exported network is near it."""
    torch.manual_seed(0)

    class Float(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = nn.LSTM(3, 6, 2, batch_first=True, bidirectional=True), nn.Linear(12, 2)
            for parameter in self.parameters():
                parameter.data *= 2

        def forward(self, x):
            return self.fc(padded(self, x))

    model, x = Float(), 3 * inputs()
    wanted = model(x).detach()
    quantised, report = ohmgate.convert(model, QuantConfig(weight_bits=8, dac_bits=8, adc_bits=8))
    assert report.float_layers == ()
    calibrate(quantised, lambda: quantised(x))
    network = export(quantised, x)
    assert verify_export(quantised, x, network=network).mismatches == 0
    out = reference.run(network, network.encode(x.double().numpy()), LENGTHS.numpy()).out
    values = torch.from_numpy(np.asarray(network.decode(out)))
    live = torch.arange(T) < LENGTHS[:, None]
    errors = (values - wanted)[live].abs().max()
    assert errors < 0.03
    turned = (values.flip(1) - wanted)[0].abs().max()  # the first sequence is whole
    assert turned > 0.2, "the order of steps counts"


def test_both_directions_are_calibrated_to_one_full_scale(monkeypatch):
    """Both get the same codes of hardware. A sample of more inputs than are kept depends on their order."""
    monkeypatch.setattr("ohmgate.train.calibrate.SAMPLES", 500)
    torch.manual_seed(0)
    x = torch.randn(10, 40, 3) * 5
    model = QuantLSTM(3, 2, bidirectional=True)
    calibrate(model, lambda: model(x), passes=1)
    one, other = (float(array.full_scale) for array in model.arrays)
    assert one == other > 5


def test_max_steps_are_the_longest_example_or_what_is_asked_for():
    model, x = Net(SHAPES["every step"][0]), inputs()
    assert export(model, x, max_steps=30).design.max_steps == 30
    short = export(model, x[:, :4])
    assert short.design.max_steps == 4
    with pytest.raises(
        DesignError, match=r"^a sequence must have at most the 4 steps that the layers in reverse keep"
    ):
        verify_export(model, x, network=short)


@pytest.mark.parametrize("layer", [0, 1, 2, 3, 4])
def test_a_weight_more_shows_in_its_own_array_first(layer):
    model, x = Net(SHAPES["packed, the last step"][0]), inputs()
    network = export(model, x)
    network.layers[layer].weights[0] += np.where(network.layers[layer].weights[0] < 0, 1, -1)
    report = verify_export(model, x, network=network)
    assert report.first is not None
    assert (report.first.layer, report.first.stage) == (layer, "ADC code")


class Turned(QuantLSTM):
    """Forgets to turn what the layer in reverse takes."""

    def _run(self, values, state, lengths):
        one, other = (array(values, None)[0] for array in self.arrays)
        return torch.cat([one, other], 2), (torch.zeros(2, B, N), torch.zeros(2, B, N))


def turned(m, x):
    m.lstm.__class__ = Turned
    return m.fc(m.lstm(x)[0])


def scaled(m, x):
    m.lstm.arrays[1].full_scale.fill_(2.0)
    return m.fc(m.lstm(x)[0])


def hooked(m, x):
    m.lstm.arrays[1].register_forward_pre_hook(lambda array, arguments: (-arguments[0], *arguments[1:]))
    return m.fc(m.lstm(x)[0])


CALLS = "; between them the forward calls "
LAST = "layer 'fc' must get what layer 'lstm' gave on the last step of each sequence (out[:, -1]), but gets its last states (h_n), where the direction in reverse is at the first step"
SAME = "both directions of layer 'lstm' must get the same codes, one from the last step to the first, but # differ"
#: what runs, layers, arguments of the export, the sentence; # is any number above 0
REFUSED = {
    "last states": (lambda m, x: m.fc(states(m, x)), 1, {}, LAST + CALLS + "getitem, unbind, cat"),
    "last states of packed sequences": (lambda m, x: m.fc(packed(m, x)[1][0].transpose(0, 1).flatten(1)), 1, {}, LAST + CALLS + "transpose, flatten"),
    "last states of a stack": (lambda m, x: m.fc(states(m, x)), 2, {}, LAST.replace("layer 'lstm'", "pair 1 of layer 'lstm'") + CALLS + "getitem, unbind, cat"),
    "directions exchanged": (lambda m, x: m.fc(m.lstm(x)[0].roll(N, -1)), 1, {}, "layer 'fc' must get exactly the codes that layer 'lstm' gave on every step, but # of 280 differ" + CALLS + "roll"),
    "one direction": (lambda m, x: m.fc(m.lstm(x)[0][..., :N].repeat(1, 1, 2)), 2, {}, "layer 'fc' must get exactly the codes that pair 1 of layer 'lstm' gave on every step, but # of 280 differ" + CALLS + "getitem, repeat"),
    "padded": (SHAPES["every step"][0], 1, {"lengths": LENGTHS}, "layer 'lstm' must get sequences of several lengths packed, as it begins in reverse with each one's last step, not with padding"),
    "not turned": (turned, 1, {}, SAME),
    "another's inputs": (hooked, 1, {}, SAME),
    "two scales": (scaled, 1, {}, "both directions of layer 'lstm' must have inputs of one full scale, not 1 and 2"),
    "short": (SHAPES["packed"][0], 2, {"max_steps": 6}, "max_steps must be the 7 of the longest example sequence or more, not 6"),
    "no number": (SHAPES["packed"][0], 2, {"max_steps": "9"}, "max_steps must be an integer from 1 to 65535, not '9'"),
    "adcs": (SHAPES["packed"][0], 1, {"adcs": [4, 2]}, "adcs must be a number, or one for each of the 3 arrays, not [4, 2]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_hardware_does_not_do_is_refused(name):
    forward, layers, arguments, sentence = REFUSED[name]
    with pytest.raises(DesignError) as error:
        export(Net(forward, layers), inputs(), **arguments)
    before, _, after = sentence.partition("#")
    found = str(error.value)
    assert found.startswith(before), found
    assert found.endswith(after), found
    assert not after or int(found[len(before) : len(found) - len(after)].replace(",", "")) > 0


def test_joined_outputs_must_go_somewhere():
    sentence = "the model must come before another array, which takes the outputs of both directions, but is the last"
    lstm = QuantLSTM(3, N, bidirectional=True, batch_first=True)
    for act in (lambda: export(lstm), lambda: export(lstm, inputs()), lambda: verify_export(lstm, inputs())):
        with pytest.raises(DesignError) as error:
            act()
        assert str(error.value) == sentence
    assert export([lstm.arrays[1]]).design.layers[0].hidden == N
    values = Net(SHAPES["every step"][0], output="value")
    with pytest.raises(
        DesignError, match=r"^pair 1 of layer 'lstm' must hand on codes, not values, to come before layer"
    ):
        export(values, inputs())
    one = QuantLSTM(3, N)
    with pytest.raises(DesignError, match=r"^max_steps must be left out where no layer is bidirectional, not 9$"):
        export(one, max_steps=9)


def test_a_network_to_compare_with_has_the_models_directions():
    """The same arrays in other directions: sizes alone would not tell."""
    model, x = Net(SHAPES["every step"][0], 1), inputs()
    flat = export([QuantLSTM(3, N).arrays[0], QuantLSTM(N, N).arrays[0], QuantLinear(N, 2)])
    with pytest.raises(DesignError) as error:
        verify_export(model, x, network=flat)
    layers = "lstm 3 to 4, lstm 3 to 4 in reverse, joined, dense 8 to 2"
    assert str(error.value) == (
        f"the network to compare with must have the model's layers, {layers}, not lstm 3 to 4, lstm 4 to 4, dense 4 to 2"
    )

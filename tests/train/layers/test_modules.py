"""QuantLSTM and QuantLinear are nn.LSTM and nn.Linear where quantisation is off, and arrays where it is on."""

import re

import pytest
import torch
from scipy import stats
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from ohmgate.model.formats import DesignError
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.whole_model import evaluating, set_noise

FLOAT = {"weight_bits": 32, "dac_bits": 32, "adc_bits": 32}


def pair(layers=2, bidirectional=True, input_drive=1, **options):
    torch.manual_seed(1)
    theirs = torch.nn.LSTM(5, 7, layers, bidirectional=bidirectional, **options)
    ours = QuantLSTM(5, 7, layers, bidirectional=bidirectional, input_drive=input_drive, **options, **FLOAT)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(a, b) -> bool:
    return torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_states_and_shapes(layers, bidirectional, batch_first, bias):
    ours, theirs = pair(layers, bidirectional, batch_first=batch_first, bias=bias)
    x = torch.rand(3, 4, 5) * 2 - 1
    batch = 3 if batch_first else 4
    state = tuple(torch.rand(layers * (2 if bidirectional else 1), batch, 7) for _ in range(2))
    for given in ((x,), (x, state)):
        a, (ha, ca) = ours(*given)
        b, (hb, cb) = theirs(*given)
        assert close(a, b)
        assert close(ha, hb)
        assert close(ca, cb)


@pytest.mark.parametrize("input_drive", [1, 8])
def test_single_sequence(input_drive):
    """Weights that are loaded stay what they are in the network, however hard their rows are driven."""
    ours, theirs = pair(input_drive=input_drive)
    x, state = torch.rand(6, 5), (torch.rand(4, 7), torch.rand(4, 7))
    for given in ((x,), (x, state)):
        a, (ha, ca) = ours(*given)
        b, (hb, cb) = theirs(*given)
        assert close(a, b)
        assert close(ha, hb)
        assert close(ca, cb)


@pytest.mark.parametrize("how", ["sorted", "unsorted", "ties", "many sorted ties", "many ties"])
def test_packed_sequences(how):
    ours, theirs = pair()
    lengths = {"sorted": [6, 4, 1], "unsorted": [2, 6, 3, 5], "ties": [3, 5, 3, 5, 5]}.get(how)
    if lengths is None:  # torch's sort is not stable from 17 on
        lengths = [5, 3, 2] * 11
        lengths = sorted(lengths, reverse=True) if "sorted" in how else lengths
    sequences = [torch.rand(n, 5) for n in lengths]
    packed = pack_sequence(sequences, enforce_sorted="sorted" in how.split())
    a, (ha, ca) = ours(packed)
    b, (hb, cb) = theirs(packed)
    assert torch.equal(a.batch_sizes, b.batch_sizes)
    assert close(a.data, b.data)
    assert close(ha, hb)
    assert close(ca, cb)
    assert pad_packed_sequence(a)[1].tolist() == lengths


def test_gradients_are_those_of_nn_lstm():
    ours, theirs = pair(2, False)
    x = torch.rand(6, 3, 5)
    for module in (ours, theirs):
        module(x)[0].square().sum().backward()
    order = torch.cat([torch.arange(7) + 7 * k for k in (1, 0, 3, 2)])
    for layer, array in enumerate(ours.arrays):
        w_ih, w_hh = getattr(theirs, f"weight_ih_l{layer}"), getattr(theirs, f"weight_hh_l{layer}")
        expected = torch.cat([w_ih.grad.T, w_hh.grad.T, getattr(theirs, f"bias_hh_l{layer}").grad[None]])[:, order]
        assert torch.allclose(array.cells.grad, expected, atol=1e-5)


def test_padding_does_not_reach_a_packed_sequence():
    """A quantised sequence alone and in a packed batch gives the same codes, both directions."""
    torch.manual_seed(0)
    module = QuantLSTM(5, 6, 2, bidirectional=True).eval()
    long, short = torch.rand(9, 5) * 2 - 1, torch.rand(4, 5) * 2 - 1
    padded = torch.zeros(9, 2, 5)
    padded[:, 0], padded[:4, 1] = long, short
    out, (h, c) = module(pack_padded_sequence(padded, [9, 4]))
    out = pad_packed_sequence(out)[0]
    alone, (h_alone, c_alone) = module(short)
    assert torch.equal(out[:4, 1], alone)
    assert torch.equal(h[:, 1], h_alone)
    assert torch.equal(c[:, 1], c_alone)


def test_a_given_state_continues_a_sequence():
    torch.manual_seed(0)
    module = QuantLSTM(3, 8, dac_bits=3).eval()
    x = torch.rand(10, 2, 3) * 2 - 1
    whole, _ = module(x)
    first, state = module(x[:4])
    second, _ = module(x[4:], state)
    assert torch.equal(torch.cat([first, second]), whole)


def test_dropout_lies_between_layers_in_training_only():
    torch.manual_seed(0)
    module = QuantLSTM(3, 8, 2, dropout=0.5, **FLOAT)
    assert [array.input_dropout for array in module.arrays] == [0.0, 0.5]
    x = torch.rand(5, 2, 3)
    assert not torch.equal(module(x)[0], module(x)[0])
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])


def test_linear_takes_its_input_by_name():
    x, layer = torch.rand(2, 3), QuantLinear(3, 4)
    assert torch.equal(layer(input=x), layer(x))


def test_linear_gives_codes_of_a_function():
    """To four bits by a table: those of tanh of what the same layer gives without one."""
    linear = torch.nn.Linear(5, 3)
    plain, module = QuantLinear(5, 3, adc_bits=6), QuantLinear(5, 3, adc_bits=6, function="tanh", output_bits=4)
    for each in (plain, module):
        each.load_state_dict(linear.state_dict())
    inputs = torch.rand(40, 5) * 2 - 1
    with evaluating(plain), evaluating(module):
        expected = torch.floor(torch.tanh(plain(inputs).double()) * 7 + 0.5) / 7
        found = module(inputs)
    assert torch.equal(found, expected.float())
    assert len(found.unique()) > 8


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"function": "sin"}, "function must be one of identity, relu, tanh, or None for a head, not 'sin'"),
        ({"function": ["tanh"]}, "function must be one of identity, relu, tanh, or None for a head, not ['tanh']"),
        (
            {"function": "tanh", "output_bits": 17},
            "output bits must be an integer from 1 to 16, not 17 (or 32 for float)",
        ),
        ({"output_bits": 4}, "output bits must come with a function, whose codes they are of, not 4 alone"),
    ],
)
def test_other_functions_of_linear_are_refused(fields, said):
    with pytest.raises(DesignError, match=f"^{re.escape(said)}$"):
        QuantLinear(5, 3, **fields)


def test_linear_says_its_function():
    assert repr(QuantLinear(5, 3)) == "QuantLinear(5, 3, weights 4, DACs 4, ADCs 4 bits)"
    assert repr(QuantLinear(5, 3, function="relu", output_bits=2)).endswith("ADCs 4 bits, relu to 2 bits)")
    assert repr(QuantLinear(5, 3, function="tanh")).endswith("ADCs 4 bits, tanh to float)")


def test_linear_loads_and_computes_nn_linear():
    torch.manual_seed(0)
    theirs = torch.nn.Linear(4, 3)
    ours = QuantLinear(4, 3, **FLOAT)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 5, 4)
    assert close(ours(x), theirs(x))
    fine = QuantLinear(4, 3, weight_bits=16, dac_bits=16, adc_bits=16, bias_rows=2).eval()
    fine.load_state_dict(theirs.state_dict())
    assert torch.allclose(fine(x).float(), theirs(x), atol=1e-3)


def test_a_bias_that_is_loaded_stays_what_it_is_at_any_full_scale():
    """Bias rows are driven at full scale, of a linear layer that of its inputs."""
    torch.manual_seed(0)
    theirs, x = torch.nn.Linear(4, 3), torch.rand(2, 5, 4)
    for rows in (1, 3):
        ours = QuantLinear(4, 3, bias_rows=rows, **FLOAT)
        with torch.no_grad():
            ours.full_scale.fill_(4.0)
        ours.load_state_dict(theirs.state_dict())
        assert close(ours(x), theirs(x))
        assert close(ours.cells[4:], (theirs.bias / (4 * rows)).expand(rows, 3))


def test_weights_begin_as_those_of_the_float_modules():
    """Uniform within 1/sqrt(n), of a linear layer 1/sqrt(m); the bias of the forget gate is 1 in all."""
    torch.manual_seed(0)
    for rows in (1, 4):
        array = QuantLSTM(9, 25, bias_rows=rows).arrays[0]
        rest = array.cells.detach().clone()
        assert rest[-rows:, :25].sum(0).tolist() == pytest.approx([1.0] * 25)
        rest[-rows:, :25] = rest[:rows, 25:50]
        assert stats.kstest(rest.numpy().ravel(), stats.uniform(-0.2, 0.4).cdf).pvalue > 0.001
        assert rest.abs().max() <= 0.2
    cells = QuantLinear(16, 200).cells.detach()
    assert stats.kstest(cells.numpy().ravel(), stats.uniform(-0.25, 0.5).cdf).pvalue > 0.001
    assert QuantLSTM(9, 25, bias=False).arrays[0].cells.abs().max() <= 0.2


def test_own_state_dict_loads_back():
    module = QuantLSTM(3, 4, 2, quantiser="lsq", learn_range=True)
    other = QuantLSTM(3, 4, 2, quantiser="lsq", learn_range=True)
    other.load_state_dict(module.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), other.state_dict().values()))
    theirs = torch.nn.LSTM(3, 4, 2)
    other.load_state_dict(theirs.state_dict())
    assert torch.equal(other.arrays[0].cells[:3, :4], theirs.weight_ih_l0[4:8].T)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: QuantLSTM(3, 4, 0), "layers must be an integer from 1 to 64, not 0"),
        (lambda: QuantLSTM(3, 4, dropout=1), "dropout must be a number from 0 up to but not 1, not 1"),
        (lambda: QuantLSTM(3, 4, weight_bits=17), "weight bits must be an integer from 1 to 16, not 17 (or 32 for float)"),
        (lambda: QuantLSTM(3, 4, adc_bits=0), "ADC bits must be an integer from 1 to 16, not 0 (or 32 for float)"),
        (lambda: QuantLinear(3, 4, dac_bits="x"), "DAC bits must be an integer from 1 to 16, not 'x' (or 32 for float)"),
        (lambda: QuantLinear(3, 4, adc_range=0), "ADC range must be a number above 0 and at most 1024, not 0"),
        (
            lambda: QuantLinear(3, 4, quantiser="best"),
            "weight quantiser must be one of absmax, percentile, sawb, pact, lsq, not 'best'",
        ),
        (
            lambda: QuantLinear(3, 4, quantiser="sawb", range_noise=-1),
            "noise of a weight range must be a number from 0 to 1000, not -1",
        ),
        (
            lambda: QuantLinear(3, 4, quantiser="lsq", range_noise=0.1),
            "quantiser must be sawb where a weight range reckons with noise, not lsq",
        ),
        (
            lambda: QuantLinear(3, 4, tables="constant", learn_range=True),
            "an ADC range can be learned only where tables are loaded, not constant",
        ),
        (
            lambda: QuantLSTM(3, 4)(torch.zeros(2, 2, 5)),
            "inputs must have 2 or 3 axes, the last of 3, not shape (2, 2, 5)",
        ),
        (
            lambda: QuantLSTM(3, 4)(torch.zeros(2, 2, 3), (torch.zeros(1, 1, 4), torch.zeros(1, 2, 4))),
            "the initial state must have shape (1, 2, 4), not (1, 1, 4)",
        ),
        (
            lambda: QuantLSTM(3, 4)(torch.zeros(2, 2, 3), (torch.zeros(1, 2, 4),)),
            "the initial state must be (h_0, c_0), not 1 tensors",
        ),
        (
            lambda: QuantLSTM(3, 4)(torch.zeros(2, 3), (None, None)),
            "the initial state must be (h_0, c_0), two tensors, not None",
        ),
        (lambda: QuantLSTM(3, 4, proj_size=2), "a quantised layer has no option 'proj_size'"),
        (lambda: QuantLinear(3, 4)(torch.zeros(2, 5)), "inputs must have a last axis of 3, not shape (2, 5)"),
        (lambda: QuantLSTM(3, 4, per_gate="yes"), "a range per gate must be true or false, not 'yes'"),
        (lambda: QuantLSTM(3, 4, learn_range="no"), "learning of ADC ranges must be true or false, not 'no'"),
        (lambda: QuantLSTM(3, 4, config=4), "a layer's configuration must be a QuantConfig, not 4"),
        (lambda: set_noise(QuantLSTM(3, 4), train=0.1), "noise must be a Noise, not 0.1"),
        (
            lambda: set_noise(QuantLSTM(3, 4), seed=1.5),
            "noise seed must be an integer from 0 to 9223372036854775807, not 1.5",
        ),
        (
            lambda: QuantLSTM(3, 4).load_state_dict({"weight_ih_l0": torch.zeros(16, 3)}),
            "the state dict must have weight_hh_l0, but it is missing",
        ),
        (
            lambda: QuantLSTM(3, 4).load_state_dict(
                torch.nn.LSTM(3, 4).state_dict() | {"bias_hh_l0": torch.zeros(15)}
            ),
            "bias_ih_l0 and bias_hh_l0 must have 16 numbers",
        ),
        (
            lambda: QuantLSTM(3, 4, 2).load_state_dict(torch.nn.LSTM(3, 4).state_dict()),
            "the state dict must have weight_ih_l1, but it is missing",
        ),
        (
            lambda: QuantLSTM(3, 4).load_state_dict(torch.nn.LSTM(2, 4).state_dict()),
            "weight_ih_l0 must have shape (16, 3), not (16, 2)",
        ),
        (
            lambda: QuantLSTM(3, 4).load_state_dict(torch.nn.LSTM(3, 4, proj_size=2).state_dict()),
            "weight_hh_l0 must have shape (16, 4), not (16, 2)",
        ),
        (
            lambda: QuantLinear(3, 4).load_state_dict(torch.nn.Linear(2, 4).state_dict()),
            "weight must have shape (4, 3), not (4, 2)",
        ),
        (
            lambda: QuantLSTM(3, 4, bias=False).load_state_dict(torch.nn.LSTM(3, 4).state_dict()),
            "a layer without bias rows must be given no bias, but the state dict has one",
        ),
    ],
)  # fmt: skip
def test_sentences(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence


def test_an_input_drive_is_for_inputs_not_for_inner_layers():
    """Hidden codes of the layer before are as large as those that are fed back."""
    module = QuantLSTM(3, 4, 2, bidirectional=True, input_drive=8)
    assert [array.config.input_drive for array in module.arrays] == [8, 8, 1, 1]
    module = QuantLSTM(3, 4, 2, bidirectional=True, input_dac_bits=8)
    assert [array.input_bits for array in module.arrays] == [8, 8, 4, 4]
    assert "num_layers=2, weights 4, DACs 8 of inputs, 4, ADCs 4 bits\n" in repr(module)


@pytest.mark.parametrize("bits, gain", [(0, 2), (4, 2), (8, 2 * 127 / 112), (2, 2 * 4 / 7), (1, 2 * 8 / 7)])
def test_a_state_dict_of_other_input_dacs_is_the_same_network(bits, gain):
    """A full-scale code of D bits is 1 - 2^(1-D) of the reference; input weights make good for the difference."""
    torch.manual_seed(0)
    theirs = QuantLSTM(3, 4, **FLOAT)
    ours = QuantLSTM(3, 4, input_drive=2, input_dac_bits=bits)
    ours.load_state_dict(theirs.state_dict())
    assert float(ours.arrays[0].input_drive) == pytest.approx(gain)
    assert close(ours.arrays[0].cells[:3] * gain, theirs.arrays[0].cells[:3])
    assert torch.equal(ours.arrays[0].cells[3:], theirs.arrays[0].cells[3:])
    assert close(ours.weight_ih_l0, theirs.weight_ih_l0)


@pytest.mark.parametrize("bits", [2, 12])
def test_what_a_layer_computes_does_not_hang_on_the_input_dacs(bits):
    """With 16 bits elsewhere, and inputs that the DACs have, it is the float layer."""
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(3, 4)
    fine = {"weight_bits": 16, "dac_bits": 16, "adc_bits": 16, "activation_bits": 16, "adc_range": 8.0}
    ours = QuantLSTM(3, 4, input_dac_bits=bits, tanh_bits=12, tanh_fraction=9, **fine)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randint(-1, 2, (5, 2, 3)).float()
    for module in (ours.train(), ours.eval()):
        assert (module(x)[0] - theirs(x)[0]).abs().max() < 0.01


@pytest.mark.parametrize("drives", [(1, 8), (8, 1), (8, 8)])
def test_a_state_dict_of_another_input_drive_is_the_same_network(drives):
    torch.manual_seed(0)
    theirs, ours = (QuantLSTM(3, 4, input_drive=drive, **FLOAT) for drive in drives)
    state = theirs.state_dict()
    ours.load_state_dict(state)
    x = torch.rand(5, 2, 3)
    assert close(ours(x)[0], theirs(x)[0])
    assert float(ours.arrays[0].input_drive) == drives[1]
    assert torch.equal(state["arrays.0.cells"], theirs.arrays[0].cells)
    del state["arrays.0.input_drive"]  # as files of before have it
    ours.load_state_dict(state)
    assert torch.equal(ours.arrays[0].cells, theirs.arrays[0].cells)


def test_a_learned_range_holds_the_weights_of_another_input_drive():
    torch.manual_seed(0)
    bits = {"quantiser": "lsq", "weight_bits": 8, "dac_bits": 8, "adc_bits": 8}
    theirs, ours = (QuantLSTM(4, 6, input_drive=drive, **bits) for drive in (4, 1))
    ours.load_state_dict(theirs.state_dict())
    array = ours.arrays[0]
    assert float(array.cells.detach().abs().max()) < 1.3 * float(array.alpha()[0].detach())
    again = QuantLSTM(4, 6, input_drive=4, **bits)
    again.load_state_dict(ours.state_dict())
    assert torch.equal(again.arrays[0].log_alpha, array.log_alpha)  # weights that shrink clip no more than before


def test_config_or_fields():
    with pytest.raises(DesignError, match=r"^give either config or its fields, not both: adc_bits$"):
        QuantLSTM(3, 4, config=QuantConfig(), adc_bits=3)

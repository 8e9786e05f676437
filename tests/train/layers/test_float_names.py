"""What other code reads and assigns on ``nn.LSTM`` and ``nn.Linear``: weights, dropout, and what is fixed."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.convert import convert
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.quantisers import weight_range
from ohmgate.train.network import DesignNetwork

LSTM = {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
LOST = "is computed from an array's cells: it can be read, not changed; load a state dict instead"


def pair(full_scale: float = 1.0, **fields) -> tuple[nn.LSTM, QuantLSTM]:
    """An LSTM and its quantised self."""
    one, other = nn.LSTM(**LSTM), QuantLSTM(**LSTM, **fields)
    for array in other.arrays[:2]:
        array.full_scale.fill_(full_scale)
    other.load_state_dict(one.state_dict(), strict=False)
    return one, other


@pytest.mark.parametrize(
    "fields", [{}, {"full_scale": 2.5}, {"input_drive": 4, "bias_rows": 3}, {"input_dac_bits": 7}], ids=str
)
def test_weights_are_those_that_were_loaded(fields):
    one, other = pair(**fields)
    for name, value in one.named_parameters():
        kind, rows, suffix = name.split("_", 2)
        expected = value
        if kind == "bias":
            expected = value + getattr(one, f"bias_hh_{suffix}") if rows == "ih" else torch.zeros(16)
        assert torch.allclose(getattr(other, name), expected, atol=1e-6), name
    layer, quantised = nn.Linear(5, 3), QuantLinear(5, 3)
    quantised.load_state_dict(layer.state_dict())
    assert torch.allclose(quantised.weight, layer.weight, atol=1e-7)
    assert torch.allclose(quantised.bias, layer.bias, atol=1e-7)


def test_gradients_flow_through_what_is_read():
    layer = QuantLinear(5, 3)
    layer.weight.square().sum().backward()
    assert torch.equal(layer.cells.grad[:5], 2 * layer.cells[:5])
    assert torch.equal(layer.cells.grad[5:], torch.zeros(layer.config.bias_rows, 3))


def test_there_are_no_more_names_than_the_float_layers_have():
    lstm = QuantLSTM(2, 2, bias=False)
    assert QuantLinear(2, 2, bias=False).bias is None
    for name in ("bias_ih_l0", "weight_ih_l1", "weight_hh_l0_reverse", "weight_xx_l0"):
        with pytest.raises(AttributeError, match=name):
            getattr(lstm, name)


@pytest.mark.parametrize(
    "change",
    [
        nn.init.zeros_,
        lambda w: w.fill_(1),
        lambda w: w.T.mul_(2),
        lambda w: w[0].zero_(),
        lambda w: w.__setitem__(0, 1.0),
        lambda w: w.data.uniform_(),
        *(
            lambda w, change=change: change(w)
            for change in (
                nn.init.uniform_,
                nn.init.normal_,
                nn.init.trunc_normal_,
                lambda w: nn.init.constant_(w, 2),
                nn.init.ones_,
                nn.init.eye_,
                nn.init.xavier_uniform_,
                nn.init.xavier_normal_,
                nn.init.kaiming_uniform_,
                nn.init.kaiming_normal_,
                nn.init.orthogonal_,
                lambda w: nn.init.sparse_(w, 0.5),
            )
        ),
        lambda w: torch.add(w, 1, out=w),
        lambda w: setattr(w, "data", torch.zeros(2, 2)),
    ],
)
def test_a_change_that_would_be_lost_is_refused(change):
    layer = QuantLinear(2, 2)
    before = layer.cells.detach().clone()
    with torch.no_grad(), pytest.raises(DesignError, match=f"^weight {LOST}$"):
        change(layer.weight)
    assert torch.equal(layer.cells, before)
    with torch.no_grad(), pytest.raises(DesignError, match=f"^weight_hh_l0 {LOST}$"):
        change(QuantLSTM(2, 2).weight_hh_l0)


@pytest.mark.parametrize(
    "made",
    [
        lambda w: w.detach(), lambda w: w.detach().clone(), lambda w: w + 1, copy.deepcopy, lambda w: copy.deepcopy(w.T),
        lambda w: nn.Parameter(w.detach()).data, lambda w: torch.tensor(w.detach().numpy()),
        lambda w: pickle.loads(pickle.dumps(w)),
    ],
)  # fmt: skip
def test_what_is_made_of_what_is_read_is_a_tensor_as_any_other(made):
    layer = QuantLinear(2, 2)
    before = layer.cells.detach().clone()
    tensor = made(layer.weight)
    assert type(tensor) is torch.Tensor
    assert torch.equal(tensor.zero_(), torch.zeros(2, 2))
    assert torch.equal(layer.cells, before)


def test_what_is_read_can_be_saved_mapped_and_compiled(tmp_path):
    layer, x = QuantLinear(2, 2), torch.rand(3, 2)
    torch.save(layer.weight, tmp_path / "weight")
    assert torch.equal(torch.load(tmp_path / "weight"), layer.weight.detach())
    assert torch.allclose(torch.func.vmap(lambda row: layer.weight @ row)(x), x @ layer.weight.T)
    squares = torch.compile(lambda: layer.weight.pow(2).sum(), backend="eager")
    assert torch.allclose(squares(), layer.weight.pow(2).sum())
    assert QuantLinear(2, 2).to("meta").weight.clone().zero_().shape == (2, 2)


@pytest.mark.parametrize("value", [torch.zeros(2, 2), nn.Parameter(torch.zeros(2, 2)), None])
def test_a_view_cannot_be_assigned(value):
    with pytest.raises(DesignError, match=f"^weight {LOST}$"):
        QuantLinear(2, 2).weight = value
    with pytest.raises(DesignError, match=f"^weight_ih_l0 {LOST}$"):
        QuantLSTM(2, 2).weight_ih_l0 = value


def test_reset_parameters_starts_anew_within_the_float_layers_bound():
    lstm = QuantLSTM(3, 4)
    before = lstm.weight_ih_l0.clone()
    lstm.reset_parameters()
    assert not torch.equal(lstm.weight_ih_l0, before)
    assert 0.4 < lstm.weight_ih_l0.abs().max() <= 0.5


def test_dropout_that_is_assigned_is_obeyed():
    inputs = torch.rand(5, 2, 3)
    made, assigned = QuantLSTM(3, 4, 2, dropout=0.5), QuantLSTM(3, 4, 2, dropout=0.9)
    assigned.load_state_dict(made.state_dict())
    assigned.dropout = 0.5
    outputs = []
    for module in (made, assigned):
        torch.manual_seed(1)
        outputs.append(module.train()(inputs)[0])
    assert torch.equal(*outputs)
    assigned.dropout = 0.0
    assert torch.equal(assigned.train()(inputs)[0], assigned.eval()(inputs)[0])
    assigned.dropout = np.float64(0.25)
    assert [array.input_dropout for array in assigned.arrays] == [0.0, 0.25]
    assigned.dropout = 0
    for wrong in (1, True, "0.5"):
        with pytest.raises(DesignError, match=f"^dropout must be a number from 0 up to but not 1, not {wrong!r}$"):
            assigned.dropout = wrong
    assert assigned.dropout == 0.0


@pytest.mark.parametrize(
    "name, value, was",
    [
        ("input_size", 4, "3"), ("hidden_size", 5, "4"), ("num_layers", 1, "2"), ("bidirectional", False, "True"),
        ("config", None, r"QuantConfig\(.*\)"),
    ],
)  # fmt: skip
def test_what_a_module_was_made_with_stays(name, value, was):
    module = QuantLSTM(**LSTM)
    sentence = f"^{name} of a QuantLSTM must stay {was}, with which it was made, not become {value}$"
    with pytest.raises(DesignError, match=sentence):
        setattr(module, name, value)
    setattr(module, name, getattr(module, name))  # the same again is no change
    assert getattr(copy.deepcopy(module), name) == getattr(module, name)


def test_what_an_array_was_made_with_stays():
    with pytest.raises(DesignError, match="^in_features of a QuantLinear must stay 2, with which it was made, not"):
        QuantLinear(2, 3).in_features = 3
    with pytest.raises(DesignError, match="^config of a LstmArray must stay "):
        QuantLSTM(2, 2).arrays[0].config = None


def test_layers_whose_owner_reads_their_weights_stay_float():
    model = nn.ModuleDict({"encoder": nn.TransformerEncoderLayer(8, 2, 16), "head": nn.Linear(8, 3)})
    with pytest.warns(UserWarning, match="STAYS FLOAT: encoder.linear1: TransformerEncoderLayer reads its weights"):
        converted, report = convert(model)
    assert report.converted == (("head", "Linear"),)
    assert type(converted["encoder"].linear2) is nn.Linear
    assert ("encoder.linear2", "TransformerEncoderLayer reads its weights itself") in report.float_layers


@pytest.mark.parametrize("learn_range", [False, True])
@pytest.mark.parametrize("quantiser", ["absmax", "lsq"])
def test_a_float_networks_weights_go_into_a_quantised_one(quantiser, learn_range):
    """Its ADC steps stay those of the design, a learned weight range is that of the weights that came."""
    design = Design.load("vowels")
    real = DesignNetwork(design, floating=True)
    for parameter in real.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    ours = DesignNetwork(design, quantiser=quantiser, learn_range=learn_range)
    steps = [array.steps().clone() for array in ours.layers]
    ours.load_state_dict(real.state_dict())
    for array, theirs, step in zip(ours.layers, real.layers, steps):
        assert torch.equal(array.cells, theirs.cells)
        assert torch.equal(array.steps(), step)
        found = weight_range(theirs.cells.detach().flatten()[None], quantiser, array.config.weight_bits)
        assert array.alpha().detach() == pytest.approx(float(found), rel=1e-6)
    again = DesignNetwork(design, floating=True)
    again.load_state_dict(real.state_dict())
    x = torch.rand(2, 5, 12)
    assert torch.equal(again(x), real(x))
    if quantiser == "absmax" and not learn_range:
        real.load_state_dict(ours.state_dict())
        ours.load_state_dict(real.state_dict())
        assert all(torch.equal(array.steps(), step) for array, step in zip(ours.layers, steps))


@pytest.mark.parametrize("quantiser", ["absmax", "lsq"])
def test_a_float_state_dict_of_an_earlier_version_leaves_the_adc_steps(quantiser):
    """It has steps of 8 / 2^32; the lowest that a calibration makes of an 8-bit ADC, 2^-7 millionths, are its own."""
    design = Design.load("vowels")
    saved = DesignNetwork(design, floating=True).state_dict()
    for name, value in saved.items():
        if name.endswith("nominal_step"):
            value.fill_(8 / 2**32)
    ours = DesignNetwork(design, quantiser=quantiser)
    steps = [array.steps().clone() for array in ours.layers]
    ours.load_state_dict(saved)
    assert all(torch.equal(array.steps(), step) for array, step in zip(ours.layers, steps))
    own = QuantLinear(2, 2, adc_bits=8)
    own.nominal_step.fill_(1e-6 / 2**7)
    again = QuantLinear(2, 2, adc_bits=8)
    again.load_state_dict(own.state_dict())
    assert again.steps().tolist() == [1e-6 / 2**7]

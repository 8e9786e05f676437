"""What other code reads and assigns on ``nn.LSTM`` and ``nn.Linear``: weights, dropout, and what is fixed."""

import copy

import pytest
import torch
from torch import nn

from ohmgate.model.formats import DesignError
from ohmgate.train.convert import convert
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM

LSTM = {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
LOST = "is computed from an array's cells: it can be read, not changed; load a state dict instead"


def pair(full_scale: float = 1.0, **fields) -> tuple[nn.LSTM, QuantLSTM]:
    """An LSTM and its quantised self."""
    one, other = nn.LSTM(**LSTM), QuantLSTM(**LSTM, **fields)
    for array in other.arrays[:2]:
        array.full_scale.fill_(full_scale)
    other.load_state_dict(one.state_dict(), strict=False)
    return one, other


@pytest.mark.parametrize("fields", [{}, {"full_scale": 2.5}, {"input_drive": 4, "bias_rows": 3}], ids=str)
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
        lambda w: w.detach().add_(1),
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


def test_a_copy_of_what_is_read_may_be_changed():
    weight = QuantLinear(2, 2).weight.detach().clone()
    assert torch.equal(weight.zero_(), torch.zeros(2, 2))
    assert type(weight + 1) is torch.Tensor


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
    with pytest.raises(DesignError, match="^dropout must be a number from 0 up to but not 1, not 1$"):
        assigned.dropout = 1
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

"""Conversion replaces what it can and says loudly what it cannot."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from ohmgate.model.formats import DesignError
from ohmgate.train.convert import convert
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from tests.models import TOKENS, Shared, model


def test_layers_are_replaced_and_the_rest_is_reported():
    original = model()
    with pytest.warns(UserWarning, match="STAYS FLOAT: embedding: Embedding has no array"):
        converted, report = convert(original, QuantConfig(weight_bits=3))
    assert report.converted == (("lstm", "LSTM"), ("heads.0", "Linear"), ("heads.1", "Linear"))
    assert report.float_layers == (("embedding", "Embedding has no array"),)
    assert isinstance(converted.lstm, QuantLSTM)
    assert isinstance(converted.heads[1], QuantLinear)
    assert converted.lstm.batch_first
    assert converted.lstm.config.weight_bits == 3
    assert isinstance(original.lstm, nn.LSTM)
    assert converted(TOKENS).shape == (6, 10, 3)


def test_a_layer_keeps_its_options_its_type_and_its_mode():
    for bias in (True, False):
        theirs = nn.LSTM(3, 4, 2, bias=bias, dropout=0.25, bidirectional=True).double().eval()
        ours, _ = convert(theirs)
        assert (ours.num_layers, ours.batch_first, ours.dropout, ours.bidirectional) == (2, False, 0.25, True)
        assert ours.config.bias_rows == int(bias)
        assert ours.arrays[0].cells.dtype == torch.float64
        assert not ours.training
        assert convert(theirs.train())[0].training
    linear, _ = convert(nn.Linear(3, 2, bias=False))
    assert (linear.inputs, linear.outputs, linear.config.bias_rows) == (3, 2, 0)


def test_float_conversion_computes_the_same():
    with pytest.warns(UserWarning, match="STAYS FLOAT"):
        converted, _ = convert(model(), QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32))
    assert torch.allclose(converted(TOKENS), model()(TOKENS), atol=1e-6)


def test_skips_and_overrides():
    with pytest.warns(UserWarning, match="STAYS FLOAT"):
        converted, report = convert(model(), skip=("lstm",), layers={"heads.0": QuantConfig(adc_bits=7)})
    assert ("lstm", "skipped as asked") in report.float_layers
    assert converted.heads[0].config.adc_bits == 7
    assert converted.heads[1].config.adc_bits == 4


def test_projections_stay_float():
    with pytest.warns(UserWarning, match="proj_size"):
        converted, report = convert(nn.Sequential(nn.LSTM(4, 6, proj_size=2)))
    assert isinstance(converted[0], nn.LSTM)
    assert report.converted == ()


def test_a_layer_with_several_names_stays_one():
    torch.manual_seed(0)
    original = Shared()
    with pytest.warns(UserWarning, match=r"STAYS FLOAT: part\.1: BatchNorm1d has no array$"):
        converted, report = convert(original, QuantConfig(weight_bits=32, dac_bits=32, adc_bits=32))
    assert [name for name, _ in report.converted] == ["first", "again", "part.0", "part.2"]
    assert isinstance(converted.first, QuantLinear)
    assert converted.first is converted.again is converted.part[2]
    x = torch.rand(5, 4)
    assert torch.allclose(converted(x), original(x), atol=1e-6)


class Tied(nn.Module):
    """A decoder with the embedding's weights, and two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.embedding, self.decoder = nn.Embedding(20, 4), nn.Linear(4, 20)
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.decoder.weight, self.other.weight = self.embedding.weight, self.one.weight


def test_weights_that_were_tied_are_reported():
    with pytest.warns(UserWarning, match="NO LONGER TIED: embedding.weight and decoder.weight"):
        _, report = convert(Tied())
    assert report.untied == (("embedding.weight", "decoder.weight"), ("one.weight", "other.weight"))
    with pytest.warns(UserWarning, match="STAYS FLOAT"):
        _, report = convert(Tied(), skip=("decoder", "one", "other"))
    assert report.untied == ()


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("change", [lambda x: prune.l1_unstructured(x, "weight", 0.5), nn.utils.weight_norm])
def test_weights_that_are_computed_are_refused(change):
    """torch itself cannot copy such a layer."""
    layer = nn.Linear(6, 5)
    change(layer)
    sentence = (
        "layer '0' must have weights of its own: make its pruning or weight norm permanent first "
        "(torch.nn.utils.prune.remove, remove_weight_norm)"
    )
    with pytest.raises(DesignError) as error:
        convert(nn.Sequential(layer))
    assert str(error.value) == sentence


def test_hooks_that_stay_behind_are_reported():
    original = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    original[1].register_forward_hook(lambda *_: None)
    assert convert(original)[1].unhooked == ()  # no array, so it keeps its own
    for register in (
        "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ):  # fmt: skip
        handle = getattr(original[2], register)(lambda *_: None)
        with pytest.warns(UserWarning, match="WITHOUT ITS HOOKS: 2$"):
            assert convert(original)[1].unhooked == ("2",)
        handle.remove()


def test_arrays_stay_what_they_are():
    model = nn.Sequential(QuantLSTM(3, 4, weight_bits=2), nn.Linear(4, 2))
    converted, report = convert(model, QuantConfig(weight_bits=3))
    assert report.converted == (("1", "Linear"),)
    assert report.float_layers == ()
    assert (converted[0].config.weight_bits, converted[1].config.weight_bits) == (2, 3)


def test_skipping_a_part_skips_all_that_is_in_it():
    with pytest.warns(UserWarning, match=r"part\.0: skipped as asked"):
        converted, report = convert(Shared(), skip=("part",))
    assert [name for name, _ in report.converted] == ["first", "again"]
    assert type(converted.part[0]) is nn.Linear


def test_type_and_frozen_weights_are_kept():
    layer = nn.Linear(3, 2).double().requires_grad_(False)
    array, _ = convert(layer)
    assert array.cells.dtype == torch.float64
    assert torch.equal(array.cells[:3].T, layer.weight)
    assert not any(parameter.requires_grad for parameter in array.parameters())


def test_arrays_of_frozen_weights_are_frozen_and_those_of_some_are_named():
    model = nn.ModuleDict({"lstm": nn.LSTM(3, 4, 2, bidirectional=True), "head": nn.Linear(8, 2)})
    for name, parameter in model.named_parameters():
        frozen = name.endswith("_l0_reverse") or name in ("lstm.weight_ih_l1", "head.weight")
        parameter.requires_grad_(not frozen)
    with pytest.warns(UserWarning, match=r"NO LONGER FROZEN: lstm\.weight_ih_l1\nNO LONGER FROZEN: head\.weight"):
        converted, report = convert(model)
    assert report.unfrozen == ("lstm.weight_ih_l1", "head.weight")
    assert [array.cells.requires_grad for array in converted["lstm"].arrays] == [True, False, True, True]
    assert converted["head"].cells.requires_grad


def test_a_layer_alone_converts():
    converted, report = convert(nn.Linear(3, 2))
    assert isinstance(converted, QuantLinear)
    assert str(report) == "converted 1 layers: (the model)"


def test_sentences():
    with pytest.raises(DesignError, match=r"^the model must have a layer 'gru' to treat apart, but it has none$"):
        convert(nn.Linear(2, 2), skip=("gru",))
    sentence = (
        r"^layer '0' must be an LSTM, an RNN, a Linear or a Conv2d that is converted to have a configuration of its own, "
        r"not Sequential$"
    )
    with pytest.raises(DesignError, match=sentence):
        convert(nn.Sequential(nn.Sequential(nn.Linear(2, 2))), layers={"0": QuantConfig(adc_bits=7)})
    sentence = r"^a layer's configuration must be a QuantConfig, not 4$"
    for act in (
        lambda: convert(nn.Linear(2, 2), 4),
        lambda: convert(nn.Sequential(nn.Linear(2, 2)), layers={"0": 4}),
    ):
        with pytest.raises(DesignError, match=sentence):
            act()
    sentence = r"^layers must be a mapping from layers' names to a QuantConfig, not \['lstm'\]$"
    with pytest.raises(DesignError, match=sentence):
        convert(model(), layers=["lstm"])
    with pytest.raises(DesignError, match=r"^skip must be a tuple of layers' names, not None$"):
        convert(model(), skip=None)
    with pytest.raises(DesignError, match=r"^skip must be a tuple of layers' names, not 'lstm'$"):
        convert(model(), skip="lstm")

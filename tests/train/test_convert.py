"""Conversion replaces what it can and says loudly what it cannot; quantisers find the ranges the literature gives."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn.utils import prune

from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.train.config import QuantConfig
from ohmgate.train.convert import calibrate, convert
from ohmgate.train.export import export
from ohmgate.train.modules import QuantLinear, QuantLSTM
from ohmgate.train.quantisers import PERCENTILE, QUANTISERS, SAWB, weight_range
from ohmgate.train.straight_through import symmetric_code
from ohmgate.train.verify import verify_modules


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 4)
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.heads = nn.ModuleList([nn.Linear(12, 5), nn.Linear(5, 3)])

    def forward(self, tokens):
        out, _ = self.lstm(torch.tanh(self.embedding(tokens)))
        return self.heads[1](3 * torch.relu(self.heads[0](out)))


def model() -> Model:
    torch.manual_seed(0)
    return Model()


TOKENS = torch.arange(60).view(6, 10) % 20


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


class Shared(nn.Module):
    """One layer under three names, and a part of several layers."""

    def __init__(self):
        super().__init__()
        self.first = self.again = nn.Linear(4, 4)
        self.part = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), self.first)

    def forward(self, x):
        return self.again(self.part(self.first(x)))


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


def test_calibration_leaves_every_module_in_its_mode():
    with pytest.warns(UserWarning, match="STAYS FLOAT"):
        converted, _ = convert(Shared())
    converted.train().part[1].eval()
    calibrate(converted, lambda: converted(torch.rand(8, 4)))
    assert converted.training
    assert converted.first.training
    assert not converted.part[1].training
    converted.train()
    calibrate(converted, lambda: converted(torch.rand(8, 4)))
    assert int(converted.part[1].num_batches_tracked) == 0


def test_a_model_that_gives_its_own_state_calibrates():
    module = QuantLSTM(3, 4, adc_range=100.0)
    state = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    calibrate(module, lambda: module(torch.rand(5, 2, 3), state), percentile=100)
    assert (module.arrays[0].steps() < 10 * 2 / 2**4).all()


def test_calibration_leaves_alone_what_has_no_dacs_and_what_was_learned():
    lstm = QuantLSTM(3, 4, dac_bits=32)
    cells = lstm.arrays[0].cells.detach().clone()
    calibrate(lstm, lambda: lstm(6 * torch.ones(2, 1, 3)))
    assert torch.equal(lstm.arrays[0].cells, cells)
    lstm = QuantLSTM(3, 4, quantiser="lsq")
    calibrate(lstm, lambda: lstm(6 * torch.ones(2, 1, 3)))
    with torch.no_grad():
        lstm.arrays[0].log_alpha.fill_(2.0)
    calibrate(lstm, lambda: lstm(5 * torch.ones(2, 1, 3)))
    assert float(lstm.arrays[0].full_scale) == 5
    assert lstm.arrays[0].log_alpha.tolist() == [2.0]


def test_inputs_by_name_calibrate_as_those_by_place():
    linear = QuantLinear(2, 3)
    calibrate(linear, lambda: linear(input=torch.full((4, 2), 3.0)))
    assert float(linear.full_scale) == 3


def test_a_calibration_that_is_refused_changes_nothing():
    lstm = QuantLSTM(3, 4)
    before = {name: value.clone() for name, value in lstm.state_dict().items()}
    with pytest.raises(DesignError, match=r"^inputs of a calibration must be finite numbers, but some are not$"):
        calibrate(lstm, lambda: lstm(torch.full((2, 1, 3), math.inf)))
    with pytest.raises(DesignError, match=r"^the run of a calibration must call the model, but it reached no array$"):
        calibrate(lstm, lambda: None)
    for name, value in lstm.state_dict().items():
        assert torch.equal(value, before[name])
    assert lstm.training


def test_a_layer_alone_converts():
    converted, report = convert(nn.Linear(3, 2))
    assert isinstance(converted, QuantLinear)
    assert str(report) == "converted 1 layers: (the model)"


def test_calibration_brings_a_fine_model_to_the_float_one_and_keeps_integers_exact():
    config = QuantConfig(weight_bits=8, dac_bits=8, adc_bits=8, adc_range=100.0)
    with pytest.warns(UserWarning, match="STAYS FLOAT"):
        converted, _ = convert(model(), config)
    expected = model()(TOKENS)
    before = (converted.eval()(TOKENS) - expected).abs().mean()
    calibrate(converted, lambda: converted(TOKENS), percentile=100)
    after = (converted(TOKENS) - expected).abs().mean()
    assert after < 0.02
    assert after < before / 4
    assert verify_modules(converted, TOKENS).mismatches == 0


def test_full_scale_input_is_the_largest():
    linear = QuantLinear(2, 3, weight_bits=8, dac_bits=8, adc_bits=8)
    theirs = nn.Linear(2, 3)
    linear.load_state_dict(theirs.state_dict())
    x = torch.tensor([[4.0, -2.0], [1.0, 3.0]])
    calibrate(linear, lambda: linear(x), percentile=100)
    assert float(linear.full_scale) == 4
    assert torch.allclose(linear.eval()(x).float(), theirs(x), atol=0.05)


@pytest.mark.parametrize("quantiser", ["absmax", "lsq"])
def test_inputs_of_an_lstm_may_be_standardised_features(quantiser):
    """Without calibration they clip at 1; with it host, module and reference agree on the scale."""
    torch.manual_seed(0)
    theirs = nn.LSTM(3, 6, 2, bidirectional=True)
    x = 2 * torch.randn(12, 20, 3)
    config = QuantConfig(
        weight_bits=12,
        dac_bits=12,
        adc_bits=12,
        activation_bits=16,
        tanh_bits=12,
        tanh_fraction=9,
        quantiser=quantiser,
    )
    ours, _ = convert(theirs, config)
    expected = theirs(x)[0].detach()
    clipped = (ours.eval()(x)[0] - expected).abs().mean()
    calibrate(ours, lambda: ours(x), percentile=100)
    assert [float(array.full_scale) for array in ours.arrays] == [float(x.abs().max())] * 2 + [1.0] * 2
    error = (ours(x)[0] - expected).abs().mean()
    assert error < 0.003
    assert error < clipped / 20
    assert verify_modules(ours, x).mismatches == 0
    network = export(ours.arrays[:1])
    assert network.input_scale == (1 / float(x.abs().max()),) * 3
    codes = network.encode(x.transpose(0, 1).double().numpy())
    hidden = torch.from_numpy(reference.run(network, codes).out / 2047).float()
    assert torch.equal(ours(x)[1][0][0], hidden[:, -1])
    again = convert(theirs, config)[0]
    again.load_state_dict(ours.state_dict())
    assert torch.equal(again.eval()(x)[0], ours(x)[0])
    again.load_state_dict(theirs.state_dict())  # the full scale stays as calibrated
    assert torch.allclose(again.arrays[0].cells, ours.arrays[0].cells)


def test_an_input_drive_keeps_the_range_of_weights_for_hidden_rows():
    """Full scale 8 makes the input weights 8 times as large, unless their rows are driven 8 times as hard."""
    torch.manual_seed(0)
    theirs, x = nn.LSTM(3, 64), torch.rand(40, 50, 3) * 0.4 - 0.2
    x[0, 0, 0] = 8.0

    def error(drive: int) -> float:
        ours, _ = convert(theirs, QuantConfig(dac_bits=8, adc_bits=8, input_drive=drive))
        calibrate(ours, lambda: ours(x), percentile=100)
        return float((ours.eval()(x)[0] - theirs(x)[0]).detach().abs().mean())

    assert error(8) < 0.7 * error(1)


@pytest.mark.parametrize("method", QUANTISERS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12])
def test_ranges_are_positive_and_within_the_weights(method, bits):
    weights = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [0.01]])
    alpha = weight_range(weights, method, bits)
    assert alpha.shape == (2,)
    assert (alpha > 0).all()
    assert (alpha <= weights.abs().amax(1)).all()
    assert alpha[0] / alpha[1] == pytest.approx(100, rel=0.3)


def test_a_percentile_of_many_weights():
    """torch.quantile takes 16 million at most."""
    weights = torch.arange(17_000_001, dtype=torch.float32)[None]
    assert float(weight_range(weights, "percentile", 4)) == pytest.approx(PERCENTILE * 17e6, rel=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_sawb_is_near_the_least_squared_error(bits):
    weights = torch.from_numpy(stats.norm.ppf((torch.arange(20001).numpy() + 0.5) / 20001))

    def error(alpha):
        return float(
            (symmetric_code(weights / alpha, bits) * alpha / max(1, 2 ** (bits - 1) - 1) - weights).square().mean()
        )

    best = min(error(a) for a in torch.linspace(0.3, 4, 200))
    assert error(weight_range(weights[None], "sawb", bits)[0]) < 1.03 * best
    assert set(SAWB) == set(range(1, 9))


def test_learned_ranges_have_the_papers_gradients():
    """LSQ: (code - w L / alpha) / L inside, +-1 outside; PACT: +-1 outside only. Against the output's gradient."""
    for method in ("lsq", "pact"):
        layer = QuantLinear(1, 3, bias=False, weight_bits=3, dac_bits=8, adc_bits=32, quantiser=method)
        with torch.no_grad():
            layer.cells.copy_(torch.tensor([[0.2, -0.5, 1.4]]))
            layer.log_alpha.copy_(torch.tensor([0.9]).log())
        layer(torch.ones(1, 1)).sum().backward()
        inside = [round(w / 0.9 * 3) / 3 - w / 0.9 for w in (0.2, -0.5)] if method == "lsq" else [0.0, 0.0]
        factor = (3 * 3) ** -0.5
        expected = (sum(inside) + 1.0) * factor * 0.9  # the parameter is the logarithm
        assert float(layer.log_alpha.grad) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_a_learned_adc_range_has_the_gradient_of_its_rounding_error(quantiser, bits):
    layer = QuantLinear(
        1, 2, bias=False, weight_bits=bits, dac_bits=8, adc_bits=3, adc_range=1.0, quantiser=quantiser,
        learn_range=True,
    )  # fmt: skip
    with torch.no_grad():
        layer.cells.copy_(torch.tensor([[0.3, 4.0]]))  # the second clips
        if hasattr(layer, "log_alpha"):
            layer.log_alpha.fill_(math.log(4.0))
    out = layer(torch.ones(1, 1))
    out.sum().backward()
    step = 0.25
    codes = layer(torch.ones(1, 1)).detach()[0] / step - 0.5
    inside = float(codes[0]) + 0.5 - 0.3 / step
    assert float(codes[1]) == pytest.approx(3, abs=0.05)
    assert float(layer.log_step.grad) == pytest.approx((inside + 3.5) * step, rel=0.05)


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_every_quantiser_trains(quantiser):
    torch.manual_seed(0)
    module = QuantLSTM(3, 8, weight_bits=2, quantiser=quantiser, per_gate=True, learn_range=True)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    x = torch.rand(6, 32, 3) * 2 - 1
    goal = x.mean(0).sum(1) / 3
    losses = []
    for _ in range(60):
        loss = (module(x)[0][-1].mean(1) - goal).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_sentences():
    with pytest.raises(DesignError, match=r"^the model must have a layer 'gru' to treat apart, but it has none$"):
        convert(nn.Linear(2, 2), skip=("gru",))
    sentence = (
        r"^layer '0' must be an LSTM or a Linear that is converted to have a configuration of its own, "
        r"not Sequential$"
    )
    with pytest.raises(DesignError, match=sentence):
        convert(nn.Sequential(nn.Sequential(nn.Linear(2, 2))), layers={"0": QuantConfig(adc_bits=7)})
    with pytest.raises(DesignError, match=r"^percentile must be a number above 0 and at most 100, not 0$"):
        calibrate(nn.Linear(2, 2), lambda: None, percentile=0)
    with pytest.raises(DesignError, match=r"^calibration passes must be an integer from 1 to 100, not 0$"):
        calibrate(QuantLinear(2, 2), lambda: None, passes=0)
    sentence = r"^a model to calibrate must have at least one quantised layer, but it has none$"
    with pytest.raises(DesignError, match=sentence):
        calibrate(nn.Linear(2, 2), lambda: None)
    sentence = r"^a layer's configuration must be a QuantConfig, not 4$"
    for act in (
        lambda: convert(nn.Linear(2, 2), 4),
        lambda: convert(nn.Sequential(nn.Linear(2, 2)), layers={"0": 4}),
    ):
        with pytest.raises(DesignError, match=sentence):
            act()
    with pytest.raises(DesignError, match=r"^skip must be a tuple of layers' names, not 'lstm'$"):
        convert(model(), skip="lstm")

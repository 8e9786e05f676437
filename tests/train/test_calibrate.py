"""Calibration finds full scales and ranges of ADCs, and changes nothing else."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer
from ohmgate.train.calibrate import calibrate
from ohmgate.train.convert import convert
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.network import DesignNetwork
from tests.models import TOKENS, Shared, model
from tests.train import oracle


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


@pytest.mark.parametrize("learn_range", [False, True])
@pytest.mark.parametrize("percentile", [100, 90, 0.001])
def test_the_range_of_each_gate_is_a_percentile_of_its_own_voltages(percentile, learn_range):
    """Of the pre-activations' absolute values, taken before the converter clips, by the reference's own rows."""
    bits = {"dac_bits": 5, "weight_bits": 5, "adc_bits": 3}
    lstm = QuantLSTM(3, 4, adc_range=0.5, learn_range=learn_range, **bits)
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(8, 16)) * np.repeat([0.2, 0.5, 1.0, 2.0], 4)
    x = rng.integers(-64, 65, (9, 6, 3)) / 32
    x[4, 3, 1] = -2.5
    with torch.no_grad():
        lstm.arrays[0].cells.copy_(torch.from_numpy(cells))
    calibrate(lstm, lambda: lstm(torch.from_numpy(x).float()), percentile=percentile, passes=1)
    array = lstm.arrays[0]
    scale = float(array.full_scale)
    assert 2.3 < scale <= 2.5
    cells = cells.astype(np.float32).astype(float)
    cells[:3] *= scale
    assert array.cells.detach().numpy() == pytest.approx(cells, rel=1e-6)
    layer = LstmLayer(inputs=3, hidden=4, adcs=4, **bits)
    made = oracle.integers(layer, cells, np.full(4, np.abs(cells).max()), np.full(4, 1 / 8))
    trace = oracle.forward(layer, made, x * (1 / scale))  # as the host encodes
    sums = (trace.drive @ made.codes).reshape(-1, 4, 4) * (made.gain * made.step)[:, None]
    for gate, step in enumerate(array.steps().tolist()):
        ascending = np.sort(np.abs(sums[:, gate]).ravel())
        rank = max(1, round(len(ascending) * percentile / 100))
        assert step == pytest.approx(max(ascending[rank - 1], 1e-6) * 2 / 8, rel=1e-5)
    assert hasattr(array, "log_step") == learn_range


def test_a_calibration_takes_the_percentile_99_9_in_two_passes():
    """... where nothing is said: of 2,000 voltages the 1,998th, of ranges that the first pass has moved."""
    x = torch.linspace(0.0, 1.0, 2000)[:, None] ** 3
    made = []
    for fields in ({}, {"percentile": 99.9, "passes": 2}, {"percentile": 100, "passes": 2}):
        linear = QuantLinear(1, 1, bias=False, dac_bits=12)
        with torch.no_grad():
            linear.cells.fill_(1.0)
        calibrate(linear, lambda linear=linear: linear(x), **fields)
        made.append(float(linear.steps()))
    assert made[0] == made[1] < made[2]
    assert made[0] == pytest.approx(2 / 16 * float(x[1997]), rel=1e-3)
    torch.manual_seed(1)
    stack = [QuantLSTM(3, 4, 2, adc_range=0.1) for _ in range(2)]
    stack[1].load_state_dict(stack[0].state_dict())
    x = torch.rand(20, 8, 3) * 3
    calibrate(stack[0], lambda: stack[0](x))
    calibrate(stack[1], lambda: stack[1](x), passes=2)
    assert all(torch.equal(a.steps(), b.steps()) for a, b in zip(stack[0].arrays, stack[1].arrays))


def test_every_pass_measures_with_the_ranges_of_the_one_before():
    """What a layer sees changes with the range ahead of it; three passes are as many times one."""
    x = torch.rand(20, 8, 3, generator=torch.Generator().manual_seed(0)) * 3
    made = []
    for passes in ([1], [3], [1, 1, 1]):
        torch.manual_seed(1)
        lstm = QuantLSTM(3, 4, 2, adc_range=0.1)
        for count in passes:
            calibrate(lstm, lambda lstm=lstm: lstm(x), passes=count)
        made.append(torch.cat([array.steps() for array in lstm.arrays]))
    assert torch.equal(made[1], made[2])
    assert not torch.allclose(made[0], made[1])


def test_the_full_scale_of_a_linear_layer_leaves_its_bias():
    """Bias rows are driven at full scale: 4 times the input range, a fourth of their cells."""
    linear = QuantLinear(2, 3, bias_rows=2)
    cells = linear.cells.detach().clone()
    calibrate(linear, lambda: linear(torch.tensor([[-4.0, 1.0]])))
    assert float(linear.full_scale) == 4
    assert torch.equal(linear.cells[:2], cells[:2])
    assert torch.equal(linear.cells[2:], cells[2:] / 4)
    calibrate(linear, lambda: linear(torch.tensor([[0.5, 0.0]])))
    assert float(linear.full_scale) == 1, "at least 1"
    assert torch.equal(linear.cells, cells)


@pytest.mark.parametrize(("every", "size"), [(5000, 1e3), (1000, 1e3), (1000, 1e9)])
def test_an_outlier_does_not_decide_the_full_scale(every, size):
    """The others keep their codes, and the largest of all clips."""
    linear, x = QuantLinear(1, 1), torch.randn(20000, 1, generator=torch.Generator().manual_seed(0))
    x[::every] = size
    calibrate(linear, lambda: [linear(part) for part in x.split(3000)])
    scale = float(linear.full_scale)
    assert 2 < scale < 4
    assert float((x.abs() < scale / 14).float().mean()) < 0.25  # code 0 of 4 bits


def test_evenly_spread_inputs_have_almost_the_largest_as_full_scale():
    linear = QuantLinear(2, 1, dac_bits=8)
    x = 6 * torch.rand(200, 300, 2, generator=torch.Generator().manual_seed(0)) - 3  # more than are kept
    calibrate(linear, lambda: linear(x))
    assert 2.8 < float(linear.full_scale) <= 3


def test_many_small_calls_are_thinned_within_each():
    """43 of 1,980 numbers: past 50,000 of them the place of the next one is rounded onto the end of a call's."""
    module, values = QuantLinear(20, 2), torch.full((99, 20), 1.5)
    calibrate(module, lambda: [module(values) for _ in range(43)])
    assert float(module.full_scale) == 1.5


def test_inputs_within_1_keep_a_full_scale_of_exactly_1():
    """Hidden codes of another array are all multiples of 1/L, however few of them are large."""
    linear, x = QuantLinear(1, 1), torch.zeros(1000, 1)
    x[:10] = 1 / 7
    x[0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrate(linear, lambda: linear(x))
    assert float(linear.full_scale) == 1


def test_inputs_that_clip_or_get_code_0_are_told():
    model = nn.Sequential(QuantLinear(1, 1, dac_bits=2))
    x = 4 * torch.randn(5000, 1, generator=torch.Generator().manual_seed(0))
    with pytest.warns(
        UserWarning, match=r"^[5-9]\.\d% of the inputs of layer 0 clip at its full scale of [45]\.\d+$"
    ):
        calibrate(model, lambda: model(x))
    linear, x = QuantLinear(1, 1), torch.full((10, 1), 0.05)
    x[0] = 1.0
    sentence = r"^90\.0% of the inputs of the layer that are not 0 get code 0 at its full scale of 1$"
    with pytest.warns(UserWarning, match=sentence):
        calibrate(linear, lambda: linear(x))


def test_constant_tables_keep_their_range():
    linear = QuantLSTM(2, 4, tables="constant")
    calibrate(linear, lambda: linear(torch.ones(2, 1, 2)))
    assert linear.arrays[0].steps().tolist() == [0.5] * 4


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


@pytest.mark.parametrize("quantiser", ["lsq", "pact"])
@pytest.mark.parametrize("per_gate", [False, True])
def test_a_learned_range_holds_input_weights_that_grow(quantiser, per_gate):
    """In the second pass, as the layer ahead has another range by then, and in a second calibration."""
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(8, 16), nn.LSTM(16, 24)).eval()
    x = torch.randn(20, 32, 8)
    with torch.no_grad():
        theirs[0].weight *= 5
        theirs[1].weight_ih_l0 /= 5
    ours, _ = convert(
        theirs,
        QuantConfig(weight_bits=8, dac_bits=8, adc_bits=8, quantiser=quantiser, per_gate=per_gate),
    )
    for run in (lambda: ours(x), lambda: ours(x), lambda: ours(3 * x)):
        calibrate(ours, run)
        array = ours[1].arrays[0]
        clipped = array.cells.detach().abs() > array.by_column(array.alpha().detach())
        assert clipped.float().mean() < 0.01


def test_an_input_drive_keeps_the_range_of_weights_for_hidden_rows():
    """Full scale 8 makes the input weights 8 times as large, unless their rows are driven 8 times as hard."""
    torch.manual_seed(0)
    theirs, x = nn.LSTM(3, 64), torch.rand(40, 50, 3) * 0.4 - 0.2
    x[:, 0] = 8.0

    def error(drive: int) -> float:
        ours, _ = convert(theirs, QuantConfig(dac_bits=8, adc_bits=8, input_drive=drive))
        calibrate(ours, lambda: ours(x), percentile=100)
        return float((ours.eval()(x)[0] - theirs(x)[0]).detach().abs().mean())

    assert error(8) < 0.7 * error(1)


def test_sentences():
    with pytest.raises(DesignError, match=r"^percentile must be a number above 0 and at most 100, not 0$"):
        calibrate(nn.Linear(2, 2), lambda: None, percentile=0)
    with pytest.raises(DesignError, match=r"^percentile must be a number above 0 and at most 100, not 100.5$"):
        calibrate(QuantLinear(2, 2), lambda: None, percentile=100.5)
    with pytest.raises(DesignError, match=r"^calibration passes must be an integer from 1 to 100, not 0$"):
        calibrate(QuantLinear(2, 2), lambda: None, passes=0)
    sentence = r"^inputs of a calibration must be of 1 sequence or more, but there is none$"
    with pytest.raises(DesignError, match=sentence):
        calibrate(linear := QuantLinear(2, 2), lambda: linear(torch.zeros(0, 2)))
    sentence = r"^a model to calibrate must have at least one quantised layer, but it has none$"
    with pytest.raises(DesignError, match=sentence):
        calibrate(nn.Linear(2, 2), lambda: None)


def test_loaded_integers_are_not_calibrated():
    network = export(QuantLinear(2, 2))
    loaded = DesignNetwork.from_network(network)
    sentence = r"^a model to calibrate must have real weights, not the integers of a loaded network$"
    with pytest.raises(DesignError, match=sentence):
        calibrate(loaded, lambda: loaded(torch.ones(1, 1, 2)))


@pytest.mark.parametrize("largest", [1.5, 2.0, 3.0])
def test_input_weights_grow_with_the_full_scale(largest):
    """... so that a real input makes the voltage that it made before; by a factor of exactly 2, too."""
    lstm = QuantLSTM(3, 4, weight_bits=8, dac_bits=8)
    before = lstm.arrays[0].cells.detach().clone()
    calibrate(lstm, lambda: lstm(largest * torch.ones(2, 1, 3)))
    assert float(lstm.arrays[0].full_scale) == largest
    assert torch.equal(lstm.arrays[0].cells[:3], before[:3] * largest)
    assert torch.equal(lstm.arrays[0].cells[3:], before[3:])


def test_a_calibration_leaves_no_hook_behind():
    """A hook that stays measures what the model gets later on, and holds all of the calibration's arrays."""
    linear = QuantLinear(2, 1)
    calibrate(linear, lambda: linear(torch.ones(1, 2)))
    assert not linear._forward_pre_hooks
    with pytest.raises(ZeroDivisionError):
        calibrate(linear, lambda: 1 / 0)
    assert not linear._forward_pre_hooks

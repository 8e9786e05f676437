"""Hardware-aware training: noise by the level, its ramp, clipped weights, a learned input range, distillation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.analog.config import preset
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import SequenceDataset, load_dataset
from ohmgate.train.epochs import distance, keep_in_bounds
from ohmgate.train.export.verify import verify
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.linear import LinearArray
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.straight_through import rounded
from ohmgate.train.network import DesignNetwork
from ohmgate.train.training import float_network, initial, train

VOWELS = load_dataset("vowels")
SMALL = SequenceDataset("vowels", VOWELS.train.take(np.arange(0, 270, 10)), VOWELS.test, VOWELS.classes)
CONFIG = TrainConfig(epochs=3, batch=10)
DESIGN = Design.load("vowels")
PCM = preset("aimc").cells.device.program_sigma
LEVEL = (0.02, 0.1, -0.05)


@pytest.fixture(scope="module")
def floating():
    return train(DESIGN, SMALL, replace(CONFIG, floating=True)).model


# -- noise by the level ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "uniform", "factor"),
    [({"level": LEVEL}, 0.0, 1), ({"level": LEVEL, "weight": 0.03}, 0.06, 1), ({"level": PCM}, 0.0, 1)],
)
def test_weights_err_by_the_polynomial_of_their_level(fields, uniform, factor):
    """Codes 0, -2, 5 and 7 of 7 in 200 columns and 100 draws: sqrt of both squares, within 4 standard errors."""
    module = LinearArray(4, 200, QuantConfig(bias_rows=0, adc_bits=16, adc_range=64.0))
    with torch.no_grad():
        module.cells.copy_(torch.tensor([0.0, -2.0, 5.0, 7.0])[:, None] / 7)
    gain = float(module.prepare(1).gain[0])
    module.train_noise = Noise(**fields)
    draws = torch.stack([module.prepare(1).weights.detach() / gain for _ in range(100)])
    for row, code in enumerate((0, -2, 5, 7)):
        p0, p1, p2 = fields["level"]
        g = abs(code) / 7
        expected = 7 * math.hypot(p0 + p1 * g + p2 * g * g, uniform)
        found = draws[:, row]
        assert float(found.mean()) == pytest.approx(code, abs=4 * expected / math.sqrt(20000) + 1e-3)
        assert float(found.std()) == pytest.approx(expected, rel=4 / math.sqrt(40000) + 1e-3)


def test_a_deviation_below_nothing_is_none_and_the_largest_is_known():
    noise = Noise(level=(-0.1, 0.8, -0.8))
    assert noise.level_deviation(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.0, 0.1, 0.0])
    shares = np.linspace(0, 1, 100001)
    for level in ((-0.1, 0.8, -0.8), PCM, (0.1, -0.05, 0.0), (0.1, 0.2, 0.3), (0.0, 0.0, 0.0)):
        largest = np.maximum(np.polyval(level[::-1], shares), 0).max()
        assert Noise(level=level).largest_level == pytest.approx(largest, abs=1e-9)


@pytest.mark.parametrize("redraw", ["per_batch", "per_sequence", "per_programming"])
def test_the_kernel_has_the_codes_of_the_eager_path(redraw):
    if kernel() is None:
        pytest.skip("no compiler")
    found = []
    for fast in (False, True):
        torch.manual_seed(1)
        module = LstmArray(6, 10, QuantConfig(), fast)
        module.train_noise = Noise(level=LEVEL, redraw=redraw, adc=0.3)
        module.source.seed(5)
        inputs = torch.rand(7, 3, 6, generator=torch.Generator().manual_seed(2)) * 2 - 1
        out = module(inputs)[0]
        out.square().sum().backward()
        found.append((out.detach(), module.cells.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)
    assert len(found[0][0].unique()) > 4


def test_noise_by_the_level_is_not_drawn_in_every_step():
    sentence = "noise by the level must be redrawn per_sequence, per_batch or per_programming, not 'per_step'"
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        Noise(level=LEVEL, redraw="per_step")
    for wrong in (0.1, (1, 2), (1, 2, "x"), None):
        with pytest.raises(DesignError, match="^noise by the level must be"):
            Noise(level=wrong)


def test_a_ramp_takes_noise_by_the_level_along():
    config = TrainConfig(noise_ramp=0.5, train_noise=Noise(level=LEVEL, weight=0.1))
    assert config.noise_at(0.25).level == pytest.approx(tuple(p / 2 for p in LEVEL))
    assert config.noise_at(0.25).weight == pytest.approx(0.05)
    assert config.noise_at(0.5).level == LEVEL


def test_what_does_not_use_the_options_is_known_by_what_it_was():
    named = {"level", "weight_clip", "learn_input", "distil", "distil_temperature"}
    plain = CONFIG.to_dict()
    assert not named & (set(plain) | set(plain["train_noise"]) | set(plain["eval_noise"]))
    config = replace(CONFIG, train_noise=Noise(level=LEVEL), weight_clip=2.5, learn_input=True, distil=0.5)
    assert TrainConfig.from_dict(config.to_dict()) == config


# -- clipped weights ------------------------------------------------------------------------------------------------


def test_weights_are_clipped_to_their_arrays_root_mean_square():
    model = DesignNetwork(DESIGN)
    before = [layer.cells.detach().numpy().copy() for layer in model.layers]
    keep_in_bounds(model, CONFIG.weight_clip)
    assert all((layer.cells.detach().numpy() == cells).all() for layer, cells in zip(model.layers, before))
    keep_in_bounds(model, 1.2)
    for layer, cells in zip(model.layers, before):
        most = 1.2 * math.sqrt((cells.astype(float) ** 2).mean())
        assert layer.cells.detach().numpy() == pytest.approx(np.clip(cells, -most, most), rel=1e-6)
        assert (np.abs(cells) > most).any()


def test_a_training_ends_with_clipped_weights():
    cells = [
        [layer.cells.detach() for layer in train(DESIGN, SMALL, replace(CONFIG, weight_clip=clip)).model.layers]
        for clip in (0.0, 1.5)
    ]
    ratios = [[float(layer.abs().max() / layer.square().mean().sqrt()) for layer in each] for each in cells]
    assert min(ratios[0]) > 1.7
    assert max(ratios[1]) < 1.6  # the root mean square shrinks by the clip itself


# -- the inputs' range ----------------------------------------------------------------------------------------------


def test_the_gradient_of_the_inputs_range_is_that_of_the_rounded_values():
    """Of a dense layer by hand: codes of x / r times r, straight-through where |x| < r; none of the rounding."""
    torch.manual_seed(0)
    module = LinearArray(
        5, 3, QuantConfig(weight_bits=16, dac_bits=4, adc_bits=16, adc_range=8.0, bias_rows=0), False
    )
    module.learn_full_scale()
    with torch.no_grad():
        module.full_scale.fill_(0.7)
    inputs = torch.linspace(-1.2, 1.2, 40).reshape(8, 5)
    module.train()(inputs).square().sum().backward()
    r = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    codes = rounded((inputs.double() / r).clamp(-1, 1) * 7) / 7
    (r * codes @ module.cells.detach().double()).square().sum().backward()
    assert float(module.full_scale.grad) == pytest.approx(float(r.grad), rel=2e-3)


def test_a_learned_range_goes_into_the_network_and_its_integers_agree(tmp_path):
    """... of a first layer that is dense, and of one that is an LSTM."""
    first = DenseLayer(inputs=12, outputs=12, adcs=12, output="table", function="tanh")
    for design in (DESIGN, Design("two", (first, *DESIGN.layers))):
        config = replace(CONFIG, learn_input=True, learning_rate=0.05)
        result = train(design, SMALL, config, checkpoint=tmp_path / design.name)
        learned = float(result.model.layers[0].full_scale.detach())
        assert abs(learned - 1) > 0.01
        plain = train(design, SMALL, CONFIG).network
        scale = [np.array(network.input_scale) for network in (plain, result.network)]
        assert scale[1] == pytest.approx(scale[0] / learned)
        codes = result.network.encode(SMALL.test.features[:20])
        assert verify(result.model, codes, SMALL.test.lengths[:20]).mismatches == 0
        assert not any(layer.full_scale.requires_grad for layer in list(result.model.layers)[1:])
        assert float(float_network(tmp_path / design.name).layers[0].full_scale) == pytest.approx(learned)


def test_a_learned_range_stays_above_nothing():
    model = initial(DESIGN, replace(CONFIG, learn_input=True))
    with torch.no_grad():
        model.layers[0].full_scale.fill_(-3.0)
    keep_in_bounds(model, CONFIG.weight_clip)
    assert float(model.layers[0].full_scale.detach()) == 2**-10


def test_two_arrays_that_take_the_inputs_have_no_range_to_learn():
    both = Design.from_dict({
        "name": "both",
        "layer": [
            {"kind": "lstm", "inputs": 12, "hidden": 32, "adcs": 16, "direction": "both", "max_steps": 29},
            {"kind": "dense", "inputs": 64, "outputs": 9, "adcs": 9, "adc_bits": 8, "output": "argmax", "emit": "end"},
        ],
    })  # fmt: skip
    sentence = "^an input range can be learned of one array that takes the inputs, not of 2$"
    with pytest.raises(DesignError, match=sentence):
        DesignNetwork(both, learn_input=True)


# -- distillation ---------------------------------------------------------------------------------------------------


def test_the_distance_is_kullback_and_leiblers():
    rng = np.random.default_rng(0)
    outputs, taught = rng.normal(0, 3, (2, 5, 4))
    p, q = (np.exp(x / 3) / np.exp(x / 3).sum(axis=1, keepdims=True) for x in (taught, outputs))
    expected = 9 * (p * np.log(p / q)).sum(axis=1).mean()
    assert float(distance(torch.tensor(outputs), torch.tensor(taught), 3.0)) == pytest.approx(expected)


def test_a_training_that_distils_alone_says_what_its_teacher_says(floating):
    """Its labels do not matter, with a share of 1: all are permuted."""
    shuffled = replace(SMALL.train, labels=SMALL.train.labels[::-1].copy())
    data = replace(SMALL, train=shuffled)
    config = replace(CONFIG, distil=1.0, epochs=2, input_noise=0.0)
    one, other = (train(DESIGN, each, config, start=floating) for each in (SMALL, data))
    assert one.losses == other.losses
    assert train(DESIGN, data, replace(config, distil=0.5), start=floating).losses != one.losses


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (lambda floating: None, "a training that distils must start from a float network, which is the teacher"),
        (lambda floating: DesignNetwork(DESIGN), "a training that distils must start from a float network, which is"),
    ],
)
def test_a_teacher_is_needed(floating, start, sentence):
    with pytest.raises(DesignError, match=f"^{sentence}"):
        train(DESIGN, SMALL, replace(CONFIG, distil=0.5), start=start(floating))

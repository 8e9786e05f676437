"""From float to quantised: weights, ranges, the two parts of a run, noise that grows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.calibrate import calibrate
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import SequenceDataset, load_dataset
from ohmgate.train.export.verify import verify
from ohmgate.train.layers.noise import Noise
from ohmgate.train.network import DesignNetwork
from ohmgate.train.training import train, trained_network
from ohmgate.train.usage import code_usage
from ohmgate.train.warm import float_twin, quantise, typical

VOWELS = load_dataset("vowels")
SMALL = SequenceDataset("small", VOWELS.train.take(np.arange(0, 270, 10)), VOWELS.test, VOWELS.classes)
DESIGN = Design.load("vowels")
CONFIG = TrainConfig(epochs=5, batch=10, float_epochs=0.4, quantiser="lsq", train_noise=Noise(adc=0.3, weight=0.05))


def chain(bits: int, function: str) -> Design:
    """Tables that clip at 1 ahead of an LSTM and of another table."""
    wide = {"dac_bits": bits, "weight_bits": bits, "adc_bits": bits}
    return Design(
        "chain",
        (
            DenseLayer(inputs=3, outputs=4, adcs=4, output="table", function=function, output_bits=bits, **wide),
            DenseLayer(inputs=4, outputs=5, adcs=5, output="table", function=function, output_bits=bits, **wide),
            LstmLayer(inputs=5, hidden=4, adcs=4, activation_bits=min(bits, 12), tanh_bits=min(bits, 12), **wide),
            DenseLayer(inputs=4, outputs=2, adcs=2, output="codes", emit="end", **wide),
        ),
    )


def of_seed(design: Design, seed: int = 0, **fields) -> DesignNetwork:
    torch.manual_seed(seed)
    return DesignNetwork(design, **fields)


def inputs(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 7, (count,), generator=generator)
    values = torch.rand(count, 6, 3, generator=generator) * 2 - 1
    return values * (torch.arange(6) < lengths[:, None])[..., None], lengths


@pytest.mark.parametrize("function", ["relu", "identity", "tanh"])
def test_a_quantised_network_of_many_bits_says_what_the_float_one_says(function):
    """Outputs of the first two layers are far above 1, where a table clips."""
    floating = of_seed(chain(16, function), floating=True)
    with torch.no_grad():
        for layer in floating.layers[:2]:
            layer.cells *= 6
    model = of_seed(chain(16, function), seed=1, learn_range=True)
    given = inputs()
    quantise(model, floating, *given)
    with torch.no_grad():
        wanted, got = floating.eval()(*given), model.eval()(*given)
    assert wanted.std() > 0.05
    assert (got - wanted).abs().max() < 0.05 * wanted.std()


def test_ranges_start_from_the_weights_and_the_data():
    floating = of_seed(DESIGN, floating=True)
    with torch.no_grad():
        floating.layers[0].cells *= 5
    model = of_seed(DESIGN, seed=1, quantiser="lsq", learn_range=True)
    before = [float(layer.log_step.detach().exp().max()) for layer in model.layers]
    data = torch.from_numpy((VOWELS.train.features * 2).astype(np.float32)), torch.from_numpy(VOWELS.train.lengths)
    picked = typical(*data)
    assert len(picked[0]) == 256
    assert float(picked[0].abs().max()) == 1
    quantise(model, floating, *picked)
    for layer, other, step in zip(model.layers, floating.layers, before):
        assert torch.equal(layer.cells, other.cells)
        largest = float(layer.cells.detach().abs().max())
        assert 0.1 * largest < float(layer.log_alpha.detach().exp()) <= 1.5 * largest
        assert float(layer.log_step.detach().exp().max()) != pytest.approx(step, rel=0.05)
    lengths = picked[1].tolist()
    usage = code_usage(model, lambda: [model(x[None, :n]) for x, n in zip(picked[0], lengths)])
    assert max(float(one.adc_clipped.max()) for one in usage) < 0.003, "a thousandth of the conversions on the data"


def test_long_sequences_are_calibrated_on_few():
    values, lengths = torch.zeros(1000, 3000, 1), torch.full((1000,), 3000)
    assert typical(values, lengths)[0].shape == (10, 3000, 1)
    assert typical(torch.zeros(3, 2**16, 1), torch.full((3,), 5))[0].shape[0] == 1


def test_a_float_twin_has_the_real_weights_whatever_the_full_scale():
    model = of_seed(chain(16, "tanh"))
    given = inputs()[0]
    with torch.no_grad():
        wanted = float_twin(model)(given)
        calibrate(model, lambda: model(given * 3))
        found = float_twin(model)(given)
    assert float(model.layers[0].full_scale) > 2.9
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_first_epochs_are_those_of_the_float_baseline():
    both = train(DESIGN, SMALL, CONFIG)
    floating = train(DESIGN, SMALL, replace(CONFIG, floating=True))
    assert both.losses[:2] == floating.losses[:2]
    assert both.losses[2:] != floating.losses[2:]
    codes = both.network.encode(SMALL.test.features)
    assert verify(both.model, codes, SMALL.test.lengths, both.network).mismatches == 0
    plain = train(DESIGN, SMALL, replace(CONFIG, float_epochs=0.0))
    assert plain.losses[0] != floating.losses[0]


class Killed(Exception):
    pass


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_run_that_is_killed_before_at_or_after_the_change_ends_with_the_same_bytes(tmp_path, last, learned):
    config = replace(CONFIG, noise_ramp=0.5, learn_range=learned, quantiser="lsq" if learned else "absmax")
    whole = train(DESIGN, SMALL, config, checkpoint=tmp_path / "whole")

    def kill(epoch, epochs, loss):
        if epoch == last:
            raise Killed

    with pytest.raises(Killed):
        train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut", progress=kill)
    rest = train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut")
    assert rest.losses == whole.losses[last:]
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
    assert trained_network(tmp_path / "cut") == whole.network == rest.network
    assert np.array_equal(train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut").predictions, whole.predictions)


def test_noise_grows_from_nothing_where_the_quantised_epochs_begin(monkeypatch):
    seen, forward = [], DesignNetwork.forward

    def spy(model, *given):
        if model.training:
            seen.append([layer.train_noise for layer in model.layers])
        return forward(model, *given)

    monkeypatch.setattr(DesignNetwork, "forward", spy)
    noise = Noise(adc=0.4, weight=0.1, dac=0.2, drop=0.05)
    config = TrainConfig(epochs=10, batch=27, float_epochs=0.2, noise_ramp=0.4, train_noise=noise)
    model = train(DESIGN, SMALL, config).model
    assert seen[:2] == [[Noise()] * 2] * 2
    shares = [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    for (first, second), share in zip(seen[2:], shares):
        assert first == second
        assert (first.adc, first.weight, first.dac) == pytest.approx((0.4 * share, 0.1 * share, 0.2 * share))
        assert (first.drop, first.redraw) == (0.05, "per_batch")
    assert len(seen) == 10
    assert [layer.train_noise for layer in model.layers] == [noise] * 2


def test_the_share_of_float_epochs_leaves_one_to_quantise():
    assert [TrainConfig(epochs=n, float_epochs=0.99).floats for n in (1, 2, 100)] == [0, 1, 99]
    assert [TrainConfig(epochs=100, float_epochs=share).floats for share in (0.0, 0.29, 0.57)] == [0, 29, 57]
    assert TrainConfig(epochs=100, float_epochs=0.5, floating=True).floats == 0
    assert not {"float_epochs", "noise_ramp"} & set(TrainConfig().to_dict())


@pytest.mark.parametrize(("dac_bits", "input_dac_bits"), [(4, 8), (2, 8), (8, 2), (4, 0)])
def test_inputs_of_another_dac_width_keep_their_real_weights(dac_bits, input_dac_bits):
    lstm, head = DESIGN.layers
    lstm = replace(lstm, dac_bits=dac_bits, input_dac_bits=input_dac_bits, input_drive=2)
    design = Design("mine", (lstm, replace(head, dac_bits=dac_bits)))
    model = of_seed(design)
    twin = float_twin(model)
    back = of_seed(design, seed=1)
    quantise(back, twin, *typical(torch.zeros(4, 3, 12), torch.full((4,), 3)))
    top, hidden_top = (max(2 ** (bits - 1) - 1, 1) for bits in (input_dac_bits or dac_bits, dac_bits))
    step = 2.0 ** (max(input_dac_bits, dac_bits) - (input_dac_bits or dac_bits))  # docs/numerics.md: a and b
    hidden_step = 2.0 ** (max(input_dac_bits, dac_bits) - dac_bits)
    real = model.layers[0].cells[:12] * 2 * (top * step) / (hidden_top * hidden_step)
    assert torch.allclose(twin.layers[0].cells[:12] * 2, real, rtol=1e-6)
    assert torch.allclose(back.layers[0].cells, model.layers[0].cells, rtol=1e-6)


def test_noise_that_could_not_reach_its_size_is_refused():
    assert TrainConfig(float_epochs=0.7, noise_ramp=0.3).noise_ramp == 0.3
    with pytest.raises(DesignError) as error:
        TrainConfig(float_epochs=0.75, noise_ramp=0.5)
    assert str(error.value) == "float epochs and noise ramp must be at most 1 together, not 1.25"

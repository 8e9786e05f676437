"""QuantConv2d is nn.Conv2d where quantisation is off, and an array that reads patches where it is on."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ohmgate.analog.array import ArrayConfig
from ohmgate.analog.inference import build_arrays, forecast
from ohmgate.model.formats import DesignError
from ohmgate.train.calibrate import calibrate
from ohmgate.train.convert import convert
from ohmgate.train.export.description import export
from ohmgate.train.export.verify import verify_modules
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.conv import QuantConv2d
from ohmgate.train.layers.modules import QuantLinear
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import noise_at_snr, signal_power
from ohmgate.train.layers.whole_model import listening, set_noise

FLOAT = {"weight_bits": 32, "dac_bits": 32, "adc_bits": 32}
SHAPES = [
    ((3, 5, 3), {}),
    ((1, 4, (2, 3)), {"stride": (2, 1), "padding": (1, 2)}),
    ((2, 3, (3, 2)), {"padding": "same", "dilation": (1, 2)}),
    ((2, 3, 4), {"padding": "same", "padding_mode": "circular", "bias": False}),
    ((4, 2, (1, 5)), {"padding": 2, "padding_mode": "reflect", "stride": 2}),
    ((2, 6, 3), {"padding": "valid", "dilation": 2, "bias": False}),
    ((2, 2, 2), {"padding": 1, "padding_mode": "replicate"}),
]


def images(channels: int, batch: int = 3, seed: int = 0, size=(9, 8)) -> torch.Tensor:
    return torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def quantised(shape, options, seed: int = 1, **fields) -> QuantConv2d:
    torch.manual_seed(seed)
    module = QuantConv2d(*shape, **options, **fields)
    calibrate(module, lambda: module(images(shape[0])))
    return module


@pytest.mark.parametrize(("shape", "options"), SHAPES, ids=str)
@pytest.mark.parametrize("fast", [False, True])
def test_in_float_it_is_conv2d(shape, options, fast):
    torch.manual_seed(0)
    theirs = nn.Conv2d(*shape, **options).double()
    ours = QuantConv2d(*shape, **options, fast=fast, **FLOAT)
    ours.load_state_dict(theirs.state_dict())
    x = images(shape[0])
    found, expected = ours(x), theirs(x.double())
    assert found.shape == expected.shape
    assert torch.allclose(found.double(), expected, atol=1e-6)
    assert torch.allclose(ours(x[0]).double(), expected[0], atol=1e-6)
    assert torch.allclose(ours.double()(x.double()), expected, atol=1e-12)
    for module, values in ((ours, x.double()), (theirs, x.double())):
        module.zero_grad()
        module(values).square().sum().backward()
    rows = ours.cells.grad[: ours.inputs].T.reshape(theirs.weight.shape)
    assert torch.allclose(rows, theirs.weight.grad, atol=1e-10)
    if ours.config.bias_rows:
        assert torch.allclose(ours.cells.grad[-1], theirs.bias.grad, atol=1e-10)


@pytest.mark.parametrize(("shape", "options"), SHAPES, ids=str)
@pytest.mark.parametrize("bits", [(4, 4, 4), (1, 3, 2), (3, 2, 8)], ids=str)
def test_codes_are_those_of_its_definition(shape, options, bits):
    """Integers by four loops in Python over padded codes: no unfold, no matrix product."""
    module = quantised(shape, options, weight_bits=bits[0], dac_bits=bits[1], adc_bits=bits[2]).eval()
    x = images(shape[0], batch=2, seed=5)
    data, top = module.layer_data(), max(1, 2 ** (bits[1] - 1) - 1)
    values = x.double().numpy() / float(module.full_scale)
    codes = np.clip(np.floor(values * top + 0.5), -top, top).astype(int)
    mode = options.get("padding_mode", "zeros")
    left, right, above, below = module._sides
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    codes = np.pad(codes, ((0, 0), (0, 0), (above, below), (left, right)), mode=mode)
    kh, kw = module.kernel_size
    weights = data.weights[: module.inputs].reshape(shape[0], kh, kw, shape[1])
    bias = data.weights[module.inputs :].sum(0) * top
    out = module(x)
    assert module.patches(x).shape == (2, out.shape[2] * out.shape[3], module.inputs)
    for image, channel, down, across in np.ndindex(*out.shape):
        total = int(bias[channel])
        for c, i, j in product(range(shape[0]), range(kh), range(kw)):
            place = (
                down * module.stride[0] + i * module.dilation[0],
                across * module.stride[1] + j * module.dilation[1],
            )
            total += int(codes[image, c, *place]) * int(weights[c, i, j, channel])
        code = np.clip(
            (total * int(data.mult[0])) >> int(data.shift[0]), -(2 ** (bits[2] - 1)), 2 ** (bits[2] - 1) - 1
        )
        expected = (code + 0.5) * float(module.integers().step[0])
        assert float(out[image, channel, down, across]) == np.float32(expected)


@pytest.mark.parametrize(("shape", "options"), SHAPES, ids=str)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("redraw", [None, "per_batch", "per_sequence", "per_step"])
def test_without_patches_the_codes_are_the_same(shape, options, training, redraw):
    """oneDNN's direct convolution sums in another order; the sums are exact."""
    noise = Noise() if redraw is None else Noise(adc=0.3, dac=0.2, weight=0.1, redraw=redraw)
    outs, grads = [], []
    for fast in (True, False):
        module = quantised(shape, options, fast=fast).train(training)
        set_noise(module, train=noise, evaluate=noise, seed=3)
        out = module(images(shape[0], batch=4))
        outs.append(out)
        if training:
            out.square().sum().backward()
            grads.append(module.cells.grad)
    assert torch.equal(*outs)
    assert not training or torch.allclose(*grads, rtol=1e-4, atol=1e-4)


def test_the_direct_way_is_taken_where_sums_are_exact():
    def taken(*shape, noise=None, **fields) -> bool:
        module = QuantConv2d(*shape, **fields).eval()
        set_noise(module, evaluate=noise)
        return module._convolves(module.prepare(1))

    assert taken(3, 4, 3)
    assert taken(3, 4, 3, **FLOAT)
    assert not taken(3, 4, 3, fast=False)
    assert not taken(3, 4, 3, tile_rows=9)
    assert taken(3, 4, 3, noise=Noise(adc=1.0, dac=1.0, weight=0.1, redraw="per_step"))
    assert not taken(3, 4, 3, noise=Noise(weight=0.1))
    assert not taken(60, 4, 3, weight_bits=8, dac_bits=8, adc_bits=8)


def test_row_tiles_are_those_of_a_linear_layer():
    module = quantised((4, 3, 3), {"padding": 1}, tile_rows=10).eval()
    assert module.row_tiles == 4
    x = images(4)
    patches = functional.unfold(x, 3, padding=1).transpose(1, 2)
    linear = QuantLinear(36, 3, tile_rows=10).eval()
    linear.load_state_dict(module.state_dict())
    assert torch.equal(module(x), linear(patches).transpose(1, 2).unflatten(2, (9, 8)))
    untiled = quantised((4, 3, 3), {"padding": 1}).eval()
    assert not torch.equal(module(x), untiled(x))


def test_the_noiseless_array_gives_the_modules_codes():
    module = quantised((2, 6, 3), {"stride": 2, "padding": 1}).eval()
    network, x = export([module]), images(2, batch=5, seed=7)
    patches = module.patches(x)
    lengths = np.full(5, patches.shape[1])
    codes = forecast(network, patches, lengths, build_arrays(network))
    out = module(x)
    expected = torch.from_numpy(network.decode(codes)).transpose(1, 2).unflatten(2, out.shape[2:]).float()
    assert torch.equal(out, expected)
    assert len(np.unique(codes)) > 8
    heard = []
    with listening(module, [module], lambda *call: heard.append(call)):
        module(x)
    [(_, drive, trace)] = heard
    assert np.array_equal(drive.transpose(0, 1).numpy(), patches)
    assert np.array_equal(trace.adc.transpose(0, 1).numpy(), codes)
    noisy = forecast(network, patches, lengths, build_arrays(network, ArrayConfig(weight_noise=0.1), seed=1))
    assert 0.1 < (noisy != codes).mean() < 0.9


def test_integers_of_a_model_with_convolutions_are_the_references():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(36, 5)
    )
    model, report = convert(model)
    assert [kind for _, kind in report.converted] == ["Conv2d", "Conv2d", "Linear"]
    x = images(1, size=(9, 10))
    calibrate(model, lambda: model(x))
    found = verify_modules(model, x)
    assert found.agrees
    assert found.integers == 3 * (90 * 4 + 12 * 3 + 5)


def test_noise_of_sums_is_drawn_at_every_position():
    """Noise of 0 dB is as strong as the signal, and no two positions share it."""
    module = quantised((2, 6, 3), {}, **FLOAT).eval()
    x = images(2, batch=200)
    powers = signal_power(module, lambda: module(x))
    clean = module(x).detach()
    assert powers[module].sums == pytest.approx(float(clean.double().square().mean().sqrt()), rel=1e-6)
    set_noise(module, evaluate=noise_at_snr(powers, 0.0, site="sums"), seed=0)
    noise = (module(x).detach() - clean).double()
    assert 10 * np.log10(float(clean.square().mean() / noise.square().mean())) == pytest.approx(0.0, abs=0.1)
    flat = noise.flatten(2)
    assert abs(float((flat[..., 1:] * flat[..., :-1]).mean() / flat.square().mean())) < 0.02


def test_noise_of_rows_is_drawn_at_every_position():
    """Padded rows are driven, with code 0: they have noise, too."""
    module = quantised((2, 40, 3), {"padding": 1}, weight_bits=4, dac_bits=4, adc_bits=32, bias=False).eval()
    x = images(2, batch=50)
    clean = module(x).detach()
    set_noise(module, evaluate=Noise(dac=0.5), seed=0)
    noise = (module(x).detach() - clean).double()
    weights = module.weight.detach().double()
    alpha = float(module.alpha()) / 7
    codes = (weights / float(module.full_scale) / alpha).round() * alpha  # what the cells hold
    expected = float(codes.square().sum((1, 2, 3)).mean().sqrt()) * 0.5 / 7 * float(module.full_scale)
    assert float(noise.square().mean().sqrt()) == pytest.approx(expected, rel=0.05)
    corner, middle = noise[:, :, 0, 0].square().mean(), noise[:, :, 4, 4].square().mean()
    assert float(corner / middle) == pytest.approx(1.0, abs=0.15)


def test_lengths_of_sequences_say_nothing_of_positions():
    module = quantised((1, 2, 2), {}).eval()
    x = images(1, batch=4)
    whole = signal_power(module, lambda: module(x))
    assert signal_power(module, lambda: module(x), torch.tensor([1, 2, 3, 4])) == whole


def test_weights_of_a_sequence_are_an_images_own():
    module = quantised((2, 3, 3), {}, weight_bits=4, dac_bits=4, adc_bits=32).eval()
    set_noise(module, evaluate=Noise(weight=0.1, redraw="per_sequence"), seed=1)
    x = images(2, batch=1).expand(2, -1, -1, -1)
    out = module(x).detach()
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    constant = torch.full((1, 2, 9, 8), 0.5)
    out = module(constant)
    assert torch.equal(out, out[..., :1, :1].expand_as(out))  # one draw for all positions of an image


def test_state_dicts_go_both_ways():
    torch.manual_seed(0)
    theirs, ours = nn.Conv2d(3, 4, (2, 3)), QuantConv2d(3, 4, (2, 3), bias_rows=2)
    ours.load_state_dict(theirs.state_dict())
    back = nn.Conv2d(3, 4, (2, 3))
    back.load_state_dict({"weight": ours.weight, "bias": ours.bias})
    assert torch.allclose(back.weight, theirs.weight, atol=1e-7)
    assert torch.allclose(back.bias, theirs.bias, atol=1e-7)
    other = QuantConv2d(3, 4, (2, 3), bias_rows=2)
    other.load_state_dict(ours.state_dict())
    assert torch.equal(other.cells, ours.cells)
    assert torch.equal(copy.deepcopy(ours).weight, ours.weight)
    with pytest.raises(DesignError, match="^weight is computed from an array's cells"):
        nn.init.zeros_(ours.weight)


def test_convert_keeps_a_convolutions_options():
    theirs = nn.Conv2d(2, 4, (3, 1), 2, (1, 0), 2, padding_mode="replicate", bias=False).double().eval()
    ours, _ = convert(theirs, QuantConfig(**FLOAT))
    assert isinstance(ours, QuantConv2d)
    assert (ours.stride, ours.padding, ours.dilation) == ((2, 2), (1, 0), (2, 2))
    assert (ours.kernel_size, ours.padding_mode, ours.bias) == ((3, 1), "replicate", None)
    assert ours.cells.dtype == torch.float64
    assert not ours.training
    x = images(2).double()
    assert torch.allclose(ours(x), theirs(x), atol=1e-12)
    with pytest.warns(UserWarning, match="its groups have no array"):
        kept, _ = convert(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)))
    assert isinstance(kept[0], nn.Conv2d)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": 2}, "groups must be 1, as the rows of an array reach all of its columns, not 2"),
        ({"padding": "full"}, "padding must be one of valid, same, not 'full'"),
        ({"padding": -1}, "padding must be an integer from 0 to 65536, not -1"),
        ({"padding": "same", "stride": 2}, "padding can be 'same' only where the stride is 1, not (2, 2)"),
        ({"stride": 0}, "stride must be an integer from 1 to 65536, not 0"),
        ({"kernel_size": (1, 2, 3)}, "kernel size must be one integer or two, not (1, 2, 3)"),
        ({"padding_mode": "mirror"}, "padding mode must be one of zeros, reflect, replicate, circular, not 'mirror'"),
        ({"padding": 1, "dac_bits": 1}, "padding must be 0 where DACs have one bit, whose codes have no zero, not 1"),
        ({"in_channels": 0}, "input channels must be an integer from 1 to 1048576, not 0"),
        ({"depth": 1}, "a quantised layer has no option 'depth'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_an_array_cannot_do_is_refused(change, said):
    with pytest.raises(DesignError) as caught:
        QuantConv2d(**({"in_channels": 2, "out_channels": 3, "kernel_size": 3} | change))
    assert str(caught.value) == said


def test_images_must_fit():
    module = QuantConv2d(2, 3, 3)
    with pytest.raises(
        DesignError, match=r"^inputs must have shape \(batch, 2, height, width\), .*not \(1, 3, 9, 8\)$"
    ):
        module(images(3, batch=1))
    with pytest.raises(
        DesignError, match=r"^images with their padding must be as large as the kernel, but have \(2, 8\)$"
    ):
        module(images(2, size=(2, 8)))
    with pytest.raises(DesignError, match=r"^weight must have shape \(3, 2, 3, 3\), not \(3, 2, 2, 2\)$"):
        module.load_state_dict(nn.Conv2d(2, 3, 2).state_dict())
    with pytest.raises(DesignError, match=r"^stride of a QuantConv2d must stay \(1, 1\)"):
        module.stride = (2, 2)


def test_no_design_has_a_convolution():
    module, x = quantised((2, 3, 3), {}), images(2)
    said = r"is a convolution, which no design has: its array alone can be exported, as export\(\[layer\]\)"
    with pytest.raises(DesignError, match=f"^the model {said}"):
        export(module, x)
    with pytest.raises(DesignError, match=f"^layer '1' {said}"):
        export(nn.Sequential(nn.Identity(), module), x)
    assert export([module]).design.layers[0].inputs == 18

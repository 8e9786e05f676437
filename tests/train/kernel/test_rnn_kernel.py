"""The C++ kernel's simple recurrent layer is the eager path: the same noise, the same codes, gradients to rounding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.linear import FUNCTIONS
from ohmgate.train.layers.noise import REDRAWS, Noise
from ohmgate.train.layers.rnn import RnnArray
from tests.designs import seeds
from tests.train.kernel.passes import agreeing, equal_bits, passed, perhaps_shifted

needs_kernel = pytest.mark.skipif(kernel() is None, reason="no C++ compiler")
FLOATS = QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)


def random_pair(seed: int, tiled: bool = False):
    """The same random layer twice, with and without the kernel, and inputs (T, B, m) with an optional state.

    ``tiled``: cut into 2 to 16 row tiles.
    """
    rng = np.random.default_rng(seed)
    adc_bits = int(rng.choice([1, 2, 3, 4, 5, 6, 8] if tiled else [1, 2, 3, 4, 6, 8, FLOAT]))
    dac_bits = int(rng.choice([1, 2, 3, 4, 5, 6, 8, FLOAT]))
    config = QuantConfig(
        weight_bits=int(rng.choice([1, 2, 3, 4, 5, 6, 8, FLOAT])),
        dac_bits=FLOAT if adc_bits == FLOAT else dac_bits,  # float activations round alike only by chance
        adc_bits=adc_bits,
        bias_rows=int(rng.integers(0, 3)),
        adc_range=float(rng.choice([0.5, 1.0, 4.0])),
        learn_range=bool(rng.integers(0, 2)),
        input_drive=int(rng.choice([1, 3, 8])),
        quantiser=str(rng.choice(["absmax", "lsq", "pact"])),
        leak=float(rng.choice([0.0, 0.1, 1.0])),
    )
    if config.dac_bits != FLOAT:
        config = replace(config, input_dac_bits=int(rng.choice([0, 0, 1, 2, 4, 8])))
    inputs, hidden = int(rng.integers(1, 9)), int(rng.integers(1, 70))
    if tiled:
        rows = inputs + hidden + config.bias_rows
        config = replace(config, tile_rows=-(-rows // int(rng.integers(2, 17))))
        config = perhaps_shifted(config, inputs, rows, rng)
    redraw = str(rng.choice(REDRAWS))
    noise = Noise(
        adc=float(rng.choice([0, 0.3])), weight=float(rng.choice([0, 0.1])), redraw=redraw,
        dac=float(rng.choice([0, 0.2])), drop=0.0 if redraw == "per_step" else float(rng.choice([0, 0.1])),
    )  # fmt: skip
    torch.manual_seed(seed)
    function = str(rng.choice(list(FUNCTIONS)))
    layers = [RnnArray(inputs, hidden, config, fast, function=function) for fast in (True, False)]
    layers[1].load_state_dict(layers[0].state_dict())
    dropout = float(rng.choice([0, 0, 0.5, 0.3]))
    for layer in layers:
        layer.train_noise, layer.input_dropout = noise, dropout
    steps, batch = int(rng.integers(1, 12)), int(rng.integers(1, 21))
    x = torch.rand(steps, batch, inputs) * 2 - 1
    return layers, x, torch.rand(batch, hidden) * 2 - 1 if rng.random() < 0.5 else None


@needs_kernel
@settings(max_examples=40, deadline=None)
@given(seeds)
def test_codes_are_identical_and_gradients_agree(seed):
    agreeing(*random_pair(seed), seed)


@needs_kernel
@settings(max_examples=20, deadline=None)
@given(seeds)
def test_codes_of_row_tiles_are_identical_and_gradients_agree(seed):
    layers, x, state = random_pair(seed, tiled=True)
    assert layers[0].row_tiles > 1 or len(layers[0].cells) == 1
    agreeing(layers, x, state, seed)


@needs_kernel
@settings(max_examples=10, deadline=None)
@given(seeds)
def test_bits_do_not_depend_on_threads(seed):
    layers, x, state = random_pair(seed)
    equal_bits(layers[0], x, state, seed)


@needs_kernel
@pytest.mark.parametrize("noise", [
    Noise(),
    Noise(adc=0.3, weight=0.1),
    Noise(adc=0.3, weight=0.1, redraw="per_programming", dac=0.2, drop=0.1),
    Noise(weight=0.1, redraw="per_step"),
    Noise(weight=0.1, redraw="per_sequence"),
])  # fmt: skip
@pytest.mark.parametrize("fields", [{}, {"learn_range": True, "quantiser": "lsq"}, {"tile_rows": 40}])
def test_bits_do_not_depend_on_threads_where_there_is_work_for_all(noise, fields):
    """A batch of several shares, sums of many steps, widths that end within a panel."""
    torch.manual_seed(0)
    layer = RnnArray(50, 75, QuantConfig(**fields))
    layer.train_noise = noise
    equal_bits(layer, torch.rand(20, 29, 50) * 2 - 1, torch.rand(29, 75) * 2 - 1, 1)


@needs_kernel
@pytest.mark.parametrize("function", ["tanh", "relu"])
@pytest.mark.parametrize("with_state", [False, True])
def test_without_quantisers_it_is_pytorchs(function, with_state):
    """Outputs and gradients of the kernel's float32 loop."""
    torch.manual_seed(1)
    theirs, ours = nn.RNN(5, 40, nonlinearity=function), RnnArray(5, 40, FLOATS, function=function)
    with torch.no_grad():
        bias = theirs.bias_ih_l0 + theirs.bias_hh_l0
        ours.cells.copy_(torch.cat([theirs.weight_ih_l0.T, theirs.weight_hh_l0.T, bias[None]]))
    x, state = torch.rand(9, 4, 5) * 2 - 1, torch.rand(4, 40) * 2 - 1 if with_state else None
    (values, _), grads = passed(ours, x, state, 0)
    x, state = (None if each is None else each.clone().requires_grad_() for each in (x, state))
    expected, _ = theirs(x, None if state is None else state[None])
    weights = torch.linspace(-1, 1, expected.numel()).view_as(expected)
    (expected * (weights + weights.flip(0))).sum().backward()
    assert (values - expected).abs().max() < 1e-6
    weights = torch.cat([theirs.weight_ih_l0.grad.T, theirs.weight_hh_l0.grad.T, theirs.bias_ih_l0.grad[None]])
    for ours, theirs in zip(grads, [x.grad, *([] if state is None else [state.grad]), weights]):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


@needs_kernel
def test_training_runs_in_the_kernel_and_an_evaluation_does_not(monkeypatch):
    """Else the two paths would agree for a reason that is none."""
    called, built = [], kernel()

    class Told:
        def __getattr__(self, name):
            called.append(name)
            return getattr(built, name)

    monkeypatch.setattr(RnnArray, "_kernel", lambda self: Told() if self.fast else None)
    for fields, fast, expected in (
        ({}, True, {"rnn_forward", "rnn_backward"}),
        ({"input_drive": 3}, True, {"rnn_forward", "rnn_backward", "code_sums"}),
        ({}, False, set()),
    ):
        array = RnnArray(3, 4, QuantConfig(**fields), fast)
        called.clear()
        array(torch.rand(3, 2, 3))[0].sum().backward()
        assert {"rnn_forward", "rnn_backward", "code_sums"} & set(called) == expected
    array = RnnArray(3, 4, QuantConfig()).eval()
    called.clear()
    array(torch.rand(3, 2, 3))
    assert "rnn_forward" not in called


@needs_kernel
def test_the_kernel_refuses_what_it_would_read_wrongly():
    voltages, step, table = torch.ones(2, 1, 4), torch.ones(1), torch.ones(1, 16)
    form = [4, 4, 32, 24, 4, 3]
    for slopes, function, what in (
        (None, "tanh", "a slope for each entry"),
        (table[:, :8], "tanh", "a slope for each entry"),
        (table.double(), "tanh", "float32 on the CPU"),
        (table, "sine", "identity, relu or tanh"),
    ):
        with pytest.raises(RuntimeError, match=what):
            kernel().rnn_backward(
                voltages,
                torch.ones(4, 4),
                step,
                table,
                slopes,
                function,
                form,
                None,
                [],
                [],
                voltages,
                1.0,
                False,
                0.0,
            )
    gain = torch.ones(4)
    with pytest.raises(RuntimeError, match="a code for each row"):
        kernel().rnn_forward(
            voltages, torch.ones(2, 1, 3), gain, torch.ones(6, 4), step, table, "tanh", form, None, [], [], [0] * 3, 0.0,
            [0] * 3, None, None, True, gain, 8,
        )  # fmt: skip

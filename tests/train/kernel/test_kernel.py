"""The C++ kernel is the eager path: the same noise, the same codes, gradients equal to rounding."""

import os
import platform
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from scipy import stats

from ohmgate.model.layers import LSTM_OUTPUTS
from ohmgate.train.kernel import build as kernels
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.gaussian import normals, stream_key
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.noise import REDRAWS, Noise
from tests.designs import seeds
from tests.train.kernel.passes import agreeing, equal_bits, perhaps_shifted

needs_kernel = pytest.mark.skipif(kernel() is None, reason="no C++ compiler")


def random_pair(seed: int, tiled: bool = False):
    """The same random layer twice, with and without the kernel, and inputs (T, B, m) with an optional state.

    ``tiled``: cut into 2 to 16 row tiles.
    """
    rng = np.random.default_rng(seed)
    fraction = int(rng.integers(4, 25))
    adc_bits = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 32]))
    dac_bits = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 32]))
    config = QuantConfig(
        weight_bits=int(rng.choice([1, 2, 3, 4, 5, 6, 8, 32])),
        dac_bits=32 if adc_bits == 32 else dac_bits,  # float activations round alike only by chance
        adc_bits=adc_bits,
        bias_rows=int(rng.integers(0, 3)),
        adc_range=float(rng.choice([1.0, 2.5, 4.0])),
        learn_range=bool(rng.integers(0, 2)),
        per_gate=bool(rng.integers(0, 2)),
        cell_bits=int(rng.integers(fraction + 1, 33)),
        cell_fraction=fraction,
        tanh_fraction=min(int(rng.integers(3, 7)), fraction),
        output=str(rng.choice(LSTM_OUTPUTS)),
        input_drive=int(rng.choice([1, 3, 8])),
        quantiser=str(rng.choice(["absmax", "lsq", "pact"])),
        learn_tables=adc_bits != 32 and bool(rng.integers(0, 2)),
        forget_ceiling=adc_bits != 32 and bool(rng.integers(0, 2)),
        leak=float(rng.choice([0.0, 0.1, 1.0])),
    )
    if config.dac_bits != 32:
        config = replace(config, input_dac_bits=int(rng.choice([0, 0, 1, 2, 4, 8])))
    inputs, hidden = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    if tiled:  # of as few as one row; a converter without codes has none
        rows = inputs + hidden + config.bias_rows
        config = replace(config, tile_rows=-(-rows // int(rng.integers(2, 17))), adc_bits=min(config.adc_bits, 8))
        config = perhaps_shifted(config, inputs, rows, rng)
    torch.manual_seed(seed)
    redraw = str(rng.choice(REDRAWS))
    noise = Noise(
        adc=float(rng.choice([0, 0.3])), weight=float(rng.choice([0, 0.1])), redraw=redraw,
        dac=float(rng.choice([0, 0.2])), drop=0.0 if redraw == "per_step" else float(rng.choice([0, 0.1])),
    )  # fmt: skip
    layers = [LstmArray(inputs, hidden, config, fast) for fast in (True, False)]
    if config.learn_tables:
        torch.nn.init.normal_(layers[0].table_shift, std=0.5)
    layers[1].load_state_dict(layers[0].state_dict())
    dropout = float(rng.choice([0, 0, 0.5, 0.3, 0.75]))
    for layer in layers:
        layer.train_noise = noise
        layer.input_dropout = dropout
        layer.source.seed(seed)
    steps, batch = int(rng.integers(1, 12)), int(rng.integers(1, 21))
    layout = [int(axis) for axis in rng.permutation(3)]  # of the memory: any
    x = torch.rand([(steps, batch, inputs)[axis] for axis in layout]).permute(*np.argsort(layout).tolist()) * 2 - 1
    state = (torch.rand(batch, hidden) * 2 - 1, torch.randn(batch, hidden)) if rng.random() < 0.5 else None
    return layers, x, state


@needs_kernel
@settings(max_examples=50, deadline=None)
@given(seeds)
@example(432)  # a voltage of noise that is a rounding away from another code
def test_codes_are_identical_and_gradients_agree(seed):
    agreeing(*random_pair(seed), seed)


@needs_kernel
@settings(max_examples=40, deadline=None)
@given(seeds)
def test_codes_of_row_tiles_are_identical_and_gradients_agree(seed):
    layers, x, state = random_pair(seed, tiled=True)
    assert layers[0].row_tiles > 1
    agreeing(layers, x, state, seed)


@needs_kernel
@settings(max_examples=30, deadline=None)
@given(seeds)
def test_bits_do_not_depend_on_threads(seed):
    """Forward and gradients, of random formats with every noise."""
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
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"learn_range": True, "quantiser": "lsq"},
        {"learn_tables": True},
        {"adc_bits": 32, "dac_bits": 32},
        {"tile_rows": 40, "learn_range": True},
    ],
)
def test_bits_do_not_depend_on_threads_where_there_is_work_for_all(noise, fields):
    """A batch of several shares, sums of many steps, widths that end within a panel."""
    torch.manual_seed(0)
    layer = LstmArray(50, 75, QuantConfig(**fields))
    layer.train_noise = noise
    x, state = torch.rand(20, 29, 50) * 2 - 1, (torch.rand(29, 75) * 2 - 1, torch.randn(29, 75))
    equal_bits(layer, x, state, 1)


@needs_kernel
@given(seeds)
@pytest.mark.parametrize("bits", [8, 16])
def test_sums_of_codes_are_those_of_integers(bits, seed):
    rng = np.random.default_rng(seed)
    rows, depth, width = (int(v) for v in rng.integers(1, (40, 70, 140)))
    top, weight_top = (127, 127) if bits == 8 else ((7, 2**15 - 1), (2**15 - 1, 7))[seed % 2]
    low, high = ((-top, top), (top, top), (-top, -top), (-1, 1))[seed % 4]
    codes = rng.integers(low, high, (rows, depth), endpoint=True)
    weights = rng.integers(-weight_top, weight_top, (depth, width), endpoint=True)
    gain = 2.0 ** rng.integers(-8, 1, width) * (rng.integers(1, 4, width) if bits == 8 else 1)
    bias = rng.integers(-9, 10, width) * gain
    given_numbers = (torch.tensor(a, dtype=torch.float32) for a in (codes, weights * gain, gain, bias))
    assert np.array_equal(kernel().code_sums(*given_numbers, bits).numpy(), codes @ weights * gain + bias)


def layer_of(weight_bits: int, dac_bits: int, dropout: float = 0.0, **fields) -> LstmArray:
    layer = LstmArray(8, 8, QuantConfig(weight_bits=weight_bits, dac_bits=dac_bits, **fields))
    layer.input_dropout = dropout
    return layer


def test_bytes_serve_where_codes_and_sums_are_whole_and_fit():
    assert layer_of(4, 4).bytes_hold(4)
    assert [layer_of(2, 7).bytes_hold(7, factor) for factor in (1, 2, 1.25, 4)] == [True, True, False, False]
    assert [layer_of(1, 8).bytes_hold(8, factor) for factor in (1, 2)] == [True, False]
    assert [layer_of(1, bits).bytes_hold(bits) for bits in (8, 9)] == [True, False]
    assert [layer_of(bits, 1).bytes_hold(1) for bits in (8, 9)] == [True, False]
    assert [layer_of(6, 6, input_drive=drive).bytes_hold(6) for drive in (1, 8)] == [True, False]  # sums
    assert [layer_of(6, 6, bias_rows=4).bytes_hold(6, factor) for factor in (1, 4)] == [True, False]  # sums
    own = layer_of(2, 4, input_dac_bits=8)
    assert [own.bytes_hold(bits, factor) for bits, factor in ((8, 1), (8, 2), (4, 1), (4, 19))] == [True, False] * 2
    assert [layer_of(4, 2, input_dac_bits=bits).bytes_hold(2) for bits in (8, 10, 11)] == [True, True, False]  # sums
    for fields in ({"weight_bits": 32}, {"dac_bits": 32}, {"adc_bits": 32}):
        assert not layer_of(**{"weight_bits": 4, "dac_bits": 4} | fields).bytes_hold(4)
    noisy = layer_of(4, 4)
    for noise, holds in (
        (Noise(weight=0.1), False),
        (Noise(weight=0.1, redraw="per_step"), True),
        (Noise(drop=0.1), False),
    ):
        noisy.train_noise = noise
        assert noisy.bytes_hold(4) is holds


@needs_kernel
@pytest.mark.parametrize("dac_bits, dropout", [(6, 0.75), (7, 0.5), (7, 0.75), (8, 0.5)])
def test_largest_codes_of_what_dropout_leaves(dac_bits, dropout):
    """At the end of a byte and beyond it."""
    layers = [layer_of(1, dac_bits, dropout) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    layers[1].fast = False
    results = []
    for layer in layers:
        torch.manual_seed(0)
        results.append(layer(torch.ones(3, 2, 8))[2])
    assert torch.equal(*results)


@needs_kernel
def test_the_kernel_refuses_what_it_would_read_wrongly():
    whole = torch.ones(4, 6)
    for codes, matrix, gain, bias, what in (
        (whole.T.contiguous().T, whole[:, :4].T, torch.ones(4), torch.ones(4), "float32 on the CPU"),
        (whole.double(), whole[:, :4].T, torch.ones(4), torch.ones(4), "float32 on the CPU"),
        (whole, whole, torch.ones(6), torch.ones(6), "a code for each row"),
        (whole, whole.T, torch.ones(3), torch.ones(4), "a gain for each column"),
        (whole, whole.T, torch.ones(4), torch.ones(3), "a bias for each column"),
        (whole, whole.T[None], torch.ones(4), torch.ones(4), "a gain for each column"),
    ):
        with pytest.raises(RuntimeError, match=what):
            kernel().code_sums(codes, matrix, gain, bias, 8)
    steps, cells, entries = torch.ones(2, 1, 4), torch.ones(2, 1, 1), torch.ones(4, 16)
    for slopes, learned, what in (
        (entries.double(), False, "float32 on the CPU"),
        (None, True, "slopes for learned tables"),
    ):
        with pytest.raises(RuntimeError, match=what):
            kernel().lstm_backward(
                steps, steps[0, :1], torch.ones(4), entries, slopes, torch.ones(16), [4, 4, 32, 24, 4, 3], None, None, [], [],
                cells, None, cells, None, 1.0, False, learned, 0.0,
            )  # fmt: skip


BUILT_FOR = """
import sys, pytest
from ohmgate.train.kernel import build as kernels
kernels.FLAGS = tuple("-march=" + sys.argv[1] if flag.startswith("-march=") else flag for flag in kernels.FLAGS)
sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[2:], "-k", "identical or sums or noise"]))
"""


@needs_kernel
@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="for processors of x86-64")
@pytest.mark.parametrize("march", ["x86-64-v2", "skylake-avx512"])
def test_kernels_of_lesser_processors_do_the_same(march, tmp_path):
    """Without VNNI, and without AVX-512: paths that a processor with both never takes."""
    if march == "skylake-avx512" and "avx512f" not in kernels._instruction_set().split():
        pytest.skip("this processor has no AVX-512")
    files = [__file__, str(Path(__file__).with_name("test_rnn_kernel.py"))]
    child = subprocess.run(
        [sys.executable, "-c", BUILT_FOR, march, *files], capture_output=True, text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)}, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert child.returncode == 0, child.stdout
    assert "skipped" not in child.stdout


@needs_kernel
def test_noise_of_the_kernel_is_the_python_noise_to_the_bit():
    for index, size in enumerate((1, 31, 32, 33, 5000)):
        key = stream_key(7, index)
        assert torch.equal(normals(key, 3, size, kernel()), normals(key, 3, size))


@needs_kernel
def test_noise_is_standard_normal_and_independent():
    sample = normals(stream_key(1, 1), 4, 250_000, kernel()).double().numpy()
    assert stats.kstest(sample.ravel(), "norm").pvalue > 0.001
    assert stats.kstest(np.abs(sample).ravel() ** 2, "chi2", args=(1,)).pvalue > 0.001
    for lag in (1, 2, 16, 32):
        assert abs(np.mean(sample[:, lag:] * sample[:, :-lag])) < 4 / 1000
    for other in (stream_key(1, 2), stream_key(2, 1)):
        assert abs(np.mean(sample * normals(other, 4, 250_000, kernel()).double().numpy())) < 4 / 1000
    assert abs(np.mean(sample[0] * sample[1])) < 4 / 500


def test_keys_differ_by_seed_and_draw():
    keys = {tuple(stream_key(seed, index)) for seed in range(50) for index in range(50)}
    assert len(keys) == 2500


def test_without_a_compiler_the_eager_path_serves(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(kernels.shutil, "which", lambda name: None)
    kernels.kernel.cache_clear()
    try:
        with pytest.warns(
            UserWarning, match=r"several times slower: no C\+\+ compiler \(g\+\+ or clang\+\+\) was found$"
        ):
            assert kernel() is None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer = LstmArray(2, 3, QuantConfig())
            assert layer(torch.zeros(2, 1, 2))[0].shape == (2, 1, 3)
    finally:
        kernels.kernel.cache_clear()


@pytest.mark.parametrize(
    "script, reason",
    [
        ("kill -9 $$", r"compiler was ended by the signal SIGKILL, as the system does where memory runs out"),
        ("echo 'x.cpp:1: error: no'; exit 1", r"x\.cpp:1: error: no"),
        ("exit 3", r"\S+/compiler ended with status 3"),
        (None, r"compiler cannot be started: No such file or directory"),
    ],
)
def test_a_compiler_that_fails_is_one_sentence_and_leaves_nothing(monkeypatch, tmp_path, script, reason):
    compiler = tmp_path / "compiler"
    if script is not None:
        compiler.write_text(f"#!/bin/sh\n{script}\n")
        compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(compiler))
    kernels.kernel.cache_clear()
    try:
        with pytest.warns(
            UserWarning, match=f"^training runs without its C\\+\\+ kernel, several times slower: {reason}$"
        ):
            assert kernel() is None
    finally:
        kernels.kernel.cache_clear()
    assert {path.suffix for path in (tmp_path / "cache" / "ohmgate").iterdir()} <= {".lock"}

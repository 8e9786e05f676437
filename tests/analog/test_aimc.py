"""The preset aimc: weights at four times against integrals of the closed formulas, and noise against its published size."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import preset
from ohmgate.model.layers import DenseLayer

TIMES = {"second": 1.0, "hour": 3600.0, "day": 86400.0, "year": 365.25 * 86400.0}
G_MAX, T0, T_READ, SLOW = 25e-6, 20.0, 250e-9, 100.0
STEP = 1e-3  #: s of a time step, so that noise between 100 Hz and 1 kHz lasts for a sequence
NODES, MASS = np.polynomial.hermite_e.hermegauss(120)
MASS = MASS / MASS.sum()


def cell(target, seconds):
    """Mean and variance of g = G / g_max of a cell programmed to ``target``, as held when a chip is read; and the mean of
    (q g)^2, which the noise of reads is a multiple of: by the formulas, integrated over all three normal deviates."""
    sigma = (0.26348 + 1.965 * target - 1.1731 * target**2) / 25
    z = np.linspace(-7, 7, 4001)
    density = np.exp(-(z**2) / 2)
    g = np.maximum(target + sigma * z, 0.0)
    log = np.log(np.maximum(g, 1e-6))
    mean = np.clip(-0.0155 * log + 0.0244, 0.049, 0.1)
    spread = np.clip(-0.0125 * log - 0.0059, 0.008, 0.045)
    exponent = np.abs(mean[:, None] + spread[:, None] * NODES)
    drifted = g[:, None] * max(seconds / T0, 1.0) ** -exponent
    q = np.minimum(0.0088 / np.maximum(g, 1e-6) ** 0.65, 0.2)
    held = q * math.sqrt(math.log(SLOW * (seconds + T_READ)))
    factor = np.maximum(1 + held[:, None] * NODES, 0.0)  # of noise too slow to move while the chip is read
    weight = density / density.sum()
    first = weight @ ((drifted @ MASS) * (factor @ MASS))
    second = weight @ ((drifted**2 @ MASS) * (factor**2 @ MASS))
    return first, second - first**2, weight @ (q**2 * (drifted**2 @ MASS) * (factor**2 @ MASS))


@pytest.mark.parametrize("when", TIMES)
def test_weights_have_the_means_and_deviations_of_the_formulas(when):
    """Weights of 0, 20, 60 and 127 of 127 as 20,000 pairs each, within 4.5 standard errors and 0.1 %."""
    seconds, count = TIMES[when], 20000
    config = preset("aimc")
    config = replace(config, cells=replace(config.cells, seconds=seconds, step_seconds=STEP))
    layer = DenseLayer(inputs=199, outputs=400, adcs=400, weight_bits=8, dac_bits=8, adc_bits=8)
    codes = np.repeat([0, -20, 60, 127], 50)[:, None].repeat(400, axis=1)
    array = Array(layer, config, seed=5)
    array.program(codes)
    held, fresh = array.effective() / 127, array.fresh_variance()[2] / 127**2
    lasting = array.cell_array.lasting
    zero = cell(0.0, seconds)
    for code in (0, -20, 60, 127):
        one, other = cell(abs(code) / 127, seconds), zero
        mean, variance = math.copysign(one[0] - other[0], code), one[1] + other[1]
        found = held[codes == code]
        assert found.mean() == pytest.approx(mean, abs=4.5 * math.sqrt(variance / count))
        kurtosis = ((found - found.mean()) ** 4).mean() / found.var() ** 2
        assert found.var() == pytest.approx(variance, rel=4.5 * math.sqrt((kurtosis - 1) / count) + 1e-3)
        squares, log = one[2] + other[2], math.log(1 / (2 * T_READ) * STEP)
        assert fresh[codes == code].mean() == pytest.approx(squares * log + (2 * 0.00875) ** 2, rel=0.01)
    assert lasting == pytest.approx(math.log(1 / STEP / SLOW))
    parts = math.log(SLOW * (seconds + T_READ)) + lasting + math.log(STEP / (2 * T_READ))
    assert parts == pytest.approx(math.log((seconds + T_READ) / (2 * T_READ)))


def test_the_formulas_say_what_time_does():
    """A weight at full scale keeps 0.78 of itself over an hour and 0.50 over a year: the oracle by hand.

    There mu is 0.049 and s 0.008, so the mean is that of a lognormal number.
    """
    logs = [math.log(max(seconds / T0, 1.0)) for seconds in TIMES.values()]
    kept = [cell(1.0, seconds)[0] for seconds in TIMES.values()]
    assert kept == pytest.approx([math.exp(-0.049 * log + (0.008 * log) ** 2 / 2) for log in logs], rel=1e-4)
    assert kept == pytest.approx([1.0, 0.776, 0.665, 0.500], abs=1e-3)


def noise_of(codes, seconds=0.0, **fields):
    """Deviation in LSB of sums that noise alone makes, all rows at full scale."""
    config = replace(preset("aimc"), gains="as_trained", **fields)
    layer = DenseLayer(inputs=63, outputs=400, adcs=400, weight_bits=8, dac_bits=8, adc_bits=8)
    array = Array(layer, config, seed=1)
    array.program(np.broadcast_to(codes, (64, 400)))
    array.set_gain(0, 254, 15)
    drive = np.full((500, 64), 127)
    return float((array.analog(drive) - drive @ array.effective() * array.scale).std())


def test_noise_of_weights_and_outputs_has_the_published_size():
    """0.04 where an input and a weight at full scale make 1, of a step of 20 / 254; 0.0175 for each weight.

    A sum's unit is 127 * 127 of codes, so a step of 20 / 254 of it is a gain of 254 / 20 / 127^2.
    """
    bare = replace(preset("aimc"), cells=None)
    gain = 254 / 2**15
    fields = {"cells": None, "weight_noise": 0.0}
    assert noise_of(5, **fields) == pytest.approx(0.04 / (20 / 254), rel=0.01)
    fields = {"cells": None, "adc_noise": "none", "adc_sigma": 0.0}
    assert noise_of(5, **fields) / gain == pytest.approx(0.0175 * 127 * 127 * math.sqrt(64), rel=0.01)
    assert (bare.weight_noise, bare.adc_sigma) == (0.00875, pytest.approx(0.508))


def test_one_gain_for_the_array_makes_good_for_drift():
    """Of 8-bit weights a year old; what is left is their own spread. The register rounds to one part in 256."""
    from ohmgate.analog.inference import build_arrays
    from ohmgate.model.design import Design
    from tests.designs import random_network

    layer = DenseLayer(inputs=99, outputs=40, adcs=40, weight_bits=8, dac_bits=8, adc_bits=8, output="codes")
    network = random_network(Design("d", (layer,)), np.random.default_rng(0))
    config = replace(preset("aimc"), cells=replace(preset("aimc").cells, seconds=TIMES["year"]))
    [old] = build_arrays(network, replace(config, gains="as_trained"), 3)
    [anew] = build_arrays(network, config, 3)
    wanted = (old.levels * old.effective()).sum() / (old.levels**2).sum()
    assert wanted == pytest.approx(0.5, abs=0.05)
    assert (old.scale / anew.scale) == pytest.approx(np.full(40, wanted), rel=1 / 256)


def test_tiles_of_512_rows_have_cells_and_converters_of_their_own():
    from ohmgate.analog.tiled_array import make_array

    layer = DenseLayer(
        inputs=600, outputs=8, adcs=8, weight_bits=8, dac_bits=8, adc_bits=8, tile_rows=512, output="codes"
    )
    array = make_array(layer, preset("aimc"), 2)
    assert [tile.layer.rows for tile in array.tiles] == [301, 300]
    array.program(np.full((601, 8), 64))
    assert np.abs(array.tiles[0].effective()[:300] - array.tiles[1].effective()).min() > 0

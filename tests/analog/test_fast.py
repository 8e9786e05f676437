"""Fast reads against the array model: the same integers without noise, the same law with it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ohmgate.analog import fast, inference
from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.fast import NORMALS, FastReader, Normals, quantile_table
from ohmgate.analog.fast_network import FastNetwork, why_not_network
from ohmgate.analog.memory.cells import Cells
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import logical_order
from tests.designs import perhaps_simple, random_design, random_inputs, random_network, seeds

LAYER = LstmLayer(inputs=32, hidden=32, adcs=16)
LEVELS = np.random.default_rng(0).integers(-7, 8, (65, 128))
DRIVE = np.random.default_rng(1).integers(-7, 8, (700, 65))
SAMPLES = 100_000


def array(config=None, layer=LAYER, levels=LEVELS, gains=((12, 9),) * 4):
    made = Array(layer, config, 3)
    made.program(levels)
    for gate in range(layer.gates):
        made.set_gain(gate, *gains[gate])
    return made


@settings(max_examples=40, deadline=None)
@given(seed=seeds, kind=st.sampled_from(NORMALS))
def test_codes_without_noise_are_the_arrays(seed, kind):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng, layers=1, max_bits=12), rng)
    made = inference.build_arrays(network)[0]
    layer = made.layer
    bits = np.full(layer.rows, layer.dac_bits)
    bits[: layer.inputs] = getattr(layer, "input_dac_bits", 0) or layer.dac_bits
    top = np.maximum(2 ** (bits - 1) - 1, 1)
    drive = rng.integers(-top, top, (300, layer.rows), endpoint=True)
    assert np.array_equal(FastReader(made, kind).read(drive), made.convert_all(drive)[:, logical_order(layer)])


def test_a_wide_design_takes_float64():
    layer = DenseLayer(inputs=1023, outputs=8, adcs=4, dac_bits=8, weight_bits=8, adc_bits=8)
    rng = np.random.default_rng(0)
    made = array(layer=layer, levels=rng.integers(-127, 128, (1024, 8)), gains=((255, 22),))
    reader = FastReader(made)
    drive = rng.integers(-127, 128, (50, 1024))
    assert reader.dtype is np.float64
    assert FastReader(array()).dtype is np.float32
    assert np.array_equal(reader.read(drive), made.convert_all(drive)[:, logical_order(layer)])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, output=st.sampled_from(["argmax", "codes"]), emit=st.sampled_from(["step", "end"]))
def test_networks_without_noise_are_the_references(seed, output, emit):
    rng = np.random.default_rng(seed)
    cell_bits = int(rng.integers(4, 33))
    fraction = int(rng.integers(0, cell_bits))
    cell = {"cell_bits": cell_bits, "cell_fraction": fraction, "tanh_fraction": int(rng.integers(0, fraction + 1))}
    *body, _ = random_design(rng, layers=3, tanh_bits=int(rng.integers(1, 11)), **cell).layers
    last = body[-1]
    head = DenseLayer(inputs=last.outputs, outputs=5, adcs=5, dac_bits=last.output_bits, output=output, emit=emit)
    network = random_network(perhaps_simple(Design("random", (*body, head)), rng), rng)
    arrays = inference.build_arrays(network)
    codes, lengths = random_inputs(network.design, rng, batch=300, steps=6)
    assert why_not_network(network, arrays) == ""
    expected = inference.classify(network, codes, lengths, arrays)
    assert np.array_equal(FastNetwork(network, arrays).classify(codes, lengths), expected)


@pytest.mark.parametrize("inputs, expected, share", [(31, np.float32, 0.03), (600, np.float64, 0.0)])
def test_noisy_weights_take_float64_where_24_bits_are_few(inputs, expected, share):
    """2 rows L wmax is below 2^15 or above 2^17: weights are rounded to 1/256 of a code, or not at all."""
    layer = LstmLayer(inputs=inputs, hidden=32, adcs=16, dac_bits=8, weight_bits=2, adc_bits=8)
    rng = np.random.default_rng(0)
    levels = rng.integers(-1, 2, (layer.rows, layer.columns))
    made = array(ArrayConfig(weight_noise=0.05), layer, levels, ((1, 5),) * 4)
    reader, drive = FastReader(made), rng.integers(-127, 128, (50, layer.rows))
    assert reader.dtype is expected
    wrong = reader.read(drive) != made.convert_all(drive)[:, logical_order(layer)]
    assert wrong.mean() <= share
    order = logical_order(layer)
    rounding = np.abs(reader._weights - made.effective()[:, order]).max()
    assert rounding <= (2**-9 if share else 0.0)


@pytest.mark.parametrize("kind", NORMALS)
def test_a_chip_is_the_same_chip(kind):
    """Noise per programming: the array's own weights, rounded to 1/1024 of a level or finer."""
    made = array(ArrayConfig(weight_noise=0.1))
    codes = FastReader(made, kind).read(DRIVE)
    expected = made.convert_all(DRIVE)[:, logical_order(LAYER)]
    assert (codes != expected).mean() < 1e-3


def test_the_quantile_table_is_a_normal_distribution():
    table = quantile_table().astype(np.float64)
    assert table.var() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(table, -table[::-1])
    assert table[-1] == pytest.approx(4.32, abs=0.02)
    assert stats.kstest(table, stats.norm.cdf).statistic < 1e-4
    assert (table**4).mean() == pytest.approx(3, abs=0.01)


def test_pairs_are_all_quantiles_once_and_their_codes_independent():
    """Exactly, over all 65,536 pairs: codes of 4 bits, about a level anywhere, by the law of two normal numbers."""
    stream = Normals("pairs", np.random.SeedSequence(5))
    both = stream._table.view(np.float32).reshape(-1, 2)
    assert np.array_equal(np.sort(both[:, 0]), quantile_table())
    assert np.array_equal(np.sort(both[:, 1]), quantile_table())
    rng, largest = np.random.default_rng(0), 0.0
    for _ in range(20):
        levels, sigmas = rng.uniform(-8, 8, 2), rng.uniform(0.2, 3, 2)
        codes = np.clip(np.floor(levels + sigmas * both), -8, 7).astype(int) + 8
        found = np.bincount(codes @ [16, 1], minlength=256).reshape(16, 16) / 65536
        inner = stats.norm.cdf(np.arange(-7, 8)[:, None], levels, sigmas)
        single = np.diff(np.vstack([[0, 0], inner, [1, 1]]), axis=0)
        largest = max(largest, np.abs(found - np.outer(*single.T)).max())
        for column in range(2):
            assert np.abs(found.sum(axis=1 - column) - single[:, column]).max() < 4e-5
    assert largest < 5e-5


def test_odd_numbers_of_numbers_are_those_of_one_more():
    streams = [Normals("pairs", np.random.SeedSequence(5)) for _ in range(2)]
    odd, even = np.empty((3, 333), np.float32), np.empty(1000, np.float32)
    streams[0].fill(odd, sigma=2.0)
    streams[1].fill(even, sigma=2.0)
    assert np.array_equal(odd.ravel(), even[:999])


def test_neighbouring_columns_have_independent_noise():
    """Chi-square of the pairs of codes, 16 x 16, against the product of their laws."""
    levels = np.repeat(LEVELS[:, :1], 128, axis=1)
    made = array(ArrayConfig(weight_noise=0.1, redraw="per_step", adc_noise="paper"), levels=levels)
    codes = FastReader(made, "pairs", 3).read(np.tile(DRIVE[0], (5000, 1))).astype(int).reshape(-1, 2) + 8
    gain = 12 / 512
    level = DRIVE[0] @ LEVELS[:, 0] * gain
    sigma = np.sqrt((0.1 * 14 * gain) ** 2 * (DRIVE[0] ** 2).sum() + 1 / 12)
    inner = stats.norm.cdf(np.arange(-7, 8), level, sigma)
    single = np.diff(np.concatenate([[0.0], inner, [1.0]]))
    expected = np.outer(single, single) * len(codes)
    observed = np.bincount(codes @ [16, 1], minlength=256).reshape(16, 16)
    keep = expected > 5
    assert keep.sum() >= 9
    statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 0.001
    swapped = np.bincount(codes[:, [0, 0]] @ [16, 1], minlength=256).reshape(16, 16)  # a column beside itself
    assert ((swapped - expected)[keep] ** 2 / expected[keep]).sum() > 10 * statistic


@pytest.mark.parametrize("kind", NORMALS)
def test_normal_numbers_are_independent_and_normal(kind):
    stream = Normals(kind, np.random.SeedSequence(5))
    first, second, third = (np.empty((300, 500), np.float32) for _ in range(3))
    stream.fill(first)
    stream.fill(third, mean=-3.0)
    stream.fill(second, sigma=2.0, mean=5.0)
    assert stats.kstest(third.ravel(), stats.norm(-3, 1).cdf).pvalue > 0.001
    assert stats.kstest(first.ravel(), stats.norm.cdf).pvalue > 0.001
    assert stats.kstest(second.ravel(), stats.norm(5, 2).cdf).pvalue > 0.001
    for other in (second, np.roll(first, 1, axis=1), np.roll(first, 1, axis=0), np.roll(first, 4, axis=1)):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(first.size)
        assert abs(np.corrcoef(first.ravel() ** 2, other.ravel() ** 2)[0, 1]) < 4 / np.sqrt(first.size)


def p_of_codes(codes, level, sigma):
    """Chi-square p of 4-bit codes against a Gaussian of ``sigma`` about ``level``, rounded down and clipped."""
    inner = stats.norm.cdf(np.arange(-7, 8), level, sigma)
    expected = np.diff(np.concatenate([[0.0], inner, [1.0]])) * codes.size
    observed = np.bincount(codes.ravel() + 8, minlength=16)
    keep = expected > 5
    assert observed[~keep].sum() < 30
    statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
    return stats.chi2.sf(statistic, keep.sum() - 1)


@pytest.mark.parametrize("kind", NORMALS)
@pytest.mark.parametrize("gains", [((12, 9),) * 4, ((12, 9), (20, 9), (7, 9), (15, 9))])
@pytest.mark.parametrize("input_drive", [1, 3])
def test_noise_follows_the_law_of_the_array_model(kind, gains, input_drive):
    """Paper's ADC noise, alone and with weight noise fresh in every step, and the paper's cells."""
    repeats = SAMPLES // 32
    configs = {
        "adc": preset("paper_adc"),
        "step": ArrayConfig(weight_noise=0.1, redraw="per_step", adc_noise="paper"),
        "cells": ArrayConfig(adc_noise="paper", cells=preset("paper_cells").cells),
    }
    drive = np.tile(DRIVE[0], (repeats, 1))
    order = logical_order(LAYER)
    gains = tuple((mult, shift + 2 * (input_drive > 1)) for mult, shift in gains)
    for config in configs.values():
        made = array(config, replace(LAYER, input_drive=input_drive), np.repeat(LEVELS[:, :1], 128, axis=1), gains)
        constant, absolute, squared = (part[..., 0] for part in made.fresh_variance())
        rows = DRIVE[0] * np.where(np.arange(65) < 32, input_drive, 1)
        variance = constant + np.abs(rows) @ absolute + rows**2 @ squared
        quick, slow = FastReader(made, kind, 3 + input_drive).read(drive), made.convert_all(drive)[:, order]
        for gate, (mult, shift) in enumerate(gains):
            gain = mult / 2**shift
            level, sigma = rows @ LEVELS[:, 0] * gain, np.sqrt(variance * gain**2 + 1 / 12)
            columns = slice(gate * 32, gate * 32 + 32)
            assert p_of_codes(quick[:, columns], level, sigma) > 0.001
            assert p_of_codes(quick[:, columns], level, 1.05 * sigma) < 0.001
            assert p_of_codes(slow[:, columns], level, sigma) > 0.001


@pytest.mark.parametrize("bits, inputs, hidden, drive", [(4, 200, 380, 16), (6, 20, 100, 8), (5, 50, 200, 8)])
def test_noise_of_hidden_rows_is_there_beside_inputs_that_are_driven_harder(bits, inputs, hidden, drive):
    """Its variances are small beside those of the inputs, which here are 0."""
    layer = LstmLayer(
        inputs=inputs, hidden=hidden, adcs=4, dac_bits=bits, weight_bits=2, adc_bits=8, input_drive=drive
    )
    rng = np.random.default_rng(0)
    levels = rng.integers(-1, 2, (layer.rows, layer.columns))
    made = array(ArrayConfig(weight_noise=0.1, redraw="per_step"), layer, levels, ((1, 0),) * 4)
    codes = rng.integers(-1, 2, layer.rows)
    codes[:inputs] = 0
    sums = (codes @ levels)[logical_order(layer)]
    inside = np.abs(sums) < 60
    errors = (FastReader(made, "exact", 1).read(np.tile(codes, (200, 1))) + 0.5 - sums)[:, inside]
    expected = 0.2 * np.sqrt(np.count_nonzero(codes))
    assert np.sqrt(errors.var() - 1 / 12) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("bits, input_bits", [(4, 8), (8, 4), (3, 6)])
def test_variances_of_rows_with_other_dacs_are_there(bits, input_bits):
    """Those of the finer DACs, too, whose steps are small beside the others'."""
    layer = LstmLayer(inputs=3, hidden=3, adcs=12, dac_bits=bits, input_dac_bits=input_bits)
    made = array(ArrayConfig(weight_noise=0.1, redraw="per_step"), layer, np.ones((7, 12), int), ((1, 5),) * 4)
    drive = np.eye(7, dtype=np.float32)
    steps = np.repeat([2.0 ** max(bits - input_bits, 0), 2.0 ** max(input_bits - bits, 0)], [3, 4])
    expected = (1.4 * steps / 32) ** 2 + made.config.conversion_sigma**2
    assert FastReader(made)._spread(drive)[:, 0] ** 2 == pytest.approx(expected, rel=0.02)


def test_variances_do_not_depend_on_the_order_of_summation():
    """Nor are they rounded so much that it matters: no BLAS library and no machine changes a code."""
    gains = ((12, 9), (20, 9), (7, 9), (15, 9))
    made = array(preset("paper_cells"), gains=gains)
    reader, order = FastReader(made), np.random.default_rng(0).permutation(65)
    assert reader.dtype is np.float32
    drive = DRIVE[:256].astype(np.float32)
    variance = reader._spread(drive) ** 2
    exact = made.fresh_variance()
    expected = exact[0] + np.abs(drive) @ exact[1] + drive.astype(float) ** 2 @ exact[2]
    expected = expected[:, logical_order(LAYER)] * made.scale[logical_order(LAYER)] ** 2 + 1 / 12
    assert np.abs(variance / expected - 1).max() < 2e-3
    reader._squared, reader._absolute = reader._squared[order], reader._absolute[order]
    assert np.array_equal(reader._spread(np.ascontiguousarray(drive[:, order])) ** 2, variance)


@pytest.mark.parametrize("kind", NORMALS)
def test_the_same_seed_gives_the_same_codes(kind):
    made = array(preset("paper_adc"))
    codes = [FastReader(made, kind, seed).read(DRIVE) for seed in (1, 1, 2)]
    assert np.array_equal(codes[0], codes[1])
    assert (codes[0] != codes[2]).mean() > 0.1


def test_accuracy_has_the_distribution_of_the_array_models():
    """Two ways to draw chips and reads of one network: two samples of one law."""
    design = Design(
        "small", (LstmLayer(inputs=6, hidden=8, adcs=8), DenseLayer(inputs=8, outputs=4, adcs=4, output="argmax", emit="end"))
    )  # fmt: skip
    network = random_network(design, np.random.default_rng(1))
    codes, lengths = random_inputs(design, np.random.default_rng(2), 200, 8)
    labels = inference.classify(network, codes, lengths, inference.build_arrays(network))
    config = ArrayConfig(weight_noise=0.05, adc_noise="paper")
    slow = inference.accuracy_draws(network, codes, lengths, labels, config, 60, seed=1)
    quick = []
    for draw in range(60):
        arrays = inference.build_arrays(network, config, 1000 + draw)
        quick.append((FastNetwork(network, arrays, seed=draw).classify(codes, lengths) == labels).mean())
    assert 0.2 < slow.mean() < 0.9
    assert stats.ks_2samp(slow, quick).pvalue > 0.001


@pytest.mark.parametrize(
    "config, reason",
    [
        (ArrayConfig(weight_noise=0.1, redraw="per_sequence"), "noise that lasts from step to step"),
        (preset("pcm"), "errors of its converters"),
        (ArrayConfig(cells=preset("reram").cells), "noise that lasts from step to step"),
        (ArrayConfig(cells=Cells(device=preset("paper_cells").cells.device, scheme="offset")),
         "a reference column, whose noise its columns share"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_at_the_column_is_refused(config, reason):
    with pytest.raises(DesignError) as error:
        FastReader(array(config))
    assert str(error.value) == f"fast reads are not for an array with {reason}"


def test_other_errors_are_one_clear_sentence():
    with pytest.raises(DesignError) as error:
        Normals("fancy", np.random.SeedSequence(0))
    assert str(error.value) == "normal numbers must be one of table, pairs, exact, not 'fancy'"
    design = Design("wide", (LstmLayer(inputs=2, hidden=1, adcs=4, adc_bits=12), DenseLayer(
        inputs=1, outputs=2, adcs=1, output="argmax")))  # fmt: skip
    network = random_network(design, np.random.default_rng(0))
    with pytest.raises(DesignError) as error:
        FastNetwork(network, inference.build_arrays(network))
    assert str(error.value) == ("fast reads are not for a network with 12-bit ADCs and a tanh table of 8 bits")
    assert fast.BLOCK == 256


def test_layers_in_reverse_have_no_fast_reads():
    """Classes come of the slow ones, which know whole sequences."""
    lstm, head = LstmLayer(inputs=2, hidden=2, adcs=4), DenseLayer(inputs=4, outputs=2, adcs=2, output="codes")
    network = random_network(Design("both", (*both_directions(lstm, 5), head)), np.random.default_rng(0))
    assert why_not_network(network, inference.build_arrays(network)) == "layers in reverse"

"""Noise of reads: its times from the design, and what wires leave of it."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.wires import WireConfig, column_loss
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays
from ohmgate.analog.memory import devices, noise
from ohmgate.analog.memory.cells import Cells
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.analog.arrays import IDEAL, LAYER, programmed
from tests.designs import random_network


def test_the_bandwidth_follows_the_time_of_a_conversion():
    """1 / (2 t): 5 MHz for the paper's 100 ns, 80 MHz for 6.25 ns; a bandwidth that is named stays."""
    wide = {seconds: Cells(device=IDEAL, conversion_seconds=seconds) for seconds in (100e-9, 6.25e-9)}
    assert [cells.noise_bandwidth(LAYER) for cells in wide.values()] == pytest.approx([5e6, 80e6])
    squares = [programmed(IDEAL, thermal=True, conversion_seconds=seconds).fresh_variance()[0] for seconds in wide]
    assert squares[1] == pytest.approx(16 * squares[0])
    assert Cells(device=IDEAL, conversion_seconds=6.25e-9, bandwidth=1e6).noise_bandwidth(LAYER) == 1e6


def test_a_time_step_is_the_conversions_of_the_slowest_layer():
    """12 of 8 columns for 4 ADCs, then 3 of 2: both layers' noise advances by 12 conversions, or as it is told."""
    law = noise.Telegraph(amplitude=0.2, tau_high=30e-6, tau_low=60e-6, fraction=1.0)
    layers = (
        LstmLayer(inputs=3, hidden=12, adcs=4),
        DenseLayer(inputs=12, outputs=6, adcs=2, output="argmax", emit="end"),
    )
    network = random_network(Design("two", layers), np.random.default_rng(0))
    for named, expected in ((0.0, 12 * 0.5e-6), (2e-6, 2e-6)):
        cells = Cells(device=replace(IDEAL, telegraph=law), conversion_seconds=0.5e-6, step_seconds=named)
        array = build_arrays(network, ArrayConfig(cells=cells), 1)[1]
        drive = np.full((4000, array.layer.rows), 7)
        array.new_sequence(np.ones(len(drive), dtype=bool))
        first, second = (array.analog(drive) - drive @ array.effective() * array.scale for _ in range(2))
        seen = (first * second).mean() / (first**2).mean()
        assert seen == pytest.approx(np.exp(-(1 / 30e-6 + 1 / 60e-6) * expected), abs=0.02)


def through_wires(wires, cells, volts, sigma):
    """Deviation of each column's current by independent changes ``sigma`` of the cells, one solution for each."""
    base = ir_drop(cells, wires, volts).column_current
    squares = np.zeros(cells.shape[1])
    for at in np.ndindex(cells.shape):
        changed = cells.copy()
        changed[at] *= 1 + 1e-4
        squares += ((ir_drop(changed, wires, volts).column_current - base) / (1e-4 * cells[at]) * sigma[at]) ** 2
    return np.sqrt(squares)


@pytest.mark.parametrize("ohm, worst, most", [(32.0, 0.10, 0.03), (165.0, 0.38, 0.13)])
def test_wires_weaken_the_noise_of_cells(ohm, worst, most):
    """Of currents that wires take a tenth or 38 % of, noise is right within 3 and 13 %, never too small.

    Taken as if there were no wires, it would be up to 1.8 times too large.
    """
    layer = DenseLayer(inputs=13, outputs=18, adcs=18, bias_rows=1)
    wires = WireConfig(row_segment=ohm, column_segment=ohm)
    array = programmed(replace(IDEAL, levels=41, g_max=40e-6, read_sigma=0.1), layer, wires=wires)
    plane, sensed = array.conductances[0], array.cell_array.sensed(array.conductances)[0]
    assert column_loss(plane, sensed).max() == pytest.approx(worst, abs=0.02)
    drive = np.random.default_rng(5).integers(-7, 8, layer.rows)
    mapping = array.cell_array.mapping
    volts, code = mapping.volts(drive), mapping.unit_current
    expected = [through_wires(wires, g, volts, 0.1 * g) for g in array.conductances]
    found = np.sqrt(drive**2 @ array.fresh_variance()[2]) * code
    ratio = found / np.hypot(*expected)
    assert ratio.min() > 0.99
    assert ratio.max() < 1 + most
    plain = np.sqrt(drive**2 @ ((0.1 * array.conductances) ** 2).sum(axis=0)) * mapping.code_voltage
    assert (plain / np.hypot(*expected)).max() > 1 + 3 * most


def test_wires_weaken_noise_that_lasts_as_they_weaken_weights():
    """Two states of a trap in every cell, far apart in time: the sum's deviation is that of the sensed weights."""
    layer = DenseLayer(inputs=13, outputs=18, adcs=18, bias_rows=1)
    wires = WireConfig(row_segment=165.0, column_segment=165.0)
    trap, slow = (
        noise.Telegraph(amplitude=0.2, tau_high=1e-6, tau_low=1e-6),
        noise.Flicker(density=1e-3, low=1e4, high=1e6),
    )
    for name, law in (("telegraph", trap), ("flicker", slow)):
        array = programmed(replace(IDEAL, **{name: law}), layer, wires=wires, step_seconds=1.0)
        sensed = array.cell_array.sensed(array.conductances)
        drive = np.full((4000, layer.rows), 7)
        array.new_sequence(np.ones(len(drive), dtype=bool))
        seen = (array.analog(drive) - drive @ array.effective()).std(axis=0)
        expected = np.sqrt(law.variance * (drive[0] ** 2 @ (sensed**2).sum(axis=0))) / array.cell_array.mapping.unit
        assert seen == pytest.approx(expected, rel=0.06)


def readings(array, sequences, step):
    """Weights (codes) that a row at full scale reads, of (sequences, columns), in the step counted from 0."""
    drive = np.zeros((sequences, array.layer.rows), dtype=np.int64)
    drive[:, 0] = 7
    array.new_sequence(np.ones(sequences, dtype=bool))
    for _ in range(step):
        array.analog(drive)
    return array.analog(drive) / 7


@pytest.mark.parametrize("seconds", [1e-3, 60.0, 2.6e6, 3.15e7])
@pytest.mark.parametrize("level", [1, 7])
def test_read_noise_of_pcm_grows_with_time_as_published(seconds, level):
    """sigma_G = g_drift q sqrt(ln((t + t_read) / (2 t_read))), q of g as programmed: over cells and chips, within 4 %.

    What is slower than 100 Hz is a chip's, whose readings have it in common; the rest differs between sequences.
    """
    pcm = replace(devices.pcm(), program_sigma=(0.0,) * 3, drift_sigma=(0.0,) * 4, temperature_coefficient=0.0)
    g = level / 7
    mean = min(max(-0.0155 * np.log(g) + 0.0244, 0.049), 0.1)
    drifted = level * max(seconds / 20.0, 1.0) ** -mean
    q = min(0.0088 / g**0.65, 0.2)
    expected = drifted * q * np.sqrt(np.log((seconds + 250e-9) / 500e-9))
    held = drifted * q * np.sqrt(max(np.log((seconds + 250e-9) * 100.0), 0.0))
    layer = DenseLayer(inputs=3, outputs=2000, adcs=100, adc_bits=16)
    found = np.array(
        [
            readings(
                programmed(pcm, layer, chip, levels=np.full((4, 2000), level), seconds=seconds, step_seconds=1e-6),
                30,
                0,
            )
            for chip in range(3)
        ]
    )
    bias = 1 + (held / drifted) ** 2  # what is held scales the rest: second order
    assert found.std() == pytest.approx(expected * np.sqrt(bias), rel=0.04)
    assert found.mean() == pytest.approx(drifted, rel=0.01)
    rest = np.sqrt(expected**2 - held**2)
    assert found.std(axis=1).mean() == pytest.approx(rest, rel=0.05)
    assert found.mean(axis=1).std() == pytest.approx(np.sqrt(held**2 + rest**2 / 30), rel=0.05)


@pytest.mark.parametrize("seconds, step", [(60.0, 1.6e-6), (3.15e7, 0.8e-6)])
def test_little_of_the_read_noise_of_pcm_is_fresh_in_a_step(seconds, step):
    """What is faster than the steps: ln(2 MHz * 1.6 us) of ln(60 s / 500 ns), 6 %; 1 % after a year.

    The rest of what differs between sequences is the same in a sequence's next step.
    """
    pcm = replace(devices.pcm(), program_sigma=(0.0,) * 3, drift_sigma=(0.0,) * 4, temperature_coefficient=0.0)
    layer = DenseLayer(inputs=3, outputs=500, adcs=100, adc_bits=16)
    array = programmed(pcm, layer, 1, levels=np.full((4, 500), 7), seconds=seconds, step_seconds=step)
    drive = np.zeros((400, 4), dtype=np.int64)
    drive[:, 0] = 7
    array.new_sequence(np.ones(400, dtype=bool))
    first, second = (array.analog(drive) / 7 - array.effective()[0] for _ in range(2))
    fresh, lasting = np.log(2e6 * step), np.log(1e4 / (step * 1e6))
    assert (first * second).mean() / (first**2).mean() == pytest.approx(lasting / (fresh + lasting), abs=0.01)
    share = fresh / np.log(seconds / 500e-9)
    assert share == pytest.approx(0.0625 if seconds == 60 else 0.015, abs=0.001)
    array.new_sequence(np.ones(400, dtype=bool))
    third = array.analog(drive) / 7 - array.effective()[0]
    assert abs((first * third).mean() / (first**2).mean()) < 0.01, "another sequence has its own"


def test_a_reference_column_has_read_noise_that_its_columns_share():
    """Offset cells: the covariance of two columns is the variance of the reference's cell, of g = 1/2."""
    pcm = replace(devices.pcm(), program_sigma=(0.0,) * 3, drift_sigma=(0.0,) * 4, temperature_coefficient=0.0)
    layer = DenseLayer(inputs=3, outputs=200, adcs=100, adc_bits=16)
    levels = np.full((4, 200), 7)
    array = programmed(pcm, layer, 1, levels=levels, scheme="offset", seconds=60.0, step_seconds=0.5e-6)
    found = readings(array, 4000, 0) - array.effective()[0]
    lasting = np.log(1 / (100 * 0.5e-6))
    drifted = np.array([min(max(-0.0155 * np.log(g) + 0.0244, 0.049), 0.1) for g in (0.5, 1.0)])
    reference, cell = np.array([7.5, 15]) * 3.0**-drifted * 0.0088 / np.array([0.5, 1.0]) ** 0.65
    common = found.mean(axis=1).var() / lasting
    assert common == pytest.approx((reference * 14 / 15) ** 2, rel=0.15)
    assert found.var(axis=0).mean() / lasting == pytest.approx(
        (reference * 14 / 15) ** 2 + (cell * 14 / 15) ** 2, rel=0.1
    )


def test_read_noise_before_a_read_is_none_and_long_steps_make_all_of_it_fresh():
    pcm = devices.pcm()
    assert pcm.read_bands(250e-9, 1e-6) == (0.0, 0.0, 0.0)
    held, lasting, fresh = pcm.read_bands(60.0, 1.0)
    assert (held, lasting) == (pytest.approx(np.log(60)), 0.0)
    assert fresh == pytest.approx(np.log(2e6))
    assert pcm.read_bands(1e-3, 1e-7) == (0.0, pytest.approx(np.log(2e6 * 1e-3), rel=1e-3), 0.0)
    assert IDEAL.read_bands(60.0, 1e-6) == (0.0, 0.0, 1.0)

"""Noise of reads: its times from the design, and what wires leave of it."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.wires import WireConfig, column_loss
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays
from ohmgate.analog.memory import noise
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

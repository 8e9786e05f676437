"""Cells that take pulses one at a time: the law of a pulse by hand, stuck and worn cells, and arrays of them."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.memory import devices, writers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.programming import PulseModel, WriteVerify
from ohmgate.analog.memory.repair import Repair
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer

LAYER = DenseLayer(inputs=3, outputs=4, adcs=2, adc_bits=8, diagnostics=True, spares=1, programming="pulse")
DEVICE = devices.Device(name="x", g_min=1e-6, g_max=29e-6, levels=16, read_voltage=0.2)
EVEN = WriteVerify(pulse=PulseModel(device_sigma=0.0, cycle_sigma=0.0))
TOP = np.float64(29e-6)


def array_of(writer=EVEN, layer=LAYER, seed=2, device=DEVICE, **cells) -> Array:
    return Array(layer, ArrayConfig(cells=Cells(device=device, writer=writer, **cells)), seed)


def held(array: Array) -> np.ndarray:
    return array.cell_array.pulsed.conductances


def test_a_pulse_takes_its_share_of_the_way_to_an_end():
    array = array_of()
    array.pulse(1, 2, 0, True, True)  # both random until then
    g = held(array)[0, 1, 2]
    other = held(array)[1, 1, 2]
    assert 1e-6 < g < TOP
    for up, strong, share in ((True, True, 0.25), (True, False, 0.0125), (False, True, 0.25), (False, False, 0.0125)):
        array.pulse(1, 2, 0, up, strong)
        g += share * (TOP - g) if up else -share * (g - 1e-6)
        assert held(array)[0, 1, 2] == pytest.approx(g, rel=1e-12)
    assert held(array)[1, 1, 2] == other
    assert array.effective()[1, 2] == pytest.approx((g - other) / 4e-6, abs=1e-6)
    assert array.cell_array.pulsed.pulses[0, 1, 2] == 5
    assert array.cell_array.pulsed.pulses.sum() == 5


def test_energy_and_time_are_those_of_the_pulses():
    array, energy = array_of(), 0.0
    array.pulse(0, 0, 0, True, True)
    cells = array.cell_array.pulsed
    cells.energy = cells.seconds = 0.0
    for up, volts in ((True, 1.5), (False, 1.8)):
        energy += volts**2 * held(array)[0, 0, 0] * 100e-9
        array.pulse(0, 0, 0, up, False)
    assert cells.energy == pytest.approx(energy, rel=1e-12)
    assert cells.seconds == pytest.approx(200e-9)


def test_stuck_and_worn_cells_stay():
    array = array_of(stuck_on=0.3, stuck_off=0.3)
    stuck = array.cell_array.stuck
    assert set(stuck[:, :, :].reshape(-1)) == {-1, 0, 1}
    for at in np.argwhere(stuck != 0).tolist():
        for up in (True, False):
            array.pulse(at[1], at[2], at[0], up, True)
        assert array.conductances[tuple(at)] == (29e-6 if stuck[tuple(at)] > 0 else 1e-6)
    short = array_of(replace(EVEN, pulse=replace(EVEN.pulse, endurance=3.0, endurance_sigma=0.0)))
    seen = []
    for _ in range(5):
        short.pulse(0, 0, 0, True, True)
        seen.append(held(short)[0, 0, 0])
    assert np.diff(seen)[:2].min() > 0
    assert seen[2] == seen[3] == seen[4]


def test_cells_differ_and_so_do_pulses_and_a_seed_gives_them_again():
    def course(seed):
        array = array_of(writers.reram(), seed=seed)
        for cell, up in zip([0, 0, 1, 0, 1], [1, 1, 1, 0, 0]):
            array.pulse(2, 1, cell, bool(up), False)
        return held(array)[:, 2, 1].tolist()

    assert course(1) == course(1)
    assert course(1) != course(2)


def test_a_switch_takes_a_cell_to_an_end_or_fails():
    layer = replace(LAYER, weight_bits=2)
    array = array_of(writers.mram(), layer, device=replace(DEVICE, levels=2))
    array.pulse(0, 0, 0, True, True)
    assert set(np.unique(held(array))) == {1e-6, 29e-6}
    assert held(array)[0, 0, 0] == 29e-6
    array.pulse(0, 0, 0, False, False)
    assert held(array)[0, 0, 0] == 1e-6


def test_spares_take_pulses_and_an_array_that_is_programmed_forgets_them():
    array = array_of()
    array.pulse(1, LAYER.columns + 1, 1, True, True)
    assert array.cell_array.pulsed is None
    assert array.spares.cell_array.pulsed.pulses[1, 1, 1] == 1
    array.pulse(1, 1, 1, True, True)
    with pytest.raises(DesignError, match=r"^cells that have taken pulses are programmed by pulses only$"):
        array.program_cell(0, 0, 3)
    levels = np.full((LAYER.rows, LAYER.columns), 3)
    array.program(levels)
    assert np.abs(array.effective() - levels).max() < 0.4


def test_ideal_cells_move_by_a_level():
    array = Array(LAYER)
    for cell, up in [(0, 1)] * 9 + [(1, 1)] * 2 + [(1, 0)] * 4 + [(1, 1)]:
        array.pulse(1, 2, cell, bool(up), False)
    array.pulse(1, LAYER.columns, 1, True, True)
    assert array.levels[1, 2] == 6
    assert np.count_nonzero(array.levels) == 1
    assert array.spares.levels[1, 0] == -1


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"writer": None}, "cells must have a writer, to be programmed by pulses"),
        ({"writer": writers.nor_flash()}, "cells that are erased all together cannot be programmed by single pulses"),
        ({"scheme": "offset"}, None), ({"slices": 2}, None), ({"column_scaling": True}, None),
        ({"repair": Repair()}, None),
    ],
)  # fmt: skip
def test_cells_that_take_no_pulses(cells, sentence):
    plain = (
        "cells that are programmed by pulses must be pairs of one cell a polarity, without column scaling, repair and "
        "compensation of wires, which are the host's"
    )
    array = array_of(**({"writer": EVEN} | cells))
    with pytest.raises(DesignError) as error:
        array.pulse(0, 0, 0, True, True)
    assert str(error.value) == (sentence or plain)

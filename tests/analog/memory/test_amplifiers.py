"""Offsets of sense amplifiers in an array that is read: by hand, by their statistics, with every kind of cell."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.offset import offset_currents
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.fast import FastReader
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.repair import Repair
from ohmgate.model.formats import DesignError, symmetric_codes
from ohmgate.model.layers import DenseLayer
from ohmgate.model.layout import logical_order
from tests.analog.arrays import IDEAL, programmed

LAYER = DenseLayer(inputs=7, outputs=12, adcs=4, adc_bits=16)
OFFSET = Amplifiers(offset_sigma=5e-3)
BENT = replace(IDEAL, sinh_voltage=0.1)  # read at 2 V0


def by_hand(array: Array) -> np.ndarray:
    """Column sums that the offsets add without wires: converter k has columns 3k, 3k + 1 and 3k + 2."""
    volts, unit = array.cell_array.offset_volts[:, 0], array.cell_array.mapping.unit
    code = IDEAL.read_voltage / 7
    sums = array.conductances.sum(axis=1)
    return np.array(
        [-(sums[0, c] * volts[0, c // 3] - sums[1, c] * volts[1, c // 3]) / unit / code for c in range(12)]
    )


def test_a_column_reads_its_offset_times_its_conductance():
    array = programmed(IDEAL, LAYER, amplifiers=OFFSET)
    assert array.offsets == pytest.approx(by_hand(array), rel=1e-12)
    drive = np.random.default_rng(0).integers(-7, 8, (5, 8))
    drive[0] = 0
    plain = programmed(IDEAL, LAYER)
    assert array.analog(drive) - plain.analog(drive) == pytest.approx(np.tile(by_hand(array), (5, 1)), rel=1e-9)


def test_the_spread_over_chips_is_that_of_its_planes():
    """sigma sqrt(S+^2 + S-^2) of a column, and columns of one converter go together where their sums are alike."""
    levels = np.tile(np.random.default_rng(1).choice(symmetric_codes(4), (8, 1)), (1, 12))
    arrays = [programmed(IDEAL, LAYER, seed=seed, levels=levels, amplifiers=OFFSET) for seed in range(400)]
    found = np.array([array.offsets for array in arrays])
    sums = arrays[0].conductances.sum(axis=1)[:, 0]
    expected = 5e-3 * np.hypot(*sums) / arrays[0].cell_array.mapping.unit / (IDEAL.read_voltage / 7)
    assert found.std() == pytest.approx(expected, rel=3 / np.sqrt(2 * 1600))
    assert np.abs(found[:, 0] - found[:, 2]).max() < 1e-9 < np.abs(found[:, 2] - found[:, 3]).min()
    assert abs(np.corrcoef(found[:, 2], found[:, 3])[0, 1]) < 3 / np.sqrt(400)


def test_auto_zero_leaves_a_share_and_a_charge():
    zeroed = replace(OFFSET, auto_zero=True, open_loop_gain=99.0, injection_sigma=0.0)
    plain = programmed(IDEAL, LAYER, amplifiers=OFFSET)
    assert programmed(IDEAL, LAYER, amplifiers=zeroed).offsets == pytest.approx(plain.offsets / 100, rel=1e-9)
    both = replace(zeroed, injection_sigma=2e-5)
    drawn = both.draw((200, 200), np.random.default_rng(0))
    assert both.sigma == pytest.approx(np.hypot(5e-5, 2e-5))
    assert OFFSET.sigma == 5e-3
    assert drawn.std() == pytest.approx(both.sigma, rel=0.015)


def test_wires_decide_what_a_column_finds():
    wires = WireConfig(row_segment=100.0, column_segment=100.0, driver=1000.0)
    for unselected in ("grounded", "floating", "cut_off"):
        array = programmed(IDEAL, LAYER, amplifiers=OFFSET, wires=wires, unselected=unselected)
        volts, amperes = array.cell_array.offset_volts[:, 0], []
        for plane, own in zip(array.conductances, volts):
            amperes.append(
                offset_currents(plane, wires, own[None, np.arange(12) // 3], np.arange(12) % 3, unselected)
            )
        expected = (amperes[0] - amperes[1]) / array.cell_array.mapping.unit / (IDEAL.read_voltage / 7)
        assert array.offsets == pytest.approx(expected, rel=1e-9)
        assert np.abs(array.offsets / by_hand(array) - 1).max() > 0.01


def test_a_reference_column_has_an_amplifier_of_its_own():
    array = programmed(replace(IDEAL, levels=32), LAYER, scheme="offset", amplifiers=OFFSET)
    volts, sums = array.cell_array.offset_volts[0, 0], array.conductances[0].sum(axis=0)
    amperes = volts[np.arange(12) // 3] * sums[:12] - volts[4] * sums[12]
    expected = -amperes / array.cell_array.mapping.unit / (IDEAL.read_voltage / 7)
    assert array.offsets == pytest.approx(expected, rel=1e-9)


def test_a_spare_column_meets_the_converter_of_the_one_it_replaces():
    cells = Cells(device=IDEAL, stuck_on=0.1, repair=Repair(spares=3, partner=False), amplifiers=OFFSET)
    array = Array(LAYER, ArrayConfig(cells=cells), 4)
    array.program(np.random.default_rng(2).choice(symmetric_codes(4), array.levels.shape))
    plan = array.cell_array.plan(array.levels)
    assert (plan.place >= 12).any()
    assert (plan.gain < 0).any()
    volts, sums = array.cell_array.offset_volts[:, 0], array.conductances.sum(axis=1)[:, plan.place]
    held = volts[:, np.arange(12) // 3] * sums
    expected = -plan.gain * (held[0] - held[1]) / array.cell_array.mapping.unit / (IDEAL.read_voltage / 7)
    assert array.offsets == pytest.approx(expected, rel=1e-9)


def test_nonlinear_cells_against_their_law():
    """Cells between the row's voltage and the amplifier's: right to the square of the offset over 2 V0^2."""
    array = programmed(BENT, LAYER, amplifiers=OFFSET)
    drive = np.random.default_rng(3).integers(-7, 8, (20, 8))
    mapping, volts = array.cell_array.mapping, array.cell_array.offset_volts[:, 0, np.arange(12) // 3]
    rows = drive[:, None, :, None] * BENT.read_voltage / 7

    def amperes_at(across):
        law = BENT.read_voltage * np.sinh(across / 0.1) / np.sinh(BENT.read_voltage / 0.1)
        return (array.conductances * law).sum(axis=2)

    amperes = amperes_at(rows - volts[:, None, :])
    exact = (amperes[:, 0] - amperes[:, 1]) / mapping.unit / mapping.code_voltage
    plain = programmed(BENT, LAYER).analog(drive)
    changed = array.analog(drive) - plain
    second = (amperes_at(np.abs(rows)) * (volts / 0.1) ** 2 / 2).sum(axis=1) / mapping.unit / mapping.code_voltage
    assert (np.abs(changed - (exact - plain)) < 1.05 * second + 0.02).all()
    assert np.abs(exact - plain).max() > 19
    assert np.abs(changed - (exact - plain)).max() < 1


def test_pulses_find_the_slope_at_rest_and_at_the_read_voltage():
    array = programmed(BENT, LAYER, amplifiers=OFFSET, dacs="pulse_width")
    plain = programmed(BENT, LAYER, dacs="pulse_width")
    drive = np.zeros((2, 8), dtype=int)
    drive[1] = 7
    rest, full = array.analog(drive) - plain.analog(drive)
    assert rest == pytest.approx(by_hand(array) * 2 / np.sinh(2), rel=1e-3)
    assert full == pytest.approx(by_hand(array) * 2 / np.tanh(2), rel=1e-3)


@pytest.mark.parametrize("cells", [{}, {"dacs": "pulse_width"}, {"thermal": True}])
@pytest.mark.parametrize("device", [IDEAL, BENT])
def test_fast_reads_have_the_same_offsets(device, cells):
    layer = replace(LAYER, adc_bits=8)
    array = programmed(device, layer, amplifiers=OFFSET, **cells)
    array.set_gain(0, 3, 4)
    drive = np.random.default_rng(5).integers(-7, 8, (300, 8))
    slow = array.convert_all(drive)[:, logical_order(layer)]
    fast = FastReader(array).read(drive)
    assert (fast != slow).mean() < (0.06 if cells.get("thermal") else 0.003)
    plain = programmed(device, layer, **cells)
    plain.set_gain(0, 3, 4)
    assert (plain.convert_all(drive)[:, logical_order(layer)] != slow).mean() > 0.2


@pytest.mark.parametrize(
    "act, sentence",
    [
        (lambda: Amplifiers(offset_sigma=2.0), "amplifier offset sigma in V must be a number from 0 to 1, not 2.0"),
        (lambda: Amplifiers(open_loop_gain=0.5),
         "open-loop gain of amplifiers must be a number from 1 to 1e+09, not 0.5"),
    ],
)  # fmt: skip
def test_error_sentences(act, sentence):
    with pytest.raises(DesignError) as error:
        act()
    assert str(error.value) == sentence

"""Large matrices on several arrays with wires of their own."""

import numpy as np
import pytest

from ohmgate.analog.circuit.irdrop import ir_drop
from ohmgate.analog.circuit.tiles import tile_slices, tiled_ir_drop, tiled_matrix
from ohmgate.analog.circuit.wires import WireConfig, column_loss, effective_matrix
from ohmgate.model.formats import DesignError

ONE_OHM = WireConfig(row_segment=1.0, column_segment=1.0)
CELL = np.full((2, 3), 1e-6)


def test_tiles_cover_a_matrix_once():
    count = np.zeros((70, 130), dtype=int)
    sizes = []
    for tile in tile_slices(70, 130, 32, 64):
        count[tile] += 1
        sizes.append(count[tile].shape)
    assert (count == 1).all()
    assert len(sizes) == 9
    assert {rows for rows, _ in sizes} == {23, 24}
    assert {columns for _, columns in sizes} == {43, 44}


def test_tiled_matrix_is_its_tiles_and_loses_less():
    conductance = np.random.default_rng(0).uniform(2e-6, 18e-6, (60, 200))
    tiled = tiled_matrix(conductance, ONE_OHM, 30, 50)
    assert np.array_equal(tiled[30:, 50:100], effective_matrix(conductance[30:, 50:100], ONE_OHM))
    whole = effective_matrix(conductance, ONE_OHM)
    assert np.array_equal(tiled_matrix(conductance, ONE_OHM, 60, 200), whole)
    assert column_loss(conductance, tiled).max() < 0.2 * column_loss(conductance, whole).max()
    fast = tiled_matrix(conductance, ONE_OHM, 30, 50, error=1e-3)
    assert 0 < np.abs(fast - tiled).max() < 1e-3 * conductance.max()


def test_the_map_of_tiles_has_their_currents():
    wires = WireConfig(row_segment=50.0, column_segment=50.0)
    conductance = np.random.default_rng(1).uniform(0, 2e-6, (20, 30))
    volts = np.random.default_rng(2).uniform(-1, 1, 20)
    drop = tiled_ir_drop(conductance, wires, volts, 7)
    assert np.allclose(drop.column_current, volts @ tiled_matrix(conductance, wires, 7, 7), rtol=1e-9, atol=0)
    assert np.allclose(drop.current, conductance * (drop.row - drop.column), rtol=1e-9, atol=1e-18)
    assert drop.residual < 1e-9
    whole = tiled_ir_drop(conductance, wires, volts, 0)
    assert np.array_equal(whole.current, ir_drop(conductance, wires, volts).current)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: tiled_matrix(CELL, ONE_OHM, 0, 5), "tile rows must be an integer from 1 to 2147483648, not 0"),
        (
            lambda: tiled_matrix(CELL, ONE_OHM, 5, 2.5),
            "tile columns must be an integer from 1 to 2147483648, not 2.5",
        ),
    ],
)
def test_error_sentences(call, sentence):
    with pytest.raises(DesignError, match=sentence):
        call()

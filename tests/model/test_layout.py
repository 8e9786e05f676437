"""Where columns lie: the promises of docs/numerics.md and of the module's own text."""

import numpy as np
import pytest

from ohmgate.model.design import Design, presets
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import (
    gate_of_column,
    largest_drive,
    logical_columns,
    logical_order,
    physical_order,
    row_drive,
    row_top,
)


@pytest.mark.parametrize("layer", [x for p in presets() for x in Design.load(p).layers], ids=lambda x: x.macro_name)
def test_each_step_delivers_what_the_periphery_expects(layer):
    columns = logical_columns(layer)
    assert columns.shape == (layer.conversions, layer.adcs)
    assert sorted(columns.reshape(-1)) == list(range(layer.columns))
    group = layer.adcs // layer.gates
    for step in range(layer.conversions):
        for gate in range(layer.gates):
            units = columns[step, gate * group : (gate + 1) * group] - gate * (layer.columns // layer.gates)
            assert units.tolist() == list(range(step * group, (step + 1) * group))
    order = physical_order(layer)
    for adc in range(layer.adcs):
        neighbours = order[adc * layer.conversions : (adc + 1) * layer.conversions]
        assert neighbours.tolist() == columns[:, adc].tolist(), "an ADC serves neighbouring columns"
    assert np.array_equal(order[logical_order(layer)], np.arange(layer.columns))
    assert np.bincount(gate_of_column(layer)).tolist() == [layer.columns // layer.gates] * layer.gates


def test_inputs_are_driven_harder_and_nothing_else_is():
    lstm = LstmLayer(inputs=2, hidden=3, adcs=4, bias_rows=2, input_drive=5)
    assert row_drive(lstm).tolist() == [5, 5, 1, 1, 1, 1, 1]
    assert row_drive(DenseLayer(inputs=2, outputs=1, adcs=1)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "bits, input_bits, drive, top, largest",
    [
        (4, 0, [3, 1, 1, 1], [7, 7, 7, 7], 21),
        (4, 4, [3, 1, 1, 1], [7, 7, 7, 7], 21),
        (4, 8, [3, 16, 16, 16], [127, 7, 7, 7], 381),
        (8, 4, [48, 1, 1, 1], [7, 127, 127, 127], 336),
        (1, 5, [3, 16, 16, 16], [15, 1, 1, 1], 45),
        (2, 1, [6, 1, 1, 1], [1, 1, 1, 1], 6),
    ],
)
def test_a_dac_with_a_bit_less_has_steps_twice_as_large(bits, input_bits, drive, top, largest):
    layer = LstmLayer(inputs=1, hidden=2, adcs=4, input_drive=3, dac_bits=bits, input_dac_bits=input_bits)
    assert row_drive(layer).tolist() == drive
    assert row_top(layer).tolist() == top
    assert largest_drive(layer) == largest

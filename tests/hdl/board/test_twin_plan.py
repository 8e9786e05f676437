"""How a twin cuts its work: numbers by hand."""

import pytest

from ohmgate.hdl.board.twin_plan import TwinPlan
from ohmgate.model.layers import DenseLayer, LstmLayer

VOWELS = LstmLayer(inputs=12, hidden=32, adcs=4)
WIDE = LstmLayer(inputs=12, hidden=32, adcs=16)
NAMES = LstmLayer(inputs=100, hidden=256, adcs=64)
MANY = LstmLayer(inputs=100, hidden=64, adcs=4, weight_bits=2, input_dac_bits=6)
OWN = LstmLayer(inputs=5, hidden=2, adcs=4, dac_bits=1, input_dac_bits=3, input_drive=3, bias_rows=1)
PLANS = {  # groups, slots, bits a cycle, depth, units, digits, tree stages, conversion
    "vowels, an iCE40": (VOWELS, 4, (12, 48, 1, 12 * 32, 1, 8, 2, 7 + 2 + 48 + 4 * 8)),
    "vowels, an ECP5": (WIDE, 23, (2, 8, 1, 2 * 8, 2, 1, 5, 7 + 5 + 8 + 8)),
    "names, four bits": (NAMES, 60, (24, 24, 4, 24 * 16, 8, 1, 4 + 7, 7 + 11 + 24 + 8)),
    "two bits": (MANY, 100, (4, 2 * 3 + 2 * 2, 2, 4 * 64, 1, 2, 4, 7 + 4 + 1 + 10 + 4 * 2)),
    "own input bits": (OWN, 3, (3, 2 * 3 + 2, 1, 3 * 2, 1, 2, 2, 7 + 2 + 1 + 8 + 4 * 2)),
    "one code": (DenseLayer(inputs=1, outputs=1, adcs=1, bias_rows=0), 1, (1, 4, 1, 1, 1, 4, 0, 7 + 4 + 4)),
}


@pytest.mark.parametrize("kind", PLANS)
def test_plans(kind):
    layer, rows, numbers = PLANS[kind]
    plan = TwinPlan(layer, rows)
    found = (plan.groups, plan.slots, plan.parallel, plan.depth, plan.units, plan.digits, plan.tree_stages)
    assert (*found, plan.conversion) == numbers
    assert plan.units * plan.block == layer.adcs
    assert plan.step_cycles(5) == plan.conversion + (layer.conversions - 1) * plan.slots + 5


def test_where_the_cells_are():
    """In block RAM, where words of over 36 bits are written whole, or in the LUTs of an ECP5."""
    where = {kind: TwinPlan(layer, rows) for kind, (layer, rows, _) in PLANS.items()}
    assert [kind for kind, plan in where.items() if plan.in_blocks] == [
        "vowels, an iCE40",
        "names, four bits",
        "two bits",
    ]
    assert [kind for kind, plan in where.items() if plan.rewrites] == ["names, four bits", "two bits"]


def test_every_row_has_a_place_of_its_own_and_the_hidden_rows_begin_with_a_group():
    plan = TwinPlan(OWN, 3)
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    assert [plan.place(row) for row in range(OWN.rows)] == places
    names = TwinPlan(NAMES, 60)
    assert [names.place(row) for row in (0, 14, 15, 100, 356)] == [(0, 0), (0, 14), (1, 0), (6, 10), (23, 11)]

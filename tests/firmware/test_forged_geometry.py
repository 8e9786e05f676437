"""GEOM against the design in META, and its fields against each other: refused by the Python and the C reader."""

import numpy as np
import pytest

from ohmgate.firmware.format import GEOM, GEOMETRY, WGHT, geometry
from ohmgate.firmware.image import pack
from ohmgate.model.design import Design
from ohmgate.model.layers import RnnLayer
from tests.designs import random_network
from tests.firmware.both_readers import DESIGN, check_refused, example, sentence
from tests.firmware.damage import replaced
from tests.firmware.fake_device import FakeDevice

GEOMETRY_RULES = [
    # layer, field, values, what C says
    (0, "kind", (1, 2, 3, 255), "GEOMETRY"),
    (1, "kind", (0, 2, 3), "GEOMETRY"),
    (0, "gates", (0, 1, 3, 5), "GEOMETRY"),
    (1, "gates", (0, 2, 4), "GEOMETRY"),
    (0, "dac_bits", (0, 9, 255, 0x94, 0x80), "GEOMETRY"),
    (0, "dac_bits", (17 * geometry(DESIGN.layers[0])["dac_bits"],), "GEOMETRY"),
    (1, "dac_bits", (0x10 | geometry(DESIGN.layers[1])["dac_bits"],), "GEOMETRY"),
    (0, "weight_bits", (0, 9, 255), "GEOMETRY"),
    (0, "adc_bits", (0, 9, 255), "GEOMETRY"),
    (0, "weight_bits", (2, 4), "SECTION"),
    (0, "adc_bits", (1, 3, 0x12, 0x52), "SECTION"),
    (0, "adc_bits", (0x62,), "GEOMETRY"),  # more tiles than rows
    (0, "table_bits", (17, 255), "GEOMETRY"),
    (1, "table_bits", (9, 16), "GEOMETRY"),
    (0, "table_bits", (0,), "SECTION"),
    (0, "column_order", (0, 2), "GEOMETRY"),
    (1, "column_order", (0, 2), "GEOMETRY"),
    (0, "bias_rows", (0, 2, 255), "GEOMETRY"),
    (0, "inputs", (2, 4, 259), "GEOMETRY"),
    (0, "hidden", (1, 3, 258), "GEOMETRY"),
    (1, "hidden", (1, 256), "GEOMETRY"),
    (0, "rows", (5, 7, 262, 0), "GEOMETRY"),
    (0, "columns", (4, 12, 264, 0), "GEOMETRY"),
    (1, "columns", (2, 4, 259), "GEOMETRY"),
    (0, "adcs", (0, 8, 260), "GEOMETRY"),
    (1, "adcs", (0, 2, 257), "GEOMETRY"),
    (0, "conversions", (0, 1, 3, 258), "GEOMETRY"),
    *((0, "gate_order", (b"fiog"[:k] + b"x" + b"fiog"[k + 1 :],), "GEOMETRY") for k in range(4)),
    *((1, "gate_order", (b"z\0\0\0"[:k] + b"x" + b"z\0\0\0"[k + 1 :],), "GEOMETRY") for k in range(4)),
    (0, "gate_order", (b"z\0\0\0",), "GEOMETRY"),
    (1, "gate_order", (b"fiog",), "GEOMETRY"),
]  # fmt: skip


@pytest.mark.parametrize(
    "layer, field, value, c",
    [(layer, field, value, c) for layer, field, values, c in GEOMETRY_RULES for value in values],
)
def test_a_field_of_the_geometry(driver, layer, field, value, c):
    right = geometry(DESIGN.layers[layer])
    data = replaced(example(), GEOM, lambda _: GEOMETRY.pack(**right | {field: value}), layer)
    words = f"{field} is {value!r}, but the design in META has {right[field]!r}"
    check_refused(driver, data, c, f"section GEOM of layer {layer}: {words}")


#: Fields that agree with each other but for one rule, and the bytes of WGHT that they ask for.
CONSISTENT_BUT = {
    "an LSTM has 4 columns for each hidden unit": (0, {"inputs": 2, "hidden": 3}, 18),
    "a dense layer has no hidden unit": (1, {"inputs": 1, "hidden": 1}, 5),
    "there are rows": (1, {"inputs": 0, "bias_rows": 0, "rows": 0}, 0),
    "there are inputs": (1, {"inputs": 0, "bias_rows": 3}, 5),
    "there are columns": (1, {"adcs": 0, "conversions": 0, "columns": 0}, 0),
    "ADCs are grouped by gate": (0, {"adcs": 2, "conversions": 4}, 18),
    "the rows do not wrap": (0, {"inputs": 65535, "bias_rows": 5}, 18),
    "the columns do not wrap": (0, {"adcs": 24, "conversions": 2731}, 18),
}


@pytest.mark.parametrize("rule", CONSISTENT_BUT)
def test_fields_that_agree_but_for_one_rule(driver, rule):
    layer, changes, cells = CONSISTENT_BUT[rule]
    right = geometry(DESIGN.layers[layer])
    data = replaced(example(), GEOM, lambda _: GEOMETRY.pack(**right | changes), layer)
    data = replaced(data, WGHT, lambda payload: payload[:cells] if cells else b"", layer)
    first = next(field for field in right if field in changes)
    words = f"{first} is {changes[first]!r}, but the design in META has {right[first]!r}"
    check_refused(driver, data, "GEOMETRY", f"section GEOM of layer {layer}: {words}")


ONLY_META_TELLS = [(0, {"dac_bits": 5}), (0, {"dac_bits": 0x80 | geometry(DESIGN.layers[0])["dac_bits"]}), (0, {"table_bits": 16}), (1, {"inputs": 1, "bias_rows": 2}),
                   (0, {"adcs": 8, "conversions": 1}), (1, {"adcs": 3, "conversions": 1})]  # fmt: skip


RNN = Design("rnn", (RnnLayer(inputs=2, hidden=3, adcs=3, dac_bits=4, input_dac_bits=5),))
RNN_RULES = {
    "a kind of layer that there is not": {"kind": 3},
    "an RNN has one gate": {"gates": 4},
    "an RNN has a column for each hidden unit": {"inputs": 3, "hidden": 2},
    "an RNN's table has DAC codes": {"table_bits": 5},
    "its only gate has a name": {"gate_order": b"fiog"},
    "a dense layer has no hidden unit, and no DACs of its own": {"kind": 1},
}


@pytest.mark.parametrize("rule", RNN_RULES)
def test_a_field_of_an_rnns_geometry(driver, rule):
    image = pack(random_network(RNN, np.random.default_rng(0)))
    assert driver.load(FakeDevice(RNN), image) == "OK"
    right, changes = geometry(RNN.layers[0]), RNN_RULES[rule]
    data = replaced(image, GEOM, lambda _: GEOMETRY.pack(**right | changes), 0)
    first = next(field for field in right if field in changes)
    words = f"{first} is {changes[first]!r}, but the design in META has {right[first]!r}"
    check_refused(driver, data, "GEOMETRY", f"section GEOM of layer 0: {words}")


@pytest.mark.parametrize("layer, changes", ONLY_META_TELLS)
def test_a_geometry_that_some_other_design_has_is_not_cs_to_refuse(driver, layer, changes):
    """Which reads no META; the device's own FORMAT tells it of those that decide what is loaded."""
    right = geometry(DESIGN.layers[layer])
    data = replaced(example(), GEOM, lambda _: GEOMETRY.pack(**right | changes), layer)
    assert "but the design in META has" in sentence(data)
    assert driver.check_digest(data) == "OK"
    loads = driver.load(FakeDevice(DESIGN), data)
    assert loads == ("MISMATCH" if {"dac_bits", "table_bits"} & set(changes) else "OK")

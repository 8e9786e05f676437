"""Converters against the points that their rules were made from, and against figures worked out by hand."""

import pytest

from ohmgate.cost.converters import adc_row, dac_row, sar, survey_fit
from ohmgate.model.layers import DenseLayer, LstmLayer

NAMES = LstmLayer(inputs=100, hidden=256, adcs=64)


@pytest.mark.parametrize(
    "bits, energy, area",
    [
        (4, 0.79, 361.04),
        (5, 0.99, 476.91),
        (6, 1.20, 626.91),
        (7, 1.42, 845.18),
        (8, 1.67, 1200),
        (9, 1.969078145, 1827.911647),
        (10, 2.379022742, 3002.008032),
    ],
)
def test_the_sar_rule_gives_the_librarys_points(bits, energy, area):
    own = sar(bits)
    assert own[0] == pytest.approx(energy, abs=0.006)
    assert own[1] == pytest.approx(area, rel=2e-5)


@pytest.mark.parametrize(
    "bits, rate, energy, area",
    [
        (4, 160e6, 0.9237580, 3564.401),
        (8, 160e6, 1.713744, 4288.128),
        (12, 160e6, 39.64972, 10973.91),
        (8, 1.2e9, 1.848609, 6313.145),  # here the rate bounds the figure of merit
        (1, 160e6, 0.9237580, 3564.401),
    ],
)
def test_the_survey_fit_gives_what_the_plug_in_gives(bits, rate, energy, area):
    """Worked out with the coefficients of accelergy's model.yaml, in another program."""
    own = survey_fit(bits, rate)
    assert own[0] == pytest.approx(energy, rel=1e-5)
    assert own[1] == pytest.approx(area, rel=1e-4)


def test_64_adcs_of_4_bits():
    row = adc_row(0, NAMES, 6.25)
    assert row.energy.value == pytest.approx(1024 * 0.78629, rel=1e-4)
    assert row.energy.low == row.energy.value
    assert row.energy.high == pytest.approx(1024 * 1.0)
    assert (row.area.value, row.area.low) == pytest.approx((64 * 361.04, 64 * 361.04), rel=1e-4)
    assert row.area.high == pytest.approx(64 * 10_000)
    assert (row.layer, row.note) == (0, "")


@pytest.mark.parametrize("bits, note", [(3, True), (4, False), (10, False), (11, True)])
def test_the_sar_rule_says_where_it_ends(bits, note):
    row = adc_row(1, LstmLayer(**(vars(NAMES) | {"adc_bits": bits})), 6.25)
    assert row.note == "the SAR rule is made from 4 to 10 bits" * note


def test_nothing_is_below_the_floor_of_the_survey():
    row = adc_row(0, DenseLayer(inputs=1, outputs=1, adcs=1, adc_bits=1), 6.25)
    assert row.energy.low == pytest.approx(0.195733)  # 0.194893 + 2 x 0.00042
    assert row.area.low == 313


def test_dacs_of_inputs_and_hidden_units():
    layer = LstmLayer(inputs=10, hidden=4, adcs=16, dac_bits=4, input_dac_bits=8)
    row = dac_row(0, layer)
    assert row.energy.value == pytest.approx((10 * 128 + 4 * 8) * 0.390625)
    assert row.energy.low == pytest.approx((10 * 8 + 4 * 4) * 0.390625)
    assert row.energy.high == pytest.approx((10 * 128 + 4 * 8) * 0.41667)
    assert row.area.value == pytest.approx((10 * 128 + 4 * 8) * 0.166)
    assert row.note == "published for 1 bit"
    assert row.energy.formula == "(10 x 2^(8 - 1) + 4 x 2^(4 - 1)) x 0.391 pJ"


def test_a_dac_of_one_bit_is_isaacs():
    row = dac_row(0, DenseLayer(inputs=3, outputs=1, adcs=1, dac_bits=1))
    assert (row.energy.value, row.energy.low, row.note) == (pytest.approx(1.171875), pytest.approx(1.171875), "")

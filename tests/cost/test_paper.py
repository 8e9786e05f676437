"""The paper's figures, from its text: what section VI, Tables II and III print, and arithmetic done by hand."""

import pytest

from ohmgate.cost import paper
from ohmgate.cost.paper import adc_area, adc_energy, array_cost
from ohmgate.cost.published import PLATFORMS, SLIPS, is_papers, paper_figures
from ohmgate.cost.times import paper_times
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer

NAMES = Design.load("names")


def shown(design: Design = NAMES, index: int = 0) -> dict[str, tuple[str, str]]:
    cost = array_cost(design.layers[index], paper_times(design), index)
    return {figure.name: (figure.shown, figure.printed) for figure in paper_figures(cost)}


@pytest.mark.parametrize(
    "name, computed, printed",
    [
        ("matrix product", "3,645 GOP/s", "3645"),  # 364,544 / 100 ns
        ("throughput", "3,439 GOP/s", "3,439"),  # 364,544 / 106 ns
        ("with two operations a MAC", "6,878 GOP/s", ""),
        ("an ADC", "0.16 mW", "0.16"),
        ("64 ADCs", "0.01024 W", "0.01"),
        ("12-bit ADCs instead", "0.655 W", "0.64"),
        ("array read", "0.3645 W", "0.364"),
        ("waiting columns cut off", "0.0228 W", ""),
        ("all else", "0.761 W", "from [19]"),
        ("power", "1.136 W", "1.136"),
        ("computing efficiency", "3,027 GOP/s/W", "3,027"),
        ("area of 64 ADCs", "0.64 mm2", "0.64"),
        ("area of the array", "0.0583 mm2", "0.058"),
        ("area of all else", "0.333 mm2", "from [19]"),
        ("area", "1.031 mm2", "1.031"),
        ("area efficiency", "3,336 GOP/s/mm2", "3,333"),
    ],
)
def test_section_vi_to_the_digit(name, computed, printed):
    assert shown()[name] == (computed, printed)


def test_what_is_left_is_0762_of_the_printed_figures_and_0761_of_the_exact_ones():
    assert pytest.approx(0.762) == 1.136 - 0.364 - 0.01
    assert pytest.approx(0.761216) == paper.REST_WATTS
    assert pytest.approx(332_672.96) == paper.REST_UM2


def test_rows_of_the_papers_array():
    array, adc, rest = paper.rows(NAMES)[:3]
    assert (array.energy.value, adc.energy.value, rest.energy.value) == pytest.approx((38641.664, 1085.44, 80688.896))
    assert sum(row.energy.value for row in (array, adc, rest)) == pytest.approx(1.136 * 106 * 1000)
    assert (array.area.value, adc.area.value, rest.area.value) == pytest.approx((58327.04, 640_000, 332_672.96))
    assert {row.energy.origin for row in (array, adc, rest)} == {"paper"}


def test_the_head_takes_the_chains_106_ns_and_its_own_where_it_is_read_at_the_end():
    array, adc, rest = paper.rows(NAMES)[3:]
    assert array.energy.value == pytest.approx(256 * 100 * 106e-3)
    assert adc.energy.value == pytest.approx(20 * 0.16 * 106)
    assert rest.energy.value == pytest.approx(0.761216 * 356 / 1380 * 106_000)
    assert rest.note == "that it grows with rows and columns is our assumption"
    vowels = paper.rows(Design.load("vowels"))
    assert vowels[3].energy.value == pytest.approx(32 * 9 * 6.25e-3)  # one conversion, no table


@pytest.mark.parametrize("bits, energy", [(1, 1), (4, 1), (9, 1), (10, 4), (12, 64)])
def test_energy_of_an_adc(bits, energy):
    assert adc_energy(bits) == energy


@pytest.mark.parametrize("bits, area", [(4, 10_000), (6, 10_000), (8, 46_415.888), (12, 1_000_000)])
def test_area_of_an_adc(bits, area):
    assert adc_area(bits) == pytest.approx(area)


def test_tables_ii_and_iii_follow_from_their_rows_but_for_the_slips():
    computed = {p.name: (p.computing, p.areal) for p in PLATFORMS}
    assert computed["Nvidia Jetson"] == pytest.approx((231.8667, 0.3997701), rel=1e-6)
    assert computed["ESE"] == (pytest.approx(6.878049), None)
    assert computed["Tianjic"] == pytest.approx((1277.8947, 84.072022))
    assert computed["IBM's RPU"] == pytest.approx((14_000, 10_447.761))
    assert computed["RRAM PIM"] == pytest.approx((116.30901, 277.94872))
    assert computed["paper"] == pytest.approx((3027.2887, 3335.5965))
    assert [(p.printed_computing, p.printed_area) for p in PLATFORMS] == [
        ("231", "0.399"), ("6.88", "N/A"), ("1,278", "84"), ("14,166", "10,477"), ("116.3", "277"), ("3,027", "3,333"),
    ]  # fmt: skip


def test_slips_name_what_is_printed_and_what_follows():
    slips = {slip.printed: slip.computed for slip in SLIPS}
    assert slips["3,333 GOP/s/mm2"] == "3,336"
    assert slips["14,166 GOP/s/W of the RPU"] == "14,000"
    assert slips["10,477 GOP/s/mm2 of the RPU"] == "10,448"
    assert slips["356 x 1024 cells"] == f"{357 * 1024 * 2:,}"
    assert slips["0.64 W of 64 12-bit ADCs"] == "0.655"
    assert len(slips) == len(SLIPS)


def test_only_the_papers_own_array_has_printed_figures():
    own = NAMES.layers[0]
    assert isinstance(own, LstmLayer)
    assert is_papers(own)
    for change in ({"adc_bits": 8}, {"dac_bits": 2}, {"input_dac_bits": 8}, {"weight_bits": 2}, {"adcs": 32}):
        assert not is_papers(LstmLayer(**(vars(own) | change)))
    assert not is_papers(LstmLayer(inputs=101, hidden=256, adcs=64))
    assert not is_papers(DenseLayer(inputs=356, outputs=512, adcs=64))
    assert shown(Design.load("vowels"))["throughput"] == ("100.6 GOP/s", "")  # 44 x 128 / 56 ns

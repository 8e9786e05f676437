"""A design's cost by each tier: sums over layers, sequences, power, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.cost.digital import operations
from ohmgate.cost.estimate import TIERS, check_steps, estimate
from ohmgate.cost.figures import Span, total
from ohmgate.cost.measured import Measured
from ohmgate.hdl.accelerator import layer_latency
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.random_designs import random_design

NAMES, VOWELS = Design.load("names"), Design.load("vowels")
FIGURES = Measured("names", NAMES.fingerprint, "some.lib", 180_000.0, 2.5, "by hand", 200.0)


def latencies(design: Design) -> list[int]:
    return [layer_latency(layer) for layer in design.layers]


def test_spans_add_value_low_and_high():
    assert total([Span(3, 1, 4), Span(10, 10, 20)]) == Span(13, 11, 24)
    assert Span(3, 1, 4).times(2) == Span(6, 2, 8)


def test_the_papers_tier_of_names_is_the_papers_array_and_a_head():
    cost = estimate(NAMES, "paper", latencies(NAMES))
    of_array = [row for row in cost.rows if row.layer == 0]
    assert total(row.energy for row in of_array).value == pytest.approx(1.136 * 106e3)
    assert cost.operations == 356 * 1024 + 256 * 100
    assert cost.gops == pytest.approx((364_544 + 25_600) / 106)
    assert cost.watts.value == pytest.approx(cost.step_energy.value * 1e-12 / 106e-9)
    assert cost.programming == ()


def test_sums_of_the_literature_are_those_of_its_rows():
    cost = estimate(NAMES, "literature", [6, 2], 640)
    assert {row.component for row in cost.rows} == {
        "array", "DAC", "multiplexer", "sample and hold", "ADC", "digital",
    }  # fmt: skip
    assert len(cost.rows) == 12
    assert cost.step_energy.value == pytest.approx(sum(row.energy.value for row in cost.rows))
    assert cost.area.high == pytest.approx(sum(row.area.high for row in cost.rows))
    assert cost.sequence_energy(7).low == pytest.approx(7 * cost.step_energy.low)
    summary = cost.summary(7)
    assert summary["step_cycles"] == 69
    assert summary["power_w"][0] == pytest.approx(cost.step_energy.value * 1e-12 / (69 / 640e6))
    assert summary["gops_two_operations"] == pytest.approx(2 * 390_144 / (69 / 0.64))
    assert summary["gops_per_w"] == pytest.approx(summary["gops"] / summary["power_w"][0])
    assert summary["gops_per_mm2"] == pytest.approx(summary["gops"] / summary["area_mm2"][0])
    assert summary["programming_pj"][0] == pytest.approx(2 * (357 * 1024 + 257 * 100) * 10 * 0.4)


def test_a_head_that_is_read_at_the_end_counts_once_a_sequence():
    cost = estimate(VOWELS, "literature", latencies(VOWELS))
    head = sum(row.energy.value for row in cost.rows if row.layer == 1)
    lstm = sum(row.energy.value for row in cost.rows if row.layer == 0)
    assert cost.step_energy.value == pytest.approx(lstm)
    assert cost.sequence_energy(20).value == pytest.approx(20 * lstm + head)
    assert cost.operations == 44 * 128


def test_a_lone_layer_that_is_read_at_the_end_needs_nothing_until_then():
    design = Design("x", (DenseLayer(inputs=4, outputs=2, adcs=1, output="argmax", emit="end"),))
    cost = estimate(design, "literature", latencies(design))
    assert (cost.step_energy.value, cost.operations, cost.gops_per_watt) == (0, 0, None)
    assert cost.sequence_energy(5).value == pytest.approx(sum(row.energy.value for row in cost.rows))


def test_measured_figures_bring_their_clock_and_their_digital_part():
    cost = estimate(NAMES, "measured", [6, 2], 640, FIGURES)
    assert cost.times.clock_mhz == 400
    assert cost.times.cycles == 16 * 3 + 5  # 6.25 ns are two and a half cycles
    literature = estimate(NAMES, "literature", [6, 2], 400)
    own, other = ([r for r in c.rows if r.component != "digital"] for c in (cost, literature))
    assert own == other
    [digital] = [row for row in cost.rows if row.component == "digital"]
    assert (digital.energy.value, digital.area.value) == pytest.approx((200 * 53, 180_000))
    assert cost.rows[-1] is digital
    assert {row.energy.origin for row in cost.rows} == {"literature", "estimate", "measured"}
    assert estimate(NAMES, "measured", [6, 2], 100, FIGURES).times.clock_mhz == 100


def test_the_measured_tier_needs_figures_of_this_design():
    said = (
        "^the measured tier must have figures of names, and there are none; make them with: ohmgate synth names "
        "--target liberty --liberty LIB --json FILE, and give them with --measured FILE$"
    )
    with pytest.raises(DesignError, match=said):
        estimate(NAMES, "measured", [6, 2])
    with pytest.raises(DesignError, match="^what was measured is of a design names with fingerprint"):
        estimate(VOWELS, "measured", latencies(VOWELS), 640, FIGURES)


@pytest.mark.parametrize("clock", [0, -1, 1e6, float("nan")])
def test_a_clock_out_of_reach_is_refused(clock):
    with pytest.raises(DesignError, match=f"^clock in MHz must be a number from 0.001 to 100000, not {clock!r}$"):
        estimate(NAMES, "literature", [6, 2], clock)


def test_an_unknown_tier_is_refused():
    with pytest.raises(DesignError, match="^tier must be one of paper, literature, measured, not 'guess'$"):
        estimate(NAMES, "guess", [6, 2])


@pytest.mark.parametrize("steps", [0, 1_000_001, 2.5])
def test_a_sequence_has_whole_time_steps(steps):
    said = f"^time steps of a sequence must be an integer from 1 to 1000000, not {steps!r}$"
    with pytest.raises(DesignError, match=said):
        check_steps(steps)


@pytest.mark.parametrize("seed", range(40))
def test_every_design_has_a_cost_with_an_ordered_range(seed):
    design = random_design(np.random.default_rng(seed))
    for tier in TIERS[:2]:
        cost = estimate(design, tier, latencies(design))
        for row in (*cost.rows, *cost.programming):
            for figure in (row.energy, row.area):
                assert 0 <= figure.low <= figure.value <= figure.high
                assert figure.formula
        assert cost.area.value > 0
        assert cost.times.step > 0
        assert cost.to_dict(3)["sequence_ns"] >= cost.times.step


def test_stores_of_sequences_are_counted():
    """Two banks of inputs and outputs, three of the outputs that wait; a step's bits are written and read once."""
    forward, reverse = both_directions(LstmLayer(inputs=3, hidden=4, adcs=16), 10)
    plain, turned = operations(forward), operations(reverse, forward=forward)
    assert turned.kept - plain.kept == 10 * (2 * (3 * 4 + 4 * 4) + 3 * 4 * 4)
    assert turned.moved - plain.moved == 2 * (3 * 4 + 4 * 4 + 4 * 4)
    assert operations(replace(reverse, joined=False)).kept - plain.kept == 10 * 2 * (3 * 4 + 4 * 4)
    more = operations(reverse, 3, forward).kept - operations(forward, 3).kept
    assert more == 3 * 10 * (2 * 3 * 4 + 3 * 4 * 4 + 4 * 4 * 4)  # each context has banks of its own, and more of them
    assert (turned.products, turned.sums) == (plain.products, plain.sums)

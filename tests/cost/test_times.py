"""Times of time steps, by hand: conversions, tails, the paper's nanoseconds."""

from dataclasses import replace

import pytest

from ohmgate.cost.times import clocked, conversion_cycles, paper_times
from ohmgate.hdl.accelerator import Accelerator, layer_latency
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import DenseLayer, LstmLayer

LSTM = LstmLayer(inputs=100, hidden=256, adcs=64)
HEAD = DenseLayer(inputs=256, outputs=100, adcs=20, output="argmax", emit="end")


@pytest.mark.parametrize("clock, cycles", [(640, 4), (641, 5), (1000, 7), (320, 2), (100, 2), (0.1, 2)])
def test_a_conversion_takes_the_papers_6_25_ns_and_at_least_two_cycles(clock, cycles):
    assert conversion_cycles(LSTM, clock) == cycles


def test_a_design_that_fixes_its_conversions_keeps_them():
    assert conversion_cycles(LstmLayer(**(vars(LSTM) | {"conversion_cycles": 9})), 640) == 9


def test_sixteen_conversions_and_a_tail_of_four_are_busy_for_94_1_percent():
    times = clocked(Design("x", (LSTM,)), [5], 640)
    assert times.cycles == 16 * 4 + 4
    assert times.step == pytest.approx(106.25)
    assert times.layers[0].latency == pytest.approx(69 / 0.64)
    assert times.busy(0) == pytest.approx(64 / 68)
    assert round(100 * times.busy(0), 1) == 94.1


@pytest.mark.parametrize("preset", ["names", "vowels", "har", "ptb"])
def test_cycles_are_those_of_the_hardware(preset):
    design = Design.load(preset)
    times = clocked(design, [layer_latency(layer) for layer in design.layers], 640)
    assert times.cycles == Accelerator(design).cycles(4)


def test_interleaved_sequences_leave_no_array_idle_and_take_turns():
    """64 cycles of 640 MHz, and 62.5 of the paper's nanoseconds for 10 conversions; or a share of array and tail."""
    shared = clocked(Design("x", (LSTM,), contexts=2), [6], 640)
    assert (shared.cycles, shared.busy(0)) == (64, 1)
    assert shared.sequence(3) == pytest.approx((2 * 2 * 64 + 64 + 6 + 1) / 0.64)  # and a cycle for its turn
    short = LstmLayer(inputs=3, hidden=4, adcs=16, conversion_cycles=2)
    assert [clocked(Design("x", (short,), contexts=b), [6], 1000).step for b in (1, 2, 3, 4)] == [7, 3.5, 7 / 3, 2]
    assert paper_times(Design("x", (LSTM,), contexts=2)).step == 100
    assert paper_times(Design("x", (LSTM,), contexts=2)).sequence(2) == 200 + 106


@pytest.mark.parametrize("contexts", [2, 4])
@pytest.mark.parametrize("preset", ["names", "vowels", "har", "ptb"])
def test_cycles_of_interleaved_sequences_are_those_of_the_hardware(preset, contexts):
    design = replace(Design.load(preset), contexts=contexts)
    times = clocked(design, [layer_latency(layer, contexts) for layer in design.layers], 640)
    assert (
        times.cycles == Accelerator(design).cycles(4) == max(x.conversions for x in design.layers if not x.at_end) * 4
    )


def test_a_layer_that_is_read_at_the_end_does_not_slow_the_steps():
    lstm = LstmLayer(inputs=3, hidden=4, adcs=16)
    head = DenseLayer(inputs=4, outputs=100, adcs=1, output="argmax", emit="end")
    times = clocked(Design("x", (lstm, head)), [6, 3], 1000)  # one and a hundred conversions of 7 cycles
    assert times.step == pytest.approx(12)
    assert times.charged(0) == pytest.approx(12)
    assert times.charged(1) == pytest.approx(702)
    assert times.busy(1) == pytest.approx(700 / 702)
    assert times.sequence(10) == pytest.approx(9 * 12 + 13 + 703)


def test_a_sequence_is_gone_through_again_where_a_layer_in_reverse_waits_for_its_end():
    """Taken in, computed backwards, handed to the next layer, computed backwards; a head at the end adds nothing."""
    lstm, head = LstmLayer(inputs=3, hidden=4, adcs=16), DenseLayer(inputs=8, outputs=2, adcs=2, emit="end")
    pairs = (*both_directions(lstm, 10), *both_directions(replace(lstm, inputs=8), 10))
    times = clocked(Design("x", (*pairs, head)), [6, 6, 6, 6, 3], 1000)
    assert times.waits == 3
    assert times.sequence(10) == pytest.approx((4 * 10 - 1) * 12 + 4 * 13 + 10)
    assert clocked(Design("x", (*pairs[:2], replace(head, emit="step"))), [6, 6, 3], 1000).waits == 2
    assert paper_times(Design("x", (replace(lstm, direction="reverse", max_steps=4),))).waits == 1


def test_a_lone_layer_that_is_read_at_the_end_has_its_own_step():
    assert clocked(Design("x", (HEAD,)), [3], 640).cycles == 5 * 4 + 2


def test_the_papers_nanoseconds():
    times = paper_times(Design("x", (LSTM, HEAD)))
    assert [layer.step for layer in times.layers] == [106, 31.25]
    assert (times.clock_mhz, times.cycles, times.step) == (None, None, 106)
    table = DenseLayer(inputs=2, outputs=2, adcs=1)
    assert paper_times(Design("x", (table,))).step == 17.5

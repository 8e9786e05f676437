"""Cycles per time step: M * conversion + tail, for several M and conversion times."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ohmgate.hdl.accelerator import layer_core
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_inputs, random_network

#: (columns per ADC, cycles of a conversion, fixed latency?)
CASES = [(1, 2, False), (1, 5, True), (2, 2, True), (4, 3, False), (8, 4, False), (8, 2, False), (16, 7, True)]


def lstm(steps, conversion, fixed):
    return LstmLayer(inputs=3, hidden=16, adcs=64 // steps, conversion_cycles=conversion if fixed else 0)


def dense(steps, conversion, fixed):
    return DenseLayer(inputs=3, outputs=16, adcs=16 // steps, conversion_cycles=conversion if fixed else 0)


def head(steps, conversion, fixed):
    return replace(dense(steps, conversion, fixed), output="argmax")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One build of a chip for each kind of layer and each case, with a network and six time steps of inputs."""
    problem = missing_tools("icarus")
    if problem:
        pytest.skip(problem)
    rng = np.random.default_rng(0)
    jobs, cases = [], []
    for kind in (lstm, dense, head):
        for case in CASES:
            design = Design("timing", (kind(*case),))
            codes, _ = random_inputs(design, rng, batch=1, steps=6)
            timing = Timing(conversion=(case[1], case[1]))
            jobs.append(DeviceJob(random_network(design, rng), codes, np.array([6]), timing=timing))
            cases.append(case)
    return build([j.network.design for j in jobs], tmp_path_factory.mktemp("timing"), "icarus"), jobs, cases


@pytest.mark.slow
def test_cycles_of_a_time_step(built):
    chips, jobs, cases = built
    for job, (steps, conversion, _), result in zip(jobs, cases, simulate(chips, jobs)):
        layer = job.network.design.layers[0]
        assert result.comparison.agrees, str(result.comparison)
        tail = layer_core(layer).tail
        assert tail == (5 if layer.kind == "lstm" else 2 if layer.output == "argmax" else 1)
        assert tail <= 6
        assert layer.conversions == steps
        record = result.record.layers[0]
        starts = record.starts
        assert len(starts) == 6 * steps
        assert (record.adc_cycles - starts == conversion - 1).all()
        within = [b - a for a, b in pairwise(starts) if (list(starts).index(b)) % steps]
        assert within == [conversion] * (6 * (steps - 1))
        between = [int(b - a) for a, b in pairwise(starts[::steps])]
        assert between == [steps * conversion + tail] * 5, (layer, between)
        assert layer_core(layer).cycles(conversion) == between[0]
        if layer.kind == "lstm":  # codes are taken in cycle 0 of the pipeline
            stages = record.gates_cycles, record.cell_cycles, record.hidden_cycles
            assert [set(cycles - record.adc_cycles) for cycles in stages] == [{1}, {4}, {5}]


@pytest.mark.slow
def test_waits_are_drawn_from_their_whole_ranges(built):
    """A bench that did not stall would find no fault that a stall brings."""
    chips, jobs, cases = built
    timings = [Timing(conversion=(3, 7)), Timing((2, 2), input_gaps=9), Timing((2, 2), output_gaps=6)]
    stalled = [replace(job, timing=timings[number % 3], seed=number) for number, job in enumerate(jobs)]
    conversions, inputs, outputs = set(), set(), set()
    for job, (steps, _, fixed), result in zip(stalled, cases, simulate(chips, stalled)):
        assert result.comparison.agrees, str(result.comparison)
        layer, record = job.network.design.layers[0], result.record.layers[0]
        ends = record.adc_cycles[steps - 1 :: steps]  # of the last conversion of a time step
        tail = layer_core(layer).tail
        if job.timing.input_gaps:
            inputs |= set((record.starts[steps::steps] - ends[:-1] - 1 - tail).tolist())
        elif not job.timing.output_gaps:
            conversions |= set() if fixed else set((record.adc_cycles - record.starts + 1).tolist())
        else:
            outputs |= set((np.array(result.record.out_cycles) - ends - tail - 1).tolist())
    assert conversions == {3, 4, 5, 6, 7}
    assert outputs == {0, 1, 2, 3, 4, 5, 6}
    assert (min(inputs), max(inputs)) == (0, 9 - 2), "a step of two cycles or more hides that much of a wait"

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


@pytest.mark.slow
def test_cycles_of_a_time_step(tmp_path):
    problem = missing_tools("icarus")
    if problem:
        pytest.skip(problem)
    rng = np.random.default_rng(0)
    jobs, layers = [], []
    for kind in (lstm, dense, head):
        for case in CASES:
            design = Design("timing", (kind(*case),))
            codes, _ = random_inputs(design, rng, batch=1, steps=6)
            timing = Timing(conversion=(case[1], case[1]))
            jobs.append(DeviceJob(random_network(design, rng), codes, np.array([6]), timing=timing))
            layers.append((design.layers[0], case))
    results = simulate(build([j.network.design for j in jobs], tmp_path, "icarus"), jobs)
    for (layer, (steps, conversion, _)), result in zip(layers, results):
        assert result.comparison.mismatches == 0, str(result.comparison)
        tail = layer_core(layer).tail
        assert tail == (4 if layer.kind == "lstm" else 2 if layer.output == "argmax" else 1)
        assert tail <= 6
        assert layer.steps == steps
        starts = result.record.layers[0].starts
        assert len(starts) == 6 * steps
        within = [b - a for a, b in pairwise(starts) if (list(starts).index(b)) % steps]
        assert within == [conversion] * (6 * (steps - 1))
        between = [int(b - a) for a, b in pairwise(starts[::steps])]
        assert between == [steps * conversion + tail] * 5, (layer, between)
        assert layer_core(layer).latency(conversion) == between[0]

"""Random designs, networks, inputs and stalls: reference, PyTorch, noiseless array and Verilog give one answer."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.model.reference import run
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.simulators import missing_tools
from ohmgate.train.export.verify import verify
from ohmgate.train.network import DesignNetwork
from tests.designs import random_design, random_inputs, random_network


def random_job(seed: int) -> DeviceJob:
    rng = np.random.default_rng([2026, seed])
    design = replace(random_design(rng), data_registers=seed % 2 == 1)  # which leave the streams as they are
    network = random_network(design, rng)
    codes, lengths = random_inputs(network.design, rng, batch=4, steps=5)
    least = int(rng.integers(2, 7))
    timing = Timing(
        conversion=(least, least + int(rng.integers(0, 8))),
        programming=(2, 2 + int(rng.integers(0, 4))),
        input_gaps=int(rng.choice([0, 3, 30])),
        output_gaps=int(rng.choice([0, 3, 40])),
    )
    return DeviceJob(network, codes, lengths, timing=timing, seed=seed)


def check_levels(job: DeviceJob) -> None:
    """PyTorch and the noiseless array against the reference."""
    report = verify(DesignNetwork.from_network(job.network), job.codes, job.lengths, job.network)
    assert report.mismatches == 0, str(report)
    assert report.integers > 0
    expected = run(job.network, job.codes, job.lengths)
    arrays = run(job.network, job.codes, job.lengths, convert_through(build_arrays(job.network)))
    for one, other in zip(expected.layers, arrays.layers):
        assert np.array_equal(one.adc, other.adc)
        assert np.array_equal(one.out, other.out)


def check_batch(simulator: str, first: int, count: int, folder) -> None:
    problem = missing_tools(simulator)
    if problem:
        pytest.skip(problem)
    jobs = [random_job(seed) for seed in range(first, first + count)]
    for job in jobs:
        check_levels(job)
    results = simulate(build([job.network.design for job in jobs], folder, simulator), jobs)
    for job, result in zip(jobs, results):
        assert result.comparison.mismatches == 0, f"seed {job.seed}: {result.comparison}"
        steps = int(job.lengths.sum())
        first_layer = job.network.design.layers[0]
        at_end = getattr(first_layer, "emit", "step") == "end"
        assert result.comparison.integers >= (len(job.lengths) if at_end else steps) * first_layer.rows


@pytest.mark.slow
def test_random_designs_on_verilator(tmp_path):
    check_batch("verilator", 0, 8, tmp_path)


@pytest.mark.slow
def test_random_designs_on_icarus(tmp_path):
    check_batch("icarus", 100, 5, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 64, 8))
def test_many_random_designs_on_verilator(first, tmp_path):
    check_batch("verilator", first, 8, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(100, 116, 4))
def test_many_random_designs_on_icarus(first, tmp_path):
    check_batch("icarus", first, 4, tmp_path)

"""Random designs, networks, inputs and stalls: reference, PyTorch, noiseless array and Verilog give one answer."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import PRESETS
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.model.reference import run
from ohmgate.sim.job import DeviceJob
from ohmgate.sim.simulators import missing_tools
from ohmgate.sim.trials import Trial, random_job, run_random
from ohmgate.train.export.verify import verify
from ohmgate.train.network import DesignNetwork


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


def check_batch(simulator: str, first: int, count: int, folder) -> list[Trial]:
    problem = missing_tools(simulator)
    if problem:
        pytest.skip(problem)
    seeds = range(first, first + count)
    for seed in seeds:
        check_levels(random_job(seed))
    trials = list(run_random(random_job, seeds, folder, simulator))
    assert [trial.seed for trial in trials] == list(seeds)
    for trial in trials:
        job, result = trial.job, trial.result
        assert result.comparison.agrees, f"seed {trial.seed}: {result.comparison}"
        if job.scenario != "inference":
            continue
        steps = int(job.lengths.sum())
        first_layer = job.network.design.layers[0]
        at_end = getattr(first_layer, "emit", "step") == "end"
        assert result.comparison.integers >= (len(job.lengths) if at_end else steps) * first_layer.rows
    return trials


@pytest.mark.slow
def test_random_designs_on_verilator(tmp_path):
    check_batch("verilator", 0, 8, tmp_path)


@pytest.mark.slow
def test_random_designs_on_icarus(tmp_path):
    trials = check_batch("icarus", 100, 5, tmp_path)
    assert [trial.job.scenario for trial in trials] == 3 * ["inference"] + ["reset_sweep", "refusal"]
    [alone] = run_random(random_job, [104], tmp_path, "icarus")
    one, other = trials[4].result.record, alone.result.record
    assert (one.out, one.out_cycles, one.stalls) == (other.out, other.out_cycles, other.stalls), (
        "its neighbours matter"
    )


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 64, 8))
def test_many_random_designs_on_verilator(first, tmp_path):
    check_batch("verilator", first, 8, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(100, 116, 4))
def test_many_random_designs_on_icarus(first, tmp_path):
    check_batch("icarus", first, 4, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 40, 10))
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_many_random_designs_with_diagnostics(simulator, first, tmp_path):
    """Of noisy arrays, too."""
    if problem := missing_tools(simulator):
        pytest.skip(problem)

    def make(seed: int) -> DeviceJob:
        return replace(random_job(seed, "diagnostics"), array=PRESETS[("ideal", "paper", "reram")[seed % 3]])

    seeds = [s for s in range(1000 + first, 1010 + first) if random_job(s, "inference").network.design.diagnostics]
    assert seeds
    for trial in run_random(make, seeds, tmp_path, simulator):
        assert trial.result.comparison.agrees, f"seed {trial.seed}: {trial.result.comparison}"
        assert trial.result.record.facts["conversions"] > 30

"""Resets in every cycle, refused images, noise, waves: what a chip must survive."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import PRESETS, ArrayConfig
from ohmgate.analog.converters import AdcErrors, DacErrors
from ohmgate.analog.inference import build_arrays
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import reram
from ohmgate.analog.memory.programming import WriteVerify
from ohmgate.analog.memory.repair import Repair
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import run
from ohmgate.sim.compare import compare
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.simulators import SIMULATORS, WAVE_FILES, missing_tools
from ohmgate.sim.trials import random_job, run_random
from tests.designs import random_inputs, random_network

EVERYTHING = ArrayConfig(
    weight_noise=0.02, redraw="per_step", adc_noise="physical", adc_sigma=0.2,
    adc=AdcErrors(kind="sar", offset_sigma=0.2, gain_sigma=0.02, mismatch=0.01, comparator_sigma=0.1, calibrate=True),
    dac=DacErrors(offset_sigma=0.02, gain_sigma=0.01, bow_sigma=0.02, mismatch=0.02),
    cells=Cells(
        device=replace(reram(), device_sigma=0.05), column_scaling=True, seconds=1e6, kelvin=330.0, stuck_on=0.02,
        stuck_off=0.02, thermal=True, shot=True, writer=WriteVerify(), repair=Repair(spares=2), tile=8,
        wires=WireConfig(row_segment=10.0, column_segment=10.0, driver=100.0, driver_ends=2), compensate=True,
    ),
)  # fmt: skip
CALIBRATED = replace(PRESETS["pcm"], cells=replace(PRESETS["pcm"].cells, seconds=1e7), gains="gate")


def two_layers() -> Design:
    return Design("two_layers", (
        LstmLayer(inputs=3, hidden=4, adcs=8, cell_bits=10, cell_fraction=9),
        DenseLayer(inputs=4, outputs=6, adcs=2, adc_bits=6, output="argmax", emit="end"),
    ))  # fmt: skip


def stack() -> Design:
    return Design("stack", (
        DenseLayer(inputs=2, outputs=3, adcs=3, output_bits=3, function="relu"),
        LstmLayer(inputs=3, hidden=3, adcs=12, dac_bits=3, conversion_cycles=3, cell_bits=8, cell_fraction=7),
        LstmLayer(inputs=3, hidden=2, adcs=4, dac_bits=3, cell_bits=9, cell_fraction=8, tables="constant"),
    ))  # fmt: skip


def job(design: Design, seed: int = 0, batch: int = 3, **changes) -> DeviceJob:
    rng = np.random.default_rng(seed)
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch=batch, steps=4)
    return DeviceJob(network, codes, np.maximum(lengths, 2), seed=seed, **changes)


@pytest.fixture(scope="module", params=SIMULATORS)
def chips(request, tmp_path_factory):
    problem = missing_tools(request.param)
    if problem:
        pytest.skip(problem)
    return build([two_layers(), stack()], tmp_path_factory.mktemp(request.param), request.param)


@pytest.mark.slow
def test_reset_in_every_cycle_of_a_time_step(chips):
    """A conversion of 11 cycles would still run when the next one begins, were it not cancelled."""
    times = (11, 3)
    jobs = [
        job(d, scenario="reset_sweep", timing=Timing(conversion=(time, time)))
        for d, time in zip((two_layers(), stack()), times)
    ]
    for one, result, time in zip(jobs, simulate(chips, jobs), times):
        layers = one.network.design.layers
        assert result.record.facts["cycles"] >= sum(x.conversions * time + 4 for x in layers)
        assert len(result.record.facts["sequences"]) == 2 * result.record.facts["cycles"]
        assert result.comparison.agrees, str(result.comparison)


def test_a_wrong_fingerprint_is_refused_by_the_chip(chips):
    for result in simulate(chips, [job(d, scenario="refusal") for d in (two_layers(), stack())]):
        facts = result.record.facts
        assert facts["status_after_wrong"] == {
            "UNLOCKED": 0, "REFUSED": 1, "BUSY": 0, "PROGRAMMING": 0, "ERROR": 0, "SEALED": 0}  # fmt: skip
        locked = ["CONTROL", "GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW", "LEVEL", "SEAL"]
        assert facts["refused"] == [*locked, "CONTROL without a seal"]
        assert facts["sealed"] == [1, 0]
        assert facts["kept_cells"] == "the device's cells were not loaded to the end; load it with its weights"
        assert facts["input_taken"] == 0
        assert facts["cells_written"] == 0
        assert facts["right_image"] == "loaded", "the right image afterwards is taken"
        assert result.comparison.mismatches == 0, str(result.comparison)


def test_a_noisy_run_is_compared_as_strictly(chips):
    jobs = [job(d, seed=3, array=PRESETS["paper"]) for d in (two_layers(), stack())]
    results = simulate(chips, jobs)
    for one, result in zip(jobs, results):
        assert result.comparison.mismatches == 0, str(result.comparison)
        ideal = compare(replace(one, array=PRESETS["ideal"]), result.record)
        assert ideal.mismatches > 0, "the noise changed no code at all"
        assert ideal.first.stage == "ADC code"
    again = simulate(chips, jobs)
    for first, second in zip(results, again):
        for a, b in zip(first.record.layers, second.record.layers):
            assert np.array_equal(a.adc, b.adc), "the same seed gives the same codes"


@pytest.mark.parametrize("name", ["paper_wires", "reram", "nor_flash"])
def test_physical_arrays_are_compared_as_strictly(chips, name):
    jobs = [job(d, seed=6, array=PRESETS[name]) for d in (two_layers(), stack())]
    for one, result in zip(jobs, simulate(chips, jobs)):
        assert result.comparison.mismatches == 0, str(result.comparison)
        ideal = compare(replace(one, array=PRESETS["ideal"]), result.record)
        assert ideal.mismatches > 0, "the cells changed no code at all"


@pytest.mark.parametrize(
    "array", [PRESETS["paper"], EVERYTHING, CALIBRATED], ids=["paper", "everything", "calibrated"]
)
def test_a_simulated_chip_reads_as_the_array_model_does(chips, array):
    """Same seed, same drives, same codes: noise of a sequence is new in the next one, in every kind of layer."""
    jobs = [job(d, seed=7, array=array) for d in (two_layers(), stack())]
    for one, result in zip(jobs, simulate(chips, jobs)):
        arrays = build_arrays(one.network, one.array, one.seed)
        for layer, array, seen in zip(one.network.design.layers, arrays, result.record.layers):
            ends = getattr(layer, "emit", "") == "end"
            begins = [ends or step == 0 for length in one.lengths for step in range(1 if ends else length)]
            assert len(seen.drive) == len(begins)
            for first, drive, codes in zip(begins, seen.drive, seen.adc.reshape(-1, layer.conversions, layer.adcs)):
                if first:
                    array.new_sequence()
                assert np.array_equal(array.convert_all(drive), codes.T.reshape(-1))


def test_counters(chips):
    timing = Timing(input_gaps=5, output_gaps=9)
    jobs = [job(d, seed=31, batch=5, timing=timing) for d in (two_layers(), stack())]
    for one, result in zip(jobs, simulate(chips, jobs)):
        registers, layers = result.record.registers, one.network.design.layers
        assert registers["STEPS"] == one.lengths.sum()
        rails = 0
        for layer, seen in zip(layers, result.record.layers):
            low, high = -(2 ** (layer.adc_bits - 1)), 2 ** (layer.adc_bits - 1) - 1
            rails += int(((seen.adc == low) | (seen.adc == high)).sum())
        assert registers["ADC_SATURATIONS"] == rails > 0
        saturations = [trace.saturations for trace in run(one.network, one.codes, one.lengths).layers]
        assert [count > 0 for count in saturations] == [layer.kind == "lstm" for layer in layers]
        assert registers["CELL_SATURATIONS"] == sum(saturations)
        assert registers["CYCLES"] >= sum(len(seen.starts) * 2 for seen in result.record.layers[:1])


def test_the_comparison_finds_and_names_a_wrong_integer(chips):
    one = job(two_layers(), seed=5)
    other = job(stack(), seed=5)
    result = simulate(chips, [one, other])[0]
    assert result.comparison.mismatches == 0

    layers = list(one.network.layers)
    tables = np.array(layers[0].tables)
    tables[2] = 255 - tables[2]  # output gates differ: nothing before the hidden code does
    changed = replace(one.network, layers=(replace(layers[0], tables=tables), layers[1]))
    first = compare(replace(one, network=changed), result.record).first
    assert (first.layer, first.sequence, first.step, first.stage) == (0, 0, 0, "gate activation")
    assert first.what.startswith("gate o of"), "the first in time, not a row that came of it a step later"

    record = result.record
    record.layers[0].cell[5, 1] ^= 1
    found = compare(one, record)
    assert found.mismatches == 1
    steps = one.network.design.layers[0].conversions
    lengths = one.lengths.tolist()
    step, unit = 5 // steps, 5 % steps * 2 + 1
    sequence = 0 if step < lengths[0] else 1
    assert found.first.layer == 0
    assert found.first.stage == "cell state"
    assert (found.first.sequence, found.first.step) == (sequence, step - sum(lengths[:sequence]))
    assert found.first.unit == unit
    assert found.first.got == found.first.expected ^ 1
    assert str(found.first).startswith(f"layer 0, sequence {sequence}, step ")

    record.layers[0].cell[5, 1] ^= 1
    record.out.pop()
    missing = compare(one, record)
    assert missing.mismatches == 3, "a label and its two marks"
    assert missing.first.stage == "number of steps seen (output stream)"


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_waves_are_recorded(simulator, tmp_path):
    problem = missing_tools(simulator, waves=True)
    if problem:
        pytest.skip(problem)
    built = build([two_layers()], tmp_path, simulator, waves=True)
    assert simulate(built, [job(two_layers())])[0].comparison.mismatches == 0
    assert (tmp_path / WAVE_FILES[simulator]).read_bytes()[:1] == b"\x00", "an FST file begins with its header block"
    assert (tmp_path / WAVE_FILES[simulator]).stat().st_size > 1000


DIRECTED = Design("directed", (
    *both_directions(LstmLayer(inputs=2, hidden=2, adcs=8, cell_bits=8, cell_fraction=6, conversion_cycles=2), 4),
    LstmLayer(inputs=4, hidden=2, adcs=8, cell_bits=8, cell_fraction=6, direction="reverse", max_steps=4),
    DenseLayer(inputs=2, outputs=3, adcs=3, adc_bits=6, output="argmax", emit="end"),
))  # fmt: skip


def test_layers_in_both_directions_on_icarus(tmp_path):
    """Noisy arrays and stalls; then a sequence that is too long, which is refused and told."""
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    stalls = Timing(input_gaps=2, output_gaps=3)
    noisy = job(DIRECTED, batch=4, array=PRESETS["paper"], timing=stalls)
    jobs = [noisy, job(DIRECTED, seed=1, scenario="refusal")]
    built = build([DIRECTED, DIRECTED], tmp_path, "icarus")
    one, other = simulate(built, jobs)
    assert one.comparison.agrees, str(one.comparison)
    assert {layer for layer, _ in one.comparison.stages} == {0, 1, 2, 3}
    assert one.record.registers["SEQUENCES"] == 4
    assert other.comparison.agrees, str(other.comparison)
    assert other.record.facts["too_long"].startswith("the device has refused a sequence of more than the 4 steps")


@pytest.mark.full
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("scenario", ["inference", "reset_sweep", "refusal", "diagnostics"])
def test_random_designs_with_directions(scenario, simulator, tmp_path):
    """Of the trials' designs those with layers in reverse; each with every scenario that it allows."""
    if problem := missing_tools(simulator):
        pytest.skip(problem)
    seeds = [seed for seed in range(2, 120, 3) if random_job(seed, "inference").network.design.max_steps]
    if scenario == "diagnostics":
        seeds = [seed for seed in seeds if random_job(seed, "inference").network.design.diagnostics]
    assert len(seeds) > 8
    for trial in run_random(lambda seed: random_job(seed, scenario), seeds[:16], tmp_path, simulator):
        assert trial.result.comparison.agrees, f"seed {trial.seed}: {trial.result.comparison}"
